"""Sessions from event tables: order, repeats, gaps, and a split by time that does not leak."""

import io
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catena.errors import CatenaError
from catena.formats import read_sessions
from catena.split import split_by_end

ROWS = [("b", "pen", 5), ("a", "tea", 3), ("b", "ink", 2), ("a", "cup", 3), ("b", "pen", 5)]
COLUMNS = ("session", "item", "time")
SORTED = [["ink", "pen", "pen"], ["tea", "cup"]]


def csv(rows=ROWS):
    return "".join(",".join(map(str, row)) + "\n" for row in [COLUMNS, *rows])


def frame(rows=ROWS, columns=COLUMNS):
    return pa.table(
        {name: list(part) for name, part in zip(columns, zip(*rows, strict=True), strict=True)}
    )


def parquet():
    file = io.BytesIO()
    pq.write_table(frame(), file)
    return file.getvalue()


@pytest.mark.parametrize(
    "source",
    [
        lambda write: write(csv(), "e.csv"),
        lambda write: write(csv().replace(",", "\t"), "e.tsv"),
        lambda write: write(parquet(), "e.parquet"),
        lambda write: [write(csv(ROWS[:2]), "one.csv"), write(csv(ROWS[2:]), "two.csv")],
        lambda write: frame(),
        lambda write: frame().to_batches()[0],
    ],
    ids=["csv", "tsv", "parquet", "two files", "table", "batch"],
)
def test_events_are_put_in_the_order_of_time(write, source):
    sessions = read_sessions(source(write))
    assert sessions.sequences == SORTED
    assert sessions.names == ["b", "a"]
    assert sessions.ends.tolist() == [5, 3]
    assert (sessions.repeated, sessions.skipped) == (1, {})


def test_repeats_are_kept_and_counted_and_dropped_when_asked(write):
    dropped = read_sessions(frame(), drop_repeats=True)
    assert dropped.sequences == [["ink", "pen"], ["tea", "cup"]]
    assert dropped.repeated == 1


def test_without_times_the_order_is_the_tables():
    sessions = read_sessions(frame(), time=None)
    assert sessions.sequences == [["pen", "ink", "pen"], ["tea", "cup"]]
    assert sessions.ends.tolist() == [4, 3]
    assert sessions.repeated == 0


def test_columns_of_other_names_and_types():
    start = datetime(2020, 1, 1)
    rows = [(7, 30, start + timedelta(days=2)), (7, 10, start), (8, 10, start)]
    sessions = read_sessions(frame(rows, ("who", "what", "when")), session="who", item="what",
                             time="when")  # fmt: skip
    assert sessions.sequences == [[10, 30], [10]]
    categories = frame().set_column(1, "item", frame().column("item").dictionary_encode())
    assert read_sessions(categories).sequences == SORTED


@pytest.mark.parametrize(
    ("bad", "column"),
    [(("b", None, 4), "item"), (("a", "cup", None), "time"), ((None, "cup", 1), "session")],
)
def test_a_gap_is_named_and_skipped_only_when_asked(write, bad, column):
    rows = [*ROWS[:2], bad, *ROWS[2:]]
    with pytest.raises(CatenaError, match=f"Table, row 3, column '{column}': no value"):
        read_sessions(frame(rows))
    text = csv(rows).replace("None", "")
    with pytest.raises(CatenaError, match=f"e.csv, line 4, column '{column}': no value"):
        read_sessions(write(text, "e.csv"))
    for source in (frame(rows), write(text, "e.csv")):
        sessions = read_sessions(source, skip_bad=True)
        assert sessions.sequences == SORTED
        assert sessions.skipped == {column: 1}


def test_a_fault_after_a_skipped_row_has_the_right_line(write):
    rows = [("a", "tea", ""), ("a", "tea", 3), ("a", "cup", "soon")]
    with pytest.raises(CatenaError, match=r"e.csv, line 4, column 'time': 'soon' is not a number"):
        read_sessions(write(csv(rows), "e.csv"), skip_bad=True)


def test_numbers_that_a_gap_made_floats_are_items():
    table = pa.table({"session": [1, 1, 1], "item": [4.0, None, 9.0], "time": [1.0, 2.0, 3.0]})
    assert read_sessions(table, skip_bad=True).sequences == [[4, 9]]
    halves = pa.table({"session": [1], "item": [4.5], "time": [1]})
    with pytest.raises(CatenaError, match="column 'item': holds double"):
        read_sessions(halves)
    endless = pa.table({"session": [1, 1], "item": [4, 5], "time": [1.0, float("nan")]})
    with pytest.raises(CatenaError, match="row 2, column 'time'"):
        read_sessions(endless)
    assert read_sessions(endless, skip_bad=True).skipped == {"time": 1}


def test_what_is_no_table_of_events_is_named(write):
    with pytest.raises(CatenaError, match="there is no column 'user'"):
        read_sessions(frame(), session="user")
    with pytest.raises(CatenaError, match=r"a frame is needed \(pandas, polars, Arrow\), not int"):
        read_sessions(3)
    with pytest.raises(CatenaError, match="no rows"):
        read_sessions(frame().slice(0, 0))


# -- a split that does not leak ----------------------------------------------------------------


@given(st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=4), min_size=8, max_size=60))
def test_nothing_learned_from_is_later_than_the_test(sessions):
    ends = np.array([max(times) for times in sessions])
    try:
        train, valid, test, _ = split_by_end(sessions, ends, 0.2, 0.1)
    except CatenaError as error:
        assert "end at the same moment" in str(error)  # noqa: PT017
        return
    assert sorted(map(sorted, train + valid + test)) == sorted(map(sorted, sessions))
    assert max(map(max, train)) < min(map(max, valid))
    assert max(map(max, valid)) < min(map(max, test))
    assert len(test) >= max(1, round(0.2 * len(sessions)))


def test_one_moment_cannot_be_cut():
    with pytest.raises(CatenaError, match="end at the same moment"):
        split_by_end(list("abcdef"), np.zeros(6))
    with pytest.raises(CatenaError, match="6 sessions, but the ends of 5"):
        split_by_end(list("abcdef"), np.zeros(5))
