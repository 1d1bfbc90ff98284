"""Pairs of texts in every format, line by line, and what is wrong with them."""

import gzip
import io
import json
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catena.errors import CatenaError
from catena.formats import read_pairs

PAIRS = [("ein Hund", "a dog"), ("", ""), ('"quer" ü', 'say "x" 汉'), ("nichts", "")]
TSV = "".join(f"{one}\t{other}\n" for one, other in PAIRS)


def parquet(**columns):
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def sides():
    return [list(side) for side in zip(*PAIRS, strict=True)]


def lines(names, nested=False):
    rows = [dict(zip(names, pair, strict=True)) for pair in PAIRS]
    return "".join(json.dumps({"translation": row} if nested else row) + "\n" for row in rows)


FILES = {
    "p.tsv": (TSV, {}),
    "p.txt": (TSV, {}),
    "p.tsv.gz": (gzip.compress(TSV.replace("\n", "\r\n").encode()), {}),
    "p.jsonl": (lines(["source", "target"]), {}),
    "q.jsonl.xz": (lzma.compress(lines(["de", "en"]).encode()), {"source": "de", "target": "en"}),
    "n.json": (lines(["de", "en"], nested=True), {"source": "de", "target": "en"}),
    "p.parquet": (parquet(de=sides()[0], en=sides()[1]), {}),
    "wide.parquet": (parquet(n=[1, 2, 3, 4], target=sides()[1], source=sides()[0]), {}),
    "wide.tsv": (
        "".join(f"{i}\t{one}\tx\t{other}\n" for i, (one, other) in enumerate(PAIRS)),
        {"source": "2", "target": "4"},
    ),
    "named.tsv": (
        "en\tde\n" + "".join(f"{other}\t{one}\n" for one, other in PAIRS),
        {"source": "de", "target": "en"},
    ),
    "latin.tsv": (TSV.replace("汉", "ß").encode("latin-1"), {"encoding": "latin-1"}),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format(write, name):
    content, how = FILES[name]
    path = write(content, name)
    found = read_pairs(path, **how)
    wanted = [(one, other.replace("汉", "ß") if "latin" in name else other) for one, other in PAIRS]
    assert found.pairs() == wanted
    assert len(found) == 4
    kind = "row" if "parquet" in name else "line"
    assert found.place(3) == f"{path}, {kind} {5 if name == 'named.tsv' else 4}"


def test_an_empty_line_is_an_empty_pair(write):
    assert read_pairs(write("a\tb\n\nc\td", "p.tsv")).pairs() == [("a", "b"), ("", ""), ("c", "d")]


def test_two_files_of_lines(write):
    one, other = write("a\n\n b\u2028\n", "train.de"), write(gzip.compress(b"c\nd\n\n"), "t.en.gz")
    found = read_pairs([one, other])
    assert found.pairs() == [("a", "c"), ("", "d"), (" b\u2028", "")]
    assert found.place(2) == f"{one} and {other}, line 3"
    more = write("x\ty\n", "more.tsv")
    both = read_pairs([one, other, more, other, one])
    assert [len(both), both.sources[3], both.place(3)] == [7, "x", f"{more}, line 1"]
    assert both.pairs()[4:] == [(target, source) for source, target in found.pairs()]


def test_standard_input(pipe):
    for content in (TSV.encode(), lines(["source", "target"]).encode(), FILES["p.parquet"][0]):
        assert read_pairs(pipe(content)).pairs() == PAIRS


def test_fewer_lines_on_one_side(write):
    one, other = write("a\nb\nc\n", "l.de"), write("a\nb\n", "l.en")
    for pair in ([one, other], [other, one]):
        with pytest.raises(CatenaError, match=r"line 3 of \S*l\.de has no counterpart"):
            read_pairs(pair)


@pytest.mark.parametrize(
    ("name", "content", "how", "told"),
    [
        ("p.tsv", "a\tb\na b\n", {}, "p.tsv, line 2: no tab; write source<TAB>target"),
        ("p.txt", "a\n", {}, "p.txt, line 1: no tab"),
        ("p.tsv", "a\tb\na\tb\tc\n", {}, "p.tsv, line 2: 3 fields, where a source, a tab"),
        ("p.tsv", "a\tb\n", {"target": "3"}, "p.tsv, line 1: 2 fields, and none of number 3"),
        ("p.tsv", "a\tb\n", {"source": "0"}, "--source: the first line names no column '0'"),
        ("p.tsv", "a\tb\n", {"source": "2"}, "--source and --target are both '2'"),
        ("p.tsv", "a\ta\n1\t2\n", {"source": "a", "target": "b"}, "names no column 'a' once"),
        ("p.tsv", b"a\tb\na\t\xff\n", {}, "p.tsv, line 2, byte 7"),
        ("p.jsonl", '{"source": "a"}\n', {}, "line 1: no field 'target'; name that of the target"),
        ("p.jsonl", '\n["a", "b"]\n', {}, "p.jsonl, line 2: not an object with a field 'source'"),
        ("p.jsonl", '{"source": "a", "target": 3}\n', {}, "line 1, field 'target': 3 is not a"),
        ("p.jsonl", '{"source": "\\ud800", "target": ""}\n', {}, "line 1, field 'source'"),
        ("p.jsonl", '{"source": "a"\n', {}, "p.jsonl, line 1, column 15: not JSON"),
        ("p.parquet", parquet(a=["a"], b=["b"], c=["c"]), {}, "no column 'source'; name that of"),
        ("p.parquet", parquet(a=["a"], b=[1]), {}, "column 'b': holds int64, not texts"),
        ("p.parquet", parquet(a=["a", None], b=["b", "b"]), {}, "row 2, column 'a': no value"),
        ("p.parquet", parquet(a=["a"], b=["b"])[:-9], {}, "not a Parquet file, or damaged"),
        ("p.parquet", parquet(a=["a"], b=["b"]), {"errors": "ignore"}, "--errors is for files of"),
        ("p.csv", "a,b\n", {}, "p.csv: no pairs are read from .csv"),
        ("p.tsv", "", {}, "p.tsv: empty"),
        ("p.tsv.gz", b"\x1f\x8b", {}, "p.tsv.gz: damaged or cut short"),
    ],
)
def test_what_is_no_pair(write, name, content, how, told):
    with pytest.raises(CatenaError) as refused:
        read_pairs(write(content, name), **how)
    assert told in str(refused.value)


def test_files_that_do_not_go_together(write):
    one, other = write("a\n", "l.de"), write("b\n", "l.en")
    with pytest.raises(CatenaError, match=r"l\.de: one side without the other"):
        read_pairs([one, other, one])
    with pytest.raises(CatenaError, match="--source and --target name columns"):
        read_pairs([one, other], source="de")
