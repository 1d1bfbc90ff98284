"""Time-major order, and the loop that runs on it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_sequence

from catena import CatenaError, FromFunction, Sequences, scan
from catena.layout import Layout
from catena.scanning import spans

LENGTHS = st.lists(st.integers(0, 12), max_size=7)


def numbered(lengths):
    return Sequences(torch.arange(sum(lengths)), torch.tensor(lengths, dtype=torch.int64))


@given(LENGTHS)
@settings(max_examples=80)
def test_unpacking_undoes_packing(lengths):
    batch = numbered(lengths)
    layout = Layout(batch.lengths)
    packed = layout.pack(batch.values)
    assert torch.equal(layout.unpack(packed), batch.values)
    assert torch.equal(layout.order[layout.inverse], torch.arange(len(lengths)))
    assert sorted(packed.tolist()) == batch.values.tolist()


@given(LENGTHS)
@settings(max_examples=80)
def test_reversal_turns_each_sequence_over_its_own_end(lengths):
    batch = numbered(lengths)
    layout = Layout(batch.lengths)
    assert torch.equal(layout.reversal[layout.reversal], torch.arange(batch.total))
    turned = layout.unpack(layout.pack(batch.values)[layout.reversal])
    assert [r.tolist() for r in batch.with_values(turned)] == [r.tolist()[::-1] for r in batch]


@given(st.lists(st.integers(1, 12), min_size=1, max_size=7))
@settings(max_examples=40)
def test_it_is_pytorchs_packed_order(lengths):
    batch = numbered(lengths)
    packed, layout = pack_sequence(batch.to_list(), enforce_sorted=False), Layout(batch.lengths)
    assert torch.equal(packed.batch_sizes, layout.batch_sizes)
    assert sorted(packed.data.tolist()) == sorted(layout.pack(batch.values).tolist())
    assert layout.rectangular == (len(set(lengths)) == 1)


@given(LENGTHS)
@settings(max_examples=80)
def test_the_last_values_are_those_at_each_end(lengths):
    batch = numbered(lengths)
    layout = Layout(batch.lengths)
    before = -1 - torch.arange(len(lengths))
    last = layout.last(layout.pack(batch.values), before[layout.order])[layout.inverse]
    wanted = [int(r[-1]) if len(r) else -1 - i for i, r in enumerate(batch)]
    assert last.tolist() == wanted


class Counting:
    """A recurrence that counts the rows it is stepped with."""

    def __init__(self):
        self.rows, self.calls = 0, 0

    def start(self, batch):
        return (torch.zeros(batch),)

    def step(self, state, x):
        assert len(state[0]) == len(x) > 0
        self.rows, self.calls = self.rows + len(x), self.calls + 1
        return (state[0] + x,)

    def read(self, state):
        return state[0]


@given(LENGTHS, st.booleans())
@settings(max_examples=80)
def test_no_step_is_spent_on_padding(lengths, reverse):
    counting, batch = Counting(), numbered(lengths)
    scanned = scan(counting, batch.with_values(batch.values.float()), reverse=reverse)
    assert counting.rows == sum(lengths)
    assert counting.calls == max(lengths, default=0)
    assert scanned.state[0].tolist() == [float(r.sum()) for r in batch]


@given(LENGTHS, st.integers(1, 5))
@settings(max_examples=40)
def test_no_step_is_spent_on_padding_between_spans(lengths, span):
    counting, state = Counting(), None
    batch = numbered(lengths)
    for piece, _ in spans(batch.with_values(batch.values.float()), span):
        state = scan(counting, piece, state).state
    assert counting.rows == sum(lengths)
    assert state[0].tolist() == [float(r.sum()) for r in batch]


def test_gradients_go_through_a_ragged_scan():
    start = torch.ones(3, requires_grad=True)
    x = Sequences.from_list([[2.0, 3.0], [], [5.0]])
    x = x.with_values(x.values.requires_grad_())
    product = FromFunction(lambda s, x, theta: (s[0] * x,), state=[()])
    scan(product, x, (start,)).state[0].sum().backward()
    assert start.grad.tolist() == [6.0, 1.0, 5.0]
    assert x.values.grad.tolist() == [3.0, 2.0, 1.0]


def test_a_backend_that_there_is_not_is_refused():
    with pytest.raises(
        CatenaError, match="no 'cuda' kernel scans this Counting; choose from reference"
    ):
        scan(Counting(), numbered([1]), backend="cuda")
