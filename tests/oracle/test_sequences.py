"""The ragged batch: from everything, to everything, and nothing lost between."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catena import CatenaError, Sequences
from catena.container import same
from catena.model import join
from catena.scanning import spans
from catena.sequences import ranges

EVENTS = [(), (3,), (2, 2)]


@st.composite
def batches(draw, events=tuple(EVENTS), least=0, sequences=0):
    """Ragged batches: empty ones, empty sequences anywhere, several dtypes and event shapes."""
    lengths = draw(st.lists(st.integers(least, 7), min_size=sequences, max_size=6))
    event = draw(st.sampled_from(events))
    dtype = draw(st.sampled_from([torch.int64, torch.float32, torch.float64, torch.int16]))
    values = torch.arange(sum(lengths) * int(np.prod(event))).reshape(sum(lengths), *event)
    return Sequences(values.to(dtype), torch.tensor(lengths, dtype=torch.int64))


def identical(a: Sequences, b: Sequences) -> bool:
    return torch.equal(a.lengths, b.lengths) and same(a.values, b.values)


@given(batches())
@settings(max_examples=60)
def test_lists_come_back(batch):
    back = Sequences.from_list(batch.to_list())
    assert torch.equal(back.lengths, batch.lengths)
    if len(batch):
        assert identical(back, batch)


@given(batches(), st.booleans(), st.integers(0, 3))
@settings(max_examples=60)
def test_padded_comes_back(batch, batch_first, extra):
    padded, lengths = batch.to_padded(fill=99, batch_first=batch_first)
    assert identical(Sequences.from_padded(padded, lengths, batch_first=batch_first), batch)
    time = 1 if batch_first else 0
    shape = list(padded.shape)
    shape[time] = extra
    if len(batch):
        longer = torch.cat([padded, padded.new_full(shape, 77)], time)
        assert identical(Sequences.from_padded(longer, lengths, batch_first=batch_first), batch)


@given(batches(events=EVENTS[:2]))
@settings(max_examples=60)
def test_padding_holds_the_fill_and_nothing_else(batch):
    padded, _ = batch.to_padded(fill=-5)
    for row, sequence in zip(padded, batch, strict=True):
        assert torch.equal(row[: len(sequence)], sequence)
        assert bool((row[len(sequence) :] == -5).all())


@given(batches(least=1, sequences=1))
@settings(max_examples=40)
def test_packed_comes_back(batch):
    assert identical(Sequences.from_packed(batch.to_packed()), batch)


@pytest.mark.parametrize("sort", [True, False])
def test_a_packed_sequence_of_pytorchs_own(sort):
    rows = [torch.arange(5.0), torch.arange(3.0), torch.arange(1.0)]
    packed = torch.nn.utils.rnn.pack_sequence(rows, enforce_sorted=sort)
    assert [row.tolist() for row in Sequences.from_packed(packed)] == [r.tolist() for r in rows]


def test_an_empty_sequence_cannot_be_packed():
    for batch in (Sequences.from_list([[1], []]), Sequences.from_list([])):
        with pytest.raises(CatenaError, match="empty"):
            batch.to_packed()


@given(batches(sequences=1))
@settings(max_examples=30)
def test_nested_comes_back(batch):
    assert identical(Sequences.from_nested(batch.to_nested()), batch)


def test_a_nested_tensor_whose_rows_are_apart():
    dense = torch.arange(10.0).reshape(2, 5)
    starts, lengths = torch.tensor([0, 1]), torch.tensor([2, 3])
    nested = torch.nested.narrow(dense, 1, starts, lengths, layout=torch.jagged)
    assert [r.tolist() for r in Sequences.from_nested(nested)] == [[0.0, 1.0], [6.0, 7.0, 8.0]]


@given(batches(events=EVENTS[:2]))
@settings(max_examples=60)
def test_arrow_comes_back(batch):
    array = batch.to_arrow()
    assert identical(Sequences.from_arrow(array), batch)
    chunked = pa.chunked_array([array, array])
    twice = Sequences.concatenate([batch, batch])
    assert identical(Sequences.from_arrow(chunked), twice)


@given(batches(events=EVENTS[:2], sequences=1), st.data())
@settings(max_examples=60)
def test_a_slice_of_an_arrow_array(batch, data):
    start = data.draw(st.integers(0, len(batch)))
    stop = data.draw(st.integers(start, len(batch)))
    assert identical(Sequences.from_arrow(batch.to_arrow()[start:stop]), batch[start:stop])


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.int64()),
        pa.large_list(pa.int64()),
        pa.list_(pa.float32()),
        pa.list_(pa.uint8()),
        pa.list_(pa.bool_()),
    ],
    ids=str,
)
def test_arrow_lists_of_every_kind(kind):
    rows = [[1, 0, 1], [], [1]]
    found = Sequences.from_arrow(pa.array(rows).cast(kind))
    assert [row.tolist() for row in found] == rows


def test_arrow_lists_of_fixed_size():
    array = pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int64(), 2))
    assert [r.tolist() for r in Sequences.from_arrow(array)] == [[1, 2], [3, 4], [5, 6]]
    assert [r.tolist() for r in Sequences.from_arrow(array[1:])] == [[3, 4], [5, 6]]


@pytest.mark.parametrize("inner", [pa.list_(pa.float64(), 2), pa.list_(pa.float64())], ids=str)
def test_arrow_lists_of_lists(inner):
    rows = [[[1.0, 2.0], [3.0, 4.0]], [], [[5.0, 6.0]]]
    array = pa.array(rows, pa.list_(inner))
    assert [row.tolist() for row in Sequences.from_arrow(array)] == rows
    assert [row.tolist() for row in Sequences.from_arrow(array[1:])] == rows[1:]


def test_arrow_keeps_the_width_of_no_observations():
    array = pa.array([[], []], pa.list_(pa.list_(pa.float64(), 3)))
    assert Sequences.from_arrow(array).event == (3,)


def test_arrow_without_chunks():
    array = pa.chunked_array([], type=pa.list_(pa.int64()))
    assert len(Sequences.from_arrow(array)) == 0


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (pa.array([[1], None]), "1 lists are null"),
        (pa.array([[1, None]]), "1 observations are null"),
        (pa.array([[[1.0], None]]), "1 observations are null"),
        (pa.array([[[1.0, None]]]), "1 observations are null"),
        (pa.array([[[1.0], [1.0, 2.0]]]), r"different widths: \[1, 2\]"),
        (pa.array([["a", "b"]]), "must be numbers, not string"),
        (pa.array([1, 2]), "an Arrow array of lists is needed, not of int64"),
        (pa.array([[[[1.0]]]]), "must be numbers"),
    ],
    ids=str,
)
def test_arrow_that_does_not_fit_is_refused(array, message):
    with pytest.raises(CatenaError, match=message):
        Sequences.from_arrow(array)


def test_arrow_takes_one_dimension():
    with pytest.raises(CatenaError, match="one dimension, not 2"):
        Sequences.from_list([np.zeros((1, 2, 2))]).to_arrow()


def test_an_empty_list_takes_the_dtype_of_its_neighbours():
    assert Sequences.from_list([[], [1, 2]]).values.dtype == torch.int64
    assert Sequences.from_list([[], np.zeros((2, 3))]).event == (3,)


def test_arrays_that_pytorch_does_not_take():
    reversed_ = np.arange(3)[::-1]
    read_only = np.frombuffer(b"\x01\x02", np.uint8)
    every_other = np.arange(6)[::2]
    found = Sequences.from_list([reversed_, read_only, every_other])
    assert [row.tolist() for row in found] == [[2, 1, 0], [1, 2], [0, 2, 4]]
    assert Sequences(np.arange(3)[::-1], [2, 1])[0].tolist() == [2, 1]
    assert Sequences.from_padded(np.arange(4).reshape(2, 2)[::-1], [1, 2]).values.tolist() == [
        2,
        0,
        1,
    ]


@given(batches(), st.data())
@settings(max_examples=60)
def test_choosing_sequences(batch, data):
    rows, count = batch.to_list(), len(batch)
    mask = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    picked = data.draw(st.lists(st.integers(-count, count - 1), max_size=5)) if count else []
    cut = data.draw(st.slices(count))
    for index, wanted in [
        (
            torch.tensor(mask, dtype=torch.bool),
            [r for r, kept in zip(rows, mask, strict=True) if kept],
        ),
        (np.array(mask, dtype=bool), [r for r, kept in zip(rows, mask, strict=True) if kept]),
        (torch.tensor(picked, dtype=torch.int64), [rows[i] for i in picked]),
        (np.array(picked, dtype=np.int64), [rows[i] for i in picked]),
        (picked, [rows[i] for i in picked]),
        (cut, rows[cut]),
    ]:
        found = batch[index]
        assert found.event == batch.event
        assert found.values.dtype == batch.values.dtype
        assert [r.tolist() for r in found] == [r.tolist() for r in wanted]
    for i in range(-count, count):
        assert torch.equal(batch[i], rows[i])
        assert torch.equal(batch[np.int64(i)], rows[i])


def test_an_index_beyond_the_end_is_an_index_error():
    batch = Sequences.from_list([[1], [2, 3]])
    for index in (2, -3):
        with pytest.raises(IndexError):
            batch[index]
    with pytest.raises(IndexError):
        batch[[0, 5]]


@given(batches(events=[(3,)]), batches(events=[(3,)]))
def test_concatenation_is_in_order(a, b):
    whole = Sequences.concatenate([a, b])
    assert [r.tolist() for r in whole] == [r.tolist() for r in [*a, *b]]


@pytest.mark.parametrize(
    ("values", "lengths", "message"),
    [
        (torch.zeros(3), [2], "sum to 2, but there are 3"),
        (torch.zeros(3), [4, -1], "negative: -1"),
        (torch.zeros(()), [], "first dimension"),
        (torch.zeros(2), [[1, 1]], "one dimension"),
    ],
)
def test_what_is_not_a_batch_is_refused(values, lengths, message):
    with pytest.raises(CatenaError, match=message):
        Sequences(values, lengths)


def test_what_is_not_padded_is_refused():
    with pytest.raises(CatenaError, match="2 padded rows, but 1 lengths"):
        Sequences.from_padded(torch.zeros(2, 3), [3])
    with pytest.raises(CatenaError, match="a length of 4 in rows of 3"):
        Sequences.from_padded(torch.zeros(2, 3), [4, 0])
    with pytest.raises(CatenaError, match="negative"):
        Sequences.from_padded(torch.zeros(2, 3), [-1, 0])


def test_observations_of_different_shapes_are_refused():
    with pytest.raises(CatenaError, match=r"different shapes: \[\(2,\), \(3,\)\]"):
        Sequences.from_list([np.zeros((1, 2)), np.zeros((1, 3))])


@pytest.mark.parametrize(
    "one", [[1, 2], [1.5], np.zeros(3), torch.zeros(3), [np.int64(1)]], ids=str
)
def test_one_sequence_is_not_a_list_of_sequences(one):
    with pytest.raises(CatenaError, match="wrap one sequence in a list"):
        Sequences.from_list(one)


def test_nothing_concatenated_is_refused():
    with pytest.raises(CatenaError, match="give at least one"):
        Sequences.concatenate([])


def test_pythons_numbers_keep_their_digits():
    batch = Sequences.from_list([[1e8 + 1, 1e300], [2]])
    assert batch.values.tolist() == [1e8 + 1, 1e300, 2]
    assert batch.values.dtype == torch.float64


def test_it_shows_what_is_in_it():
    batch = Sequences.from_list([np.zeros((2, 3)), np.zeros((0, 3))])
    assert repr(batch) == "Sequences(2 sequences, 2 observations of shape (3,), float64)"
    assert batch.offsets.tolist() == [0, 2, 2]


@given(batches(), st.integers(1, 9))
@settings(max_examples=60)
def test_spans_cut_and_join_puts_together(batch, span):
    pieces = list(spans(batch, span))
    assert identical(join([piece for piece, _ in pieces]), batch)
    assert all(int(piece.lengths.max()) <= span for piece, _ in pieces if len(batch))
    ended = torch.stack([ends for _, ends in pieces]).long().sum(0)
    assert ended.tolist() == [1] * len(batch)
    seen = torch.zeros(len(batch), dtype=torch.int64)
    for piece, ends in pieces:
        seen += piece.lengths
        assert bool((seen[ends] == batch.lengths[ends]).all())


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 6)), max_size=6))
def test_ranges_are_ranges(pairs):
    starts = torch.tensor([start for start, _ in pairs], dtype=torch.int64)
    lengths = torch.tensor([length for _, length in pairs], dtype=torch.int64)
    wanted = [i for start, length in pairs for i in range(start, start + length)]
    assert ranges(starts, lengths).tolist() == wanted
