"""Layer normalisation in the rungs, against the equations written out in float64."""

from __future__ import annotations

import pytest
import torch

from catena import GRU, LSTM, RNN, CatenaError, Sequences, scan
from catena.learn.optimizer import optimizer_for
from catena.recurrence import Recurrence
from catena.space import Symbols

RUNGS = {rung.kind: rung for rung in (RNN, GRU, LSTM)}
LENGTHS = [5, 0, 3]


def cell(kind: str, units: int = 4):
    """A layer over 3 inputs whose every parameter was pushed away from where it starts."""
    torch.manual_seed(0)
    made = RUNGS[kind](units=units, layer_norm=True).cell(3).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return made


def normal(values, gain, bias):
    centred = values - values.mean()
    return gain * centred / (centred.square().mean() + 1e-5).sqrt() + bias


def written_out(kind, made, x):
    """h of every step of one sequence x `[t, 3]`."""
    own = {name: value.detach() for name, value in made.named_parameters()}
    h, c = own["initial"][0], own["initial"][-1]
    shown = []
    for step in x:
        a = normal(own["weight_ih"] @ step, own["norm_ih"], own["bias_ih"])
        u = normal(own["weight_hh"] @ h, own["norm_hh"], own["bias_hh"])
        if kind == "rnn":
            h = torch.tanh(a + u)
        elif kind == "gru":
            r, z = torch.sigmoid(a[:4] + u[:4]), torch.sigmoid(a[4:8] + u[4:8])
            h = (1 - z) * torch.tanh(a[8:] + r * u[8:]) + z * h
        else:
            i, f, g, o = (a + u).chunk(4)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(normal(c, *own["norm_c"]))
        shown.append(h)
    return torch.stack(shown) if shown else x.new_zeros(0, 4)


@pytest.mark.parametrize("kind", RUNGS)
def test_the_equations(kind):
    made = cell(kind)
    x = torch.randn(sum(LENGTHS), 3).double()
    sequences = Sequences(x, torch.tensor(LENGTHS))
    wanted = torch.cat([written_out(kind, made, own) for own in x.split(LENGTHS)])
    found = scan(made, sequences, backend="reference").features.values
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    native = scan(made.float(), sequences.with_values(x.float())).features.values
    torch.testing.assert_close(native.double(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", RUNGS)
def test_the_input_may_be_of_any_size(kind):
    """What is normalised does not change with the scale of what it was made of."""
    made, x = cell(kind), torch.randn(1, 3).double()
    state = made.start(1)
    for one, other in zip(made.step(state, x), made.step(state, 1e4 * x), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", RUNGS)
def test_a_kernel_without_it_refuses(kind):
    made = cell(kind).float()
    assert isinstance(made, Recurrence)
    x = Sequences(torch.randn(2, 3), torch.tensor([2]))
    with pytest.raises(CatenaError, match="have none of these variants"):
        scan(made, x, backend="torch")


def test_gains_do_not_decay():
    model = LSTM(units=4, layer_norm=True).build(Symbols(("⟨unk⟩", "a", "b")))
    found = optimizer_for(model, "adamw", None, 0.5, 0.9)
    decayed = {p: group["weight_decay"] for group in found.param_groups for p in group["params"]}
    norms = [p for name, p in model.named_parameters() if ".norm_" in name]
    assert len(norms) == 3
    assert {decayed[norm] for norm in norms} == {0.0}
