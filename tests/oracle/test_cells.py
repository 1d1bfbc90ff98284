"""The cells against their equations, and gates held open or shut."""

import pytest
import torch

from catena import Sequences, scan
from catena.ladder.gru import GRUCell
from catena.ladder.lstm import LSTMCell
from catena.ladder.rnn import ElmanCell
from catena.recurrence import FromFunction

CELLS = (ElmanCell, GRUCell, LSTMCell)
both = pytest.mark.parametrize("backend", ["torch", "reference"])


def pushed(kind, inputs, units):
    torch.manual_seed(units)
    cell = kind(inputs, units).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return cell


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("units", [1, 3])
def test_the_gradient_of_the_reference_step(kind, units):
    cell = pushed(kind, 2, units)
    x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    state = tuple(torch.randn_like(part).requires_grad_() for part in cell.start(3))

    def step(x, *rest):
        parts, weights = rest[: len(state)], rest[len(state) :]
        names = [name for name, _ in cell.named_parameters() if name != "initial"]
        module = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(
            _Step(cell), {f"cell.{n}": w for n, w in module.items()}, (parts, x)
        )

    weights = [p for name, p in cell.named_parameters() if name != "initial"]
    assert torch.autograd.gradcheck(step, (x, *state, *weights))


class _Step(torch.nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, state, x):
        return self.cell.step(state, x)


@pytest.mark.parametrize("kind", CELLS)
def test_the_gradient_of_a_ragged_scan(kind):
    cell, lengths = pushed(kind, 2, 2), torch.tensor([2, 0, 3])
    x = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    state = tuple(torch.randn_like(part).requires_grad_() for part in cell.start(3))

    def whole(x, *state):
        scanned = scan(cell, Sequences(x, lengths), state, backend="reference")
        return scanned.features.values, *scanned.state

    assert torch.autograd.gradcheck(whole, (x, *state))


@both
@pytest.mark.parametrize("kind", CELLS)
def test_an_empty_sequence_keeps_its_initial_state(kind, backend):
    cell = pushed(kind, 2, 3)
    batch = Sequences(torch.randn(5, 2, dtype=torch.float64), torch.tensor([0, 3, 0, 2, 0]))
    start = tuple(torch.randn_like(part) for part in cell.start(5))
    with torch.no_grad():
        found = scan(cell, batch, start, backend=backend).state
    for part, wanted in zip(found, start, strict=True):
        assert torch.equal(part[[0, 2, 4]], wanted[[0, 2, 4]])
        assert not torch.equal(part[1], wanted[1])


@both
@pytest.mark.parametrize("kind", CELLS)
def test_nothing_but_empty_sequences(kind, backend):
    cell = pushed(kind, 2, 3)
    batch = Sequences(torch.zeros(0, 2, dtype=torch.float64), torch.tensor([0, 0]))
    scanned = scan(cell, batch, backend=backend)
    assert scanned.features.values.shape == (0, 3)
    assert all(torch.equal(a, b) for a, b in zip(scanned.state, cell.start(2), strict=True))


@both
@torch.no_grad()
def test_an_lstm_with_its_gates_held_keeps_its_memory(backend):
    cell = pushed(LSTMCell, 2, 3)
    cell.weight_ih.zero_()
    cell.weight_hh.zero_()
    cell.bias_hh.zero_()
    cell.bias_ih.copy_(torch.tensor([-1e9, 1e9, 0.0, 0.0]).repeat_interleave(3))
    start = (torch.randn(1, 3).double(), torch.randn(1, 3).double())
    batch = Sequences(torch.randn(50, 2).double(), torch.tensor([50]))
    assert torch.equal(scan(cell, batch, start, backend=backend).state[1], start[1])


@both
@torch.no_grad()
def test_a_gru_with_its_update_gate_open_keeps_its_state(backend):
    cell = pushed(GRUCell, 2, 3)
    cell.bias_ih[3:6] = 1e9
    start = (torch.rand(1, 3).double(),)
    batch = Sequences(torch.randn(50, 2).double(), torch.tensor([50]))
    kept = scan(cell, batch, start, backend=backend).state[0]
    # PyTorch writes n + z (h - n) for (1 - z) n + z h: one float64 rounding in each of 50 steps.
    torch.testing.assert_close(kept, start[0], rtol=50 * 2.3e-16, atol=50 * 2.3e-16)


@torch.no_grad()
def test_the_equations_written_out_by_hand():
    """One step of each cell, one unit, in plain numbers."""
    from math import exp, tanh

    def s(v):
        return 1 / (1 + exp(-v))

    x, h, c = 0.7, -0.3, 0.9
    xt, ht, ct = (torch.tensor([[v]], dtype=torch.float64) for v in (x, h, c))

    def given(kind, gates):
        cell = kind(1, 1).double()
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            start = {"weight_ih": 1.0, "weight_hh": -0.5, "bias_ih": 0.2, "bias_hh": 0.1}[name]
            values = [start + 0.3 * gate for gate in range(gates)]
            getattr(cell, name).copy_(
                torch.tensor(values).double().reshape(getattr(cell, name).shape)
            )
        return cell

    def pre(gate):
        return (1 + 0.3 * gate) * x + (0.2 + 0.3 * gate), (-0.5 + 0.3 * gate) * h + (
            0.1 + 0.3 * gate
        )

    (elman,) = given(ElmanCell, 1).step((ht,), xt)
    assert float(elman) == pytest.approx(tanh(sum(pre(0))), abs=1e-7)
    (gru,) = given(GRUCell, 3).step((ht,), xt)
    r, z = s(sum(pre(0))), s(sum(pre(1)))
    n = tanh(pre(2)[0] + r * pre(2)[1])
    assert float(gru) == pytest.approx((1 - z) * n + z * h, abs=1e-7)
    new_h, new_c = given(LSTMCell, 4).step((ht, ct), xt)
    i, f, g, o = (sum(pre(gate)) for gate in range(4))
    memory = s(f) * c + s(i) * tanh(g)
    assert float(new_c) == pytest.approx(memory, abs=1e-7)
    assert float(new_h) == pytest.approx(s(o) * tanh(memory), abs=1e-7)


def test_a_function_becomes_a_recurrence_with_parameters():
    made = FromFunction(lambda s, x, theta: (s[0] @ theta["a"] + x,), [2], {"a": (2, 2)})
    assert dict(made.named_parameters()).keys() == {"theta.a"}
    assert made.theta["a"].abs().max() <= 2**-0.5
    batch = Sequences(torch.randn(3, 2), torch.tensor([1, 2]))
    scan(made, batch).state[0].sum().backward()
    assert made.theta["a"].grad.abs().sum() > 0
