"""Sessions from event tables: order, repeats, gaps, and a split by time that does not leak."""

import io
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
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


def times(write, *told, **how):
    """The items, numbered from 0, in the order of these times, of a table and of a file."""
    rows = [("a", f"i{place}", time) for place, time in enumerate(told)]
    (found,) = read_sessions(frame(rows), **how).sequences
    assert read_sessions(write(csv(rows), "t.csv"), **how).sequences == [found]
    return [int(item[1:]) for item in found]


def test_times_with_zones_are_in_the_order_in_which_they_passed(write):
    east, utc, west = "2020-01-02T00:00:00+02:00", "2020-01-01T23:30:00Z", "2020-01-01T18:00-05:00"
    assert times(write, utc, west, east) == [2, 1, 0]
    assert times(write, "2020-01-01 10:00:00.25+00:00", "2020-01-01 10:00:00.125+00:00") == [1, 0]
    assert times(write, "2020-01-01T10:00:00", "2020-01-01T09:59:59.5") == [1, 0]
    with pytest.raises(CatenaError, match=r"row 2, column 'time': '2020-.*Z?' has no zone"):
        times(write, utc, "2020-01-01T23:30:00")
    with pytest.raises(CatenaError, match="column 'time': times with a zone must all be as 2020-"):
        times(write, "2020-13-01T23:30:00Z")


@pytest.mark.parametrize("day", ["2020-1-2", "1.2.2020", "12/31/2019", "20-01-02"])
def test_days_that_do_not_sort_as_they_are_written_are_refused(write, day):
    with pytest.raises(
        CatenaError, match=f"row 2, column 'time': '{day}' does not sort as the day"
    ):
        times(write, "2020-01-10", day)


def test_large_numbers_fractions_and_moments_are_times(write):
    now = 1577836800000000000
    assert times(write, now + 2, now + 1, now + 3) == [1, 0, 2]
    assert times(write, 1.5, 1.25) == [1, 0]
    rows = {"session": [1, 1], "item": ["x", "y"]}
    for kind in (pa.timestamp("ns", "Europe/Paris"), pa.date32(), pa.time64("us"), pa.int8()):
        table = pa.table(rows | {"time": pa.array([1, 0], kind)})
        assert read_sessions(table).sequences == [["y", "x"]]


def test_times_that_are_not_known_are_left_out_when_asked_in_text_too(write):
    rows = [("a", "nan", 2), ("a", "tea", "nan"), ("a", "cup", "-Inf"), ("a", "pot", 1)]
    with pytest.raises(CatenaError, match="line 3, column 'time': nan is not a finite number"):
        read_sessions(write(csv(rows), "e.csv"))
    found = read_sessions(write(csv(rows), "e.csv"), skip_bad=True)
    assert (found.sequences, found.skipped) == ([["pot", "nan"]], {"time": 2})


def test_numbers_that_name_items_and_sessions_are_exact(write):
    huge = pa.table({"session": [1, 1], "time": [1, 2], "item": pa.array([2**64 - 1, 3], "uint64")})
    assert read_sessions(huge).sequences == [[2**64 - 1, 3]]
    long = csv([(9 * "9" * 9, 25 * "9", 1), (9 * "9" * 8 + "8", 24 * "9" + "8", 2)])
    assert read_sessions(write(long, "e.csv")).sequences == [[25 * "9"], [24 * "9" + "8"]]
    rough = huge.set_column(2, "item", pa.array([2.0**53, 3.0]))
    with pytest.raises(CatenaError, match="column 'item': holds double"):
        read_sessions(rough)
    for name in ("session", "item"):
        holed = huge.set_column(huge.column_names.index(name), name, pa.array([1.0, float("nan")]))
        with pytest.raises(CatenaError, match=f"Table, row 2, column '{name}': nan is not"):
            read_sessions(holed)
        assert read_sessions(holed, skip_bad=True).skipped == {name: 1}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("session,item,time\n", "no rows"),
        ("session,item,time,item\na,x,1,y\n", "two columns are called 'item'"),
        ("session,item,time\na,x,1\na,y\n", "line 3: 2 fields, where line 1 has 3"),
    ],
)
def test_files_that_hold_no_events_are_named(write, text, told):
    with pytest.raises(CatenaError, match=f"e.csv.*{told}"):
        read_sessions(write(text, "e.csv"))


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


@given(st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=3), min_size=8, max_size=60))
@settings(max_examples=40)
def test_with_their_starts_all_that_is_learned_from_is_earlier_than_all_that_is_tested(sessions):
    rows = [(str(i), str(time), time) for i, times in enumerate(sessions) for time in times]
    data = read_sessions(frame(rows))
    assert data.starts.tolist() == list(map(min, sessions))
    try:
        parts = split_by_end(data.sequences, data.ends, 0.2, 0.1, starts=data.starts)
    except CatenaError as error:
        assert "or last too long" in str(error)  # noqa: PT017
        return
    train, valid, test = ([int(item) for row in part for item in row] for part in parts[:3])
    assert max(train) < min(valid)
    assert max(valid) < min(test)
    left = len(sessions) - sum(map(len, parts[:3]))
    assert parts.rule.endswith(f"left out {left} that reach from one part into another") is (
        left > 0
    )


def test_one_moment_cannot_be_cut():
    with pytest.raises(CatenaError, match="end at the same moment"):
        split_by_end(list("abcdef"), np.zeros(6))
    with pytest.raises(CatenaError, match="6 sessions, but the ends of 5"):
        split_by_end(list("abcdef"), np.zeros(5))
    with pytest.raises(CatenaError, match="6 sessions, but the starts of 5"):
        split_by_end(list("abcdef"), np.arange(6), starts=np.zeros(5))
