"""Wrappers change no part of what they wrap."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from catena import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    CatenaError,
    Residual,
    Sequences,
    Stack,
    Symbols,
    scan,
)
from catena.ladder.gru import GRUCell
from catena.ladder.lstm import LSTMCell
from catena.ladder.rnn import ElmanCell

LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=5)


def pushed(module):
    """In double precision, every parameter away from zero."""
    torch.manual_seed(0)
    module = module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module.eval()


def batch_of(lengths, size=3):
    torch.manual_seed(sum(lengths))
    return Sequences(torch.randn(sum(lengths), size, dtype=torch.float64), torch.tensor(lengths))


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@given(LENGTHS)
@torch.no_grad()
def test_a_stack_is_one_scan_after_another(lengths):
    low, high = pushed(GRUCell(3, 4)), pushed(LSTMCell(4, 2))
    batch = batch_of(lengths)
    first = scan(low, batch)
    second = scan(high, first.features)
    for backend in ("layerwise", "reference"):
        found = scan(Stack([low, high]), batch, backend=backend)
        close(found.features.values, second.features.values)
        for a, b in zip(found.state, (*first.state, *second.state), strict=True):
            close(a, b)


@given(LENGTHS)
@torch.no_grad()
def test_a_residual_adds_its_input(lengths):
    inner, batch = pushed(ElmanCell(3, 3)), batch_of(lengths)
    plain = scan(inner, batch)
    for backend in ("around", "reference"):
        found = scan(Residual(inner), batch, backend=backend)
        close(found.features.values, plain.features.values + batch.values)
        close(found.state[1], plain.state[0])
        wanted = [row[-1] if len(row) else torch.zeros(3).double() for row in batch]
        close(found.state[0], torch.stack(wanted))


def test_before_its_first_input_a_residual_shows_what_it_wraps():
    inner = pushed(GRUCell(3, 3))
    close(Residual(inner).read(Residual(inner).start(2)), inner.read(inner.start(2)))


@given(LENGTHS)
@torch.no_grad()
def test_both_ways_is_one_scan_each_way(lengths):
    ahead, behind, batch = pushed(LSTMCell(3, 2)), pushed(GRUCell(3, 4)), batch_of(lengths)
    there, back = scan(ahead, batch), scan(behind, batch, reverse=True)
    found = scan(Bidirectional(ahead, behind), batch)
    close(found.features.values, torch.cat([there.features.values, back.features.values], -1))
    for a, b in zip(found.state, (*there.state, *back.state), strict=True):
        close(a, b)


@torch.no_grad()
def test_both_ways_equals_pytorchs():
    ours = pushed(Bidirectional(LSTMCell(3, 4), LSTMCell(3, 4)))
    theirs = torch.nn.LSTM(3, 4, bidirectional=True).double()
    for cell, suffix in ((ours.forwards, ""), (ours.backwards, "_reverse")):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(theirs, f"{name}_l0{suffix}").copy_(getattr(cell, name))
    batch = batch_of([5, 2, 7])
    start = ours.start(3)
    h0, c0 = torch.stack([start[0], start[2]]), torch.stack([start[1], start[3]])
    packed, (h, c) = theirs(batch.to_packed(), (h0, c0))
    found = scan(ours, batch)
    close(found.features.values, Sequences.from_packed(packed).values)
    for a, b in zip(found.state, (h[0], c[0], h[1], c[1]), strict=True):
        close(a, b)


def test_both_ways_has_no_reference_loop_and_no_step():
    both = Bidirectional(GRUCell(3, 2), GRUCell(3, 2))
    assert not hasattr(both, "step")
    with pytest.raises(CatenaError, match="no 'reference' kernel scans this Bidirectional"):
        scan(both, batch_of([1]), backend="reference")


@pytest.mark.parametrize("rung", [RNN, GRU, LSTM])
def test_a_generator_cannot_read_the_future(rung):
    with pytest.raises(CatenaError, match="its backward half reads the very observations"):
        rung(units=2, bidirectional=True).build(Symbols.learn(["ab"]))


def test_dropout_between_layers_is_off_when_evaluating():
    stack, batch = pushed(Stack([GRUCell(3, 3), GRUCell(3, 3)], dropout=0.5)), batch_of([6])
    once, again = scan(stack, batch).features.values, scan(stack, batch).features.values
    close(once, again)
    stack.train()
    torch.manual_seed(1)
    assert not torch.equal(scan(stack, batch).features.values, once)
