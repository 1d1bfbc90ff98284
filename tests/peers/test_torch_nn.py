"""RNN, GRU and LSTM equal torch.nn's from copied weights: values, last states, all gradients."""

import pytest
import torch

from catena import Sequences, scan
from catena.ladder.gru import GRUCell
from catena.ladder.lstm import LSTMCell
from catena.ladder.rnn import ElmanCell

PAIRS = {
    "rnn": (ElmanCell, torch.nn.RNN),
    "gru": (GRUCell, torch.nn.GRU),
    "lstm": (LSTMCell, torch.nn.LSTM),
}
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
RAGGED, EQUAL = [3, 11, 1, 6], [5, 5, 5]


def twins(name, inputs, units):
    """Our cell and PyTorch's layer with the same weights."""
    torch.manual_seed(7 * units + inputs)
    ours, theirs = (kind(inputs, units) for kind in PAIRS[name])
    with torch.no_grad():
        for weight in WEIGHTS:
            getattr(ours, weight).copy_(getattr(theirs, f"{weight}_l0"))
    return ours, theirs


def everything(name, lengths, inputs, units):
    """Both cells, one input each, one non-zero initial state each."""
    ours, theirs = twins(name, inputs, units)
    x = torch.randn(sum(lengths), inputs)
    start = [torch.randn(len(lengths), units) for _ in ours.start(1)]
    leaves = [[t.clone().requires_grad_() for t in (x, *start)] for _ in range(2)]
    return ours, theirs, *leaves


def run_theirs(theirs, x, start, lengths):
    batch = Sequences(x, torch.tensor(lengths))
    begin = tuple(part[None] for part in start)
    output, last = theirs(batch.to_packed(), begin if len(begin) > 1 else begin[0])
    last = last if isinstance(last, tuple) else (last,)
    return Sequences.from_packed(output).values, [part[0] for part in last]


def close(found, wanted):
    """The same sums in another order: a few float32 roundings of numbers about 1 in size."""
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("backend", ["torch", "reference"])
@pytest.mark.parametrize("lengths", [RAGGED, EQUAL, [1]], ids=["ragged", "equal", "one"])
@pytest.mark.parametrize(("inputs", "units"), [(1, 1), (2, 3), (5, 7)])
@pytest.mark.parametrize("name", PAIRS)
def test_values_and_last_states(name, inputs, units, lengths, backend):
    ours, theirs, (x, *start), (x2, *start2) = everything(name, lengths, inputs, units)
    scanned = scan(ours, Sequences(x, torch.tensor(lengths)), tuple(start), backend=backend)
    output, last = run_theirs(theirs, x2, start2, lengths)
    close(scanned.features.values, output)
    for found, wanted in zip(scanned.state, last, strict=True):
        close(found, wanted)


@pytest.mark.parametrize("backend", ["torch", "reference"])
@pytest.mark.parametrize("lengths", [RAGGED, EQUAL], ids=["ragged", "equal"])
@pytest.mark.parametrize(("inputs", "units"), [(1, 1), (2, 3), (5, 7)])
@pytest.mark.parametrize("name", PAIRS)
def test_every_gradient(name, inputs, units, lengths, backend):
    ours, theirs, mine, yours = everything(name, lengths, inputs, units)
    scanned = scan(
        ours, Sequences(mine[0], torch.tensor(lengths)), tuple(mine[1:]), backend=backend
    )
    output, last = run_theirs(theirs, yours[0], yours[1:], lengths)
    pull = torch.randn_like(output) / sum(lengths)
    weights = [torch.randn_like(part) / len(lengths) for part in last]
    for features, state in ((scanned.features.values, scanned.state), (output, last)):
        loss = (features * pull).sum()
        loss = loss + sum((a * b).sum() for a, b in zip(state, weights, strict=True))
        loss.backward()
    for found, wanted in zip(mine, yours, strict=True):
        close(found.grad, wanted.grad)
    for weight in WEIGHTS:
        close(getattr(ours, weight).grad, getattr(theirs, f"{weight}_l0").grad)


@pytest.mark.parametrize("backend", ["torch", "reference"])
@pytest.mark.parametrize("name", PAIRS)
def test_the_learned_initial_state_has_its_gradient(name, backend):
    ours, theirs = twins(name, 2, 3)
    with torch.no_grad():
        ours.initial.normal_()
    x = torch.randn(sum(RAGGED), 2)
    scan(ours, Sequences(x, torch.tensor(RAGGED)), backend=backend).features.values.sum().backward()
    begin = ours.initial.detach().clone().requires_grad_()
    start = [part.expand(len(RAGGED), -1) for part in begin]
    run_theirs(theirs, x, start, RAGGED)[0].sum().backward()
    torch.testing.assert_close(ours.initial.grad, begin.grad, rtol=5e-6, atol=5e-6)


@pytest.mark.parametrize("backend", ["torch", "reference"])
@pytest.mark.parametrize("name", PAIRS)
@torch.no_grad()
def test_empty_sequences_among_others(name, backend):
    ours, theirs, (x, *start), _ = everything(name, [4, 0, 2, 0], 2, 3)
    scanned = scan(ours, Sequences(x, torch.tensor([4, 0, 2, 0])), tuple(start), backend=backend)
    output, last = run_theirs(theirs, x, [part[[0, 2]] for part in start], [4, 2])
    close(scanned.features.values, output)
    for found, wanted, begin in zip(scanned.state, last, start, strict=True):
        close(found[[0, 2]], wanted)
        assert torch.equal(found[[1, 3]], begin[[1, 3]])
