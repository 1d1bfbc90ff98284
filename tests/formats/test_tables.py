"""Event tables: CSV, TSV, Parquet and JSON lines, and the numbers in them."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catena.errors import CatenaError
from catena.formats import read

EVENTS = [("bo", 10, "x"), ("al", 3, "y"), ("bo", 9, "z"), ("al", 3, "x"), ("bo", 10, "w")]
ROWS = [{"user": user, "time": time, "song": song} for user, time, song in EVENTS]


def as_csv(delimiter):
    rows = [("user", "time", "song"), *EVENTS]
    return "".join(delimiter.join(map(str, row)) + "\n" for row in rows)


def as_parquet(rows=None, **columns):
    table = pa.Table.from_pylist(rows) if rows else pa.table(columns)
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


FILES = {
    "e.csv": as_csv(","),
    "e.tsv": as_csv("\t"),
    "e.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
    "e.parquet": as_parquet(ROWS),
}


@pytest.mark.parametrize("name", FILES)
def test_events_are_grouped_ordered_and_taken(write, name):
    path = write(FILES[name], name)
    data = read([path], group_by="user", order_by="time", item="song")
    # bo came first; 9 before 10 as numbers; events of one time in the order of the file.
    assert data.sequences == [["z", "x", "w"], ["y", "x"]]
    assert (data.unit, data.space, data.stream) == ("item", "symbols", False)
    assert data.place(1) == f"{path}, user 'al'"
    grouped = read([path], group_by="user", item="song")
    assert grouped.sequences == [["x", "z", "w"], ["y", "x"]]


@pytest.mark.parametrize("name", FILES)
def test_without_a_group_a_table_is_one_sequence(write, name):
    path = write(FILES[name], name)
    data = read([path], order_by="time", item="song")
    assert (data.sequences, data.stream) == ([["y", "x", "z", "x", "w"]], True)
    assert data.place(0) == str(path)


@pytest.mark.parametrize("name", ["e.csv", "e.jsonl", "e.parquet"])
def test_tables_from_standard_input(pipe, name):
    content = FILES[name] if isinstance(FILES[name], bytes) else FILES[name].encode()
    data = read([pipe(content)], group_by="user", item="song")
    assert (len(data), data.place(0)) == (2, "standard input, user 'bo'")


def test_a_group_goes_on_in_the_next_file(write):
    one = write("user,song\nbo,a\nal,b\n", "one.csv")
    two = write("song,user\nc,bo\nd,cy\n", "two.csv")
    data = read([one, two], group_by="user", item="song")
    assert data.sequences == [["a", "c"], ["b"], ["d"]]


def test_order_by_text_and_by_large_numbers(write):
    times = "t,i\n2024-02-01,b\n2024-01-31,a\n"
    assert read([write(times, "t.csv")], order_by="t", item="i").sequences == [["a", "b"]]
    large = "t,i\n1700000000000000001,b\n1700000000000000000,a\n"
    assert read([write(large, "t.csv")], order_by="t", item="i").sequences == [["a", "b"]]
    fractions = "t,i\n10.5,b\n 9.25,a\n"
    assert read([write(fractions, "t.csv")], order_by="t", item="i").sequences == [["a", "b"]]


def test_parquet_keeps_its_types(write):
    columns = {
        "day": pa.array([2, 1, 3], pa.date32()),
        "item": pa.array([7, 8, 7]),
        "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
        "size": pa.array([0.5, 1.5, 2.5], pa.float32()),
        "on": [True, False, True],
    }
    path = write(as_parquet(**columns), "t.parquet")
    assert read([path], item="item", order_by="day").sequences == [[8, 7, 7]]
    assert read([path], item="kind", group_by="item").sequences == [["a", "a"], ["b"]]
    assert read([path], item="size").sequences.values.tolist() == [[0.5], [1.5], [2.5]]
    assert read([path], item="on,item", space="counts").sequences.values[0].tolist() == [1, 7]


def test_cells_of_csv_stay_as_they_are_written(write):
    content = 'i,note\r\n007,"one,\ntwo"\r\n\r\n"",""\r\n NA ,"a ""b"""\r\n'
    path = write(content, "t.csv")
    assert read([path], item="i").sequences == [["007", "", " NA "]]
    assert read([path], item="note").sequences == [["one,\ntwo", "", 'a "b"']]


def test_a_quote_inside_a_field_is_a_character(write):
    assert read([write('i,j\n5" pipe,1\nb,2\n', "t.csv")], item="i").sequences == [['5" pipe', "b"]]


@given(cells=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_any_cells_come_back_from_csv(cells, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "csv-cells.csv"
    quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
    path.write_bytes(("i,j\n" + "".join(cell + ",1\n" for cell in quoted)).encode())
    data = read([path], item="i", space="symbols")
    assert data.sequences == [cells]


# -- numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["", "a,b\n"])
def test_a_table_of_numbers_is_one_sequence_of_vectors(write, header):
    data = read([write(header + "1,2.5\n+3, 4e-1\n.5,-0\n", "n.csv")])
    assert data.sequences.values.tolist() == [[1, 2.5], [3, 0.4], [0.5, 0]]
    assert (data.space, data.unit, data.stream) == ("vectors", None, True)
    assert data.columns == (("a", "b") if header else ())


def test_several_tables_of_numbers_are_several_sequences(write):
    one, two = write("a,b\n1,2\n", "1.csv"), write("a,b\n3,4\n5,6\n", "2.csv")
    data = read([one, two])
    assert data.sequences.lengths.tolist() == [1, 2]
    assert data.place(1) == str(two)


def test_columns_of_numbers_by_group(write):
    path = write("run,t,x,y\nr2,2,1,2\nr1,1,3,4\nr2,1,5,6\n", "n.csv")
    data = read([path], group_by="run", order_by="t", item="y,x")
    assert data.sequences.values.tolist() == [[6, 5], [2, 1], [4, 3]]
    assert (data.sequences.lengths.tolist(), data.columns) == ([2, 1], ("y", "x"))
    rest = read([path], group_by="run", order_by="t")
    assert rest.columns == ("x", "y")


def test_one_column_is_symbols_unless_it_holds_fractions_or_space_says_so(write):
    path = write("whole,part\n1,1\n2,2.5\n", "n.csv")
    assert read([path], item="whole").sequences == [["1", "2"]]
    assert read([path], item="part").space == "vectors"
    assert read([path], item="part", space="symbols").sequences == [["1", "2.5"]]
    assert read([path], item="whole", space="counts").sequences.values.tolist() == [[1], [2]]


def test_events_of_numbers_in_json_lines(write):
    path = write('{"x": 1, "y": 0.5}\n{"x": 2, "y": 1}\n', "n.jsonl")
    assert read([path], item="x,y").sequences.values.tolist() == [[1, 0.5], [2, 1]]


def test_numbers_from_standard_input(pipe):
    assert read([pipe(b"1\n2\n")], space="counts").sequences.values.tolist() == [[1], [2]]


# -- what is refused -----------------------------------------------------------------------

SONGS = {"group_by": "user", "item": "song"}


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("b.csv", "a,b\n1,2\n\n3\n", {}, r"line 4: 1 fields, where line 1 has 2; mend the row"),
        ("b.csv", 'a,b\n"x\ny",2\n3,4,5\n', {"item": "a"}, r"line 4: 3 fields, where line 1 has 2"),
        ("b.tsv", "a\tb\n1\n", {}, r"b\.tsv, line 2: 1 fields"),
        ("b.csv", 'a,b\n1,"2\n3,4\n', {"item": "a"}, r"line 2: a quote is opened and not rightly"),
        ("b.csv", "a,b\n", {}, r"b\.csv: no rows; there is nothing to read"),
        ("b.csv", "\n\n", {}, r"b\.csv: only empty lines"),
        ("b.csv", "user,song\nbo,a\n", {"group_by": "usr", "item": "song"},
         r"--group-by: there is no column 'usr' \(there are: 'user', 'song'\)"),
        ("b.csv", "user,song\nbo,a\n", {"order_by": "t", "item": "song"}, r"--order-by: there is"),
        ("b.csv", "user,song\nbo,a\n", {"item": "user,x"}, r"--item: there is no column 'x' \("),
        ("b.csv", "user\nbo\n", {"group_by": "user"}, r"no column is left to read; name one with"),
        ("b.csv", "a,a\n1,2\n", {}, r"two columns are called 'a'; rename one"),
        ("b.csv", "user,song\nbo,a\nal,\n", SONGS, r"line 3, column 'song': no value; fill it in"),
        ("b.csv", "user,song\n,a\n", SONGS, r"line 2, column 'user': no value"),
        ("b.csv", "x,y\n1,2\n\n1,abc\n", {},
         r"line 4, column 'y': 'abc' is not a number; mend it, or name .*--item .*are: x, y\)"),
        ("b.csv", "x,y\n1,2\n1,abc\n", {"item": "x,y"}, r"'abc' is not a number; mend it, or le"),
        ("b.csv", "1,2\n1,nan\n", {}, r"line 2, column 'column 2': nan is not a finite number"),
        ("b.csv", "x,y\n1,2\n-inf,2\n", {}, r"line 3, column 'x': -inf is not a finite number"),
        ("b.csv", "x\n1\n1e999\n", {}, r"line 3, column 'x': inf is not a finite number"),
        ("b.csv", "x,y\n1,\n", {}, r"line 2, column 'y': no value"),
        ("b.csv", "1,abc\n1,2\n", {}, r"line 1: '1' is a number and 'abc' is not, so this is neit"),
        ("b.csv", "x\n1\n2\n", {"space": "bits"}, r"line 3, column 'x': 2 is not 0 or 1; mend"),
        ("b.csv", "x\n1\n.5\n", {"space": "counts"}, r"line 3, column 'x': 0.5 is not a whole num"),
        ("b.csv", "x,y\n1,2\n", {"space": "symbols"}, r"symbols stand in one column; name it wit"),
        ("b.csv", "t,i\n1,a\nx,b\n", {"order_by": "t", "item": "i"},
         r"line 3, column 't': 'x' is not a number, but other rows hold numbers"),
        ("b.csv", "t,i\n1,a\nnan,b\n", {"order_by": "t", "item": "i"}, r"nan is not a finite numb"),
        ("b.csv", b"a,b\n1,\xff\n", {}, r"line 2, byte 7 of the file: 0xff is not valid utf-8"),
        ("b.csv", "user,song\nbo,a\n", {**SONGS, "stream": True}, r"--stream is for plain text,"),
        ("b.csv", "user,song\nbo,a\n", {**SONGS, "unit": "char"}, r"--unit is for texts, and this"),
        ("b.csv", "x\n1\n", {"unit": "item"}, r"--unit is for texts, and this is a table of meas"),
        ("b.jsonl", '{"user": 1, "song": 2}\n{"user": 1}\n', SONGS, r"line 2, column 'song': no v"),
        ("b.jsonl", '{"user": 1, "song": 2}\n3\n', SONGS, r"line 2: an event must be an object"),
        ("b.jsonl", '{"user": 1, "song": 2}\n{"user": 1, "song": "a"}\n', SONGS,
         r"line 2, field 'song': 'a' does not go with the lines before it"),
        ("b.jsonl", '{"user": 1, "song": ["a"]}\n', SONGS, r"column 'song': holds list<"),
        ("b.jsonl", '{"user": 1, "song": true}\n', {**SONGS, "space": "symbols"},
         r"column 'song': holds bool; symbols are texts or whole numbers"),
        ("b.parquet", b"PAR1 no PAR1", {"item": "a"}, r"not a Parquet file, or damaged or cut sh"),
        ("b.parquet", FILES["e.parquet"][:-20], SONGS, r"b\.parquet: not a Parquet file, or dam"),
        ("b.parquet", FILES["e.parquet"], {"item": "sung"}, r"no column 'sung' \(there are: "),
        ("b.parquet", FILES["e.parquet"], {"encoding": "latin-1"}, r"--encoding is for files of"),
        ("b.parquet", as_parquet(a=["x", None]), {"item": "a"}, r"row 2, column 'a': no value"),
        ("b.parquet", as_parquet(a=[1.0, float("nan")]), {}, r"row 2, column 'a': nan is not a f"),
        ("b.parquet", as_parquet(a=[[1], [2]]), {}, r"column 'a': holds list<.*> *; a column must"),
        ("b.parquet", as_parquet(a=pa.array([1], pa.date32())), {}, r"column 'a': holds times; n"),
    ],
)  # fmt: skip
def test_bad_tables_are_named(write, name, content, options, message):
    path = write(content, name)
    with pytest.raises(CatenaError, match=message) as caught:
        read([path], **options)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_tables_that_do_not_fit_together(write):
    csv, parquet = write("u,i\nbo,1\n", "a.csv"), write(as_parquet(u=["bo"], i=[1]), "b.parquet")
    with pytest.raises(CatenaError, match=r"a\.csv has u \(large_string\), .*b\.parquet u \(str"):
        read([csv, parquet], group_by="u", item="i")
    with pytest.raises(CatenaError, match=r"1\.csv has the columns a, b, .*2\.csv the col.* a, c"):
        read([write("a,b\n1,2\n", "1.csv"), write("a,c\n1,2\n", "2.csv")])
    with pytest.raises(CatenaError, match=r"1\.csv has 2 columns, .*2\.csv 1 columns"):
        read([write("1,2\n", "1.csv"), write("1\n", "2.csv")])
    with pytest.raises(CatenaError, match=r"--group-by is for tables .* this is plain text"):
        read([csv, write("a")], group_by="u", item="i")
