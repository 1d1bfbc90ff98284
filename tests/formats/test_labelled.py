"""Sequences with a label each, in every format, and what is wrong with them."""

import gzip
import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from catena.errors import CatenaError
from catena.formats import read_labelled, read_to_label

TEXTS = [("ab a", "up"), ('say "b"', "down"), ("", "up")]
ROWS = [{"id": i, "text": text, "label": label} for i, (text, label) in enumerate(TEXTS)]


def parquet(rows):
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


FILES = {
    "t.tsv": "".join(f"{text}\t{label}\n" for text, label in TEXTS),
    "named.tsv": "id\ttext\tlabel\n" + "".join("{id}\t{text}\t{label}\n".format(**r) for r in ROWS),
    "t.csv": 'label,text\nup,ab a\ndown,"say ""b"""\nup,\n',
    "t.parquet": parquet(ROWS),
    "t.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
    "t.tsv.gz": gzip.compress("".join(f"{text}\t{label}\r\n" for text, label in TEXTS).encode()),
}
FIRST = {"named.tsv": "line 2", "t.csv": "line 2", "t.parquet": "row 1"}


@pytest.mark.parametrize("name", FILES)
def test_a_text_with_its_label(write, name):
    path = write(FILES[name], name)
    found = read_labelled(path)
    assert found.data.sequences == [text for text, _ in TEXTS]
    assert found.labels == ["up", "down", "up"]
    assert (found.data.unit, found.data.stream, len(found)) == ("char", False, 3)
    assert found.data.place(0) == found.place_of("up") == f"{path}, {FIRST.get(name, 'line 1')}"
    as_bytes = read_labelled(path, unit="byte").data.sequences
    assert as_bytes == [text.encode() for text, _ in TEXTS]
    plain = read_to_label(path, unit="char")
    assert plain.sequences == found.data.sequences


def test_columns_by_name(write):
    rows = "a\tb\tc\n1\tx\tyes\n2\ty\tno\n"
    for name, content in (("d.tsv", rows), ("d.csv", rows.replace("\t", ","))):
        found = read_labelled(write(content, name), item="b", label="c")
        assert (found.data.sequences, found.labels) == (["x", "y"], ["yes", "no"])


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_events_of_groups_that_have_one_label(write, kind):
    rows = [("bo", 10, "x", 1), ("al", 3, "y", 2), ("bo", 9, "z", 1)]
    names = ("user", "time", "song", "taste")
    records = [dict(zip(names, row, strict=True)) for row in rows]
    gap = "\t" if kind == "tsv" else ","
    content = {
        "jsonl": "".join(json.dumps(record) + "\n" for record in records),
        "parquet": parquet(records),
    }.get(kind, "".join(gap.join(map(str, row)) + "\n" for row in (names, *rows)))
    path = write(content, f"e.{kind}")
    how: Any = {"group_by": "user", "order_by": "time", "item": "song", "label": "taste"}
    found = read_labelled(path, **how)
    assert found.data.sequences == [["z", "x"], ["y"]]
    assert found.labels == ["1", "2"]
    assert found.place_of("2") == f"{path}, user 'al'"
    assert read_to_label(path, **how).sequences == found.data.sequences


def test_measurements_without_their_label(write):
    path = write("who,x,y,label\na,1,2.5,up\nb,3,4,down\n", "m.csv")
    found = read_labelled(path, group_by="who")
    assert found.data.columns == ("x", "y")
    assert found.data.sequences.values.tolist() == [[1, 2.5], [3, 4]]  # pyright: ignore
    assert torch.equal(
        read_to_label(path, group_by="who", space="vectors").sequences.values,  # pyright: ignore
        found.data.sequences.values,  # pyright: ignore
    )


def test_json_lines_with_numbers_items_and_several_labels(write):
    lines = '{"sequence": [[1, 2], [3, 4.5]], "label": 7}\n\n{"sequence": [], "label": 8}\n'
    found = read_labelled(write(lines, "n.jsonl"))
    assert (found.labels, found.data.place(1)[-6:]) == (["7", "8"], "line 3")
    assert found.data.sequences.lengths.tolist() == [2, 0]  # pyright: ignore
    lines = '{"s": ["a", 2], "k": ["x", "y"]}\n{"s": [2], "k": "x"}\n{"s": [2], "k": []}\n'
    found = read_labelled(write(lines, "i.jsonl"), item="s", label="k")
    assert found.labels == [["x", "y"], ["x"], []]
    assert found.data.sequences == [["a", 2], [2], [2]]


def test_series(write):
    path = write("@univariate true\n@classLabel true a b c\n@data\n1,2:a\n3:b\n", "s.ts")
    found = read_labelled(path)
    assert (found.labels, found.announced) == (["a", "b"], ("a", "b", "c"))
    assert found.data.sequences.lengths.tolist() == [2, 1]  # pyright: ignore
    assert read_to_label(path, space="vectors").place(1) == f"{path}, line 5"


def test_names_of_files_and_folders(write, tmp_path):
    for label, content in (("walk", "1\n2.5\n"), ("run", "7\n8.5\n")):
        (tmp_path / label).mkdir()
        write("x\n" + content, f"{label}/1.csv")
        write(f"{label}er\n{label}\n", f"{label}.txt")
    recordings = [tmp_path / label / "1.csv" for label in ("walk", "run")]
    found = read_labelled(recordings, label_by="folder")
    assert (found.labels, found.data.stream) == (["walk", "run"], False)
    assert found.data.place(1) == str(recordings[1])
    assert read_to_label(recordings[0], space="vectors").stream is False
    lines = [tmp_path / f"{label}.txt" for label in ("walk", "run")]
    found = read_labelled(lines, label_by="file")
    assert found.labels == ["walk", "walk", "run", "run"]
    assert found.place_of("run") == f"{lines[1]}, line 1"


def test_standard_input(pipe):
    assert read_labelled(pipe(b"a\tx\nb\ty\n")).labels == ["x", "y"]
    assert read_labelled(pipe(b'{"text": "a", "label": "x"}\n')).labels == ["x"]
    assert read_to_label(pipe(b"a\tx\n")).sequences == ["a\tx"]


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r")),
            st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1),
        ),
        min_size=1,
    )
)
def test_any_text_beside_any_label(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("any") / "t.tsv"
    path.write_text("".join(f"{text}\t{label}\n" for text, label in rows), "utf-8", newline="")
    found = read_labelled(path, unit="char") if rows[0] != ("text", "label") else None
    if found is not None and "label" not in rows[0] and not rows[0][0].startswith("\ufeff"):
        assert list(zip(found.data.sequences, found.labels, strict=True)) == rows


BAD = [
    ("a.tsv", "a\tx\nb\n", {}, "line 2: 1 column, where line 1 has 2"),
    ("b.tsv", "a\tx\nb\t \n", {}, "line 2: no label"),
    ("c.tsv", "only\n", {}, "line 1: 1 column, where a text, a tab and a label are expected"),
    ("d.tsv", "a\tx\n", {"label": "k"}, "--label: there is no column 'k'"),
    ("e.tsv", "a\tlabel\n", {"item": "label"}, "--item label is the column of labels"),
    ("f.tsv", "text\tlabel\n", {}, "no rows"),
    ("g.tsv", "text\tlabel\tlabel\na\tx\ty\n", {}, "more than one column 'label'"),
    ("h.tsv", "a\tx\n", {"space": "vectors"}, "--space is for numbers"),
    ("i.tsv", "a\tx\n", {"order_by": "a"}, "--order-by needs --group-by"),
    ("a.csv", "text,label\na,x\nb,\n", {}, "line 3, column 'label': no value"),
    ("b.csv", 'text,label\na,x\nb," "\n', {}, "line 3, column 'label': no label"),
    ("c.csv", "text,label\na,x\nb\n", {}, "line 3: 1 fields, where line 1 has 2"),
    ("d.csv", "p,q,label\na,b,x\n", {}, "which column holds the texts?"),
    ("e.csv", "text,label\na,x\n", {"item": "label"}, "is the column of labels"),
    ("f.csv", "u,x,label\n1,2,a\n1,3,b\n", {"group_by": "u"},
     "line 3: the label 'b', where"),
    ("g.csv", "u,x,label\n1,2,a\n1,nan,a\n", {"group_by": "u"}, "line 3, column 'x': nan"),
    ("h.csv", "u,x\n1,2\n", {"group_by": "u"}, "--label: there is no column 'label'"),
    ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "b"}\n', {}, "line 2: no label in"),
    ("b.jsonl", '{"text": "a", "label": ""}\n', {}, "line 1: no label in the field 'label'"),
    ("c.jsonl", '{"text": "a", "label": 1.5}\n', {}, "line 1: the label 1.5 is neither"),
    ("d.jsonl", '{"text": "a", "label": ["x", null]}\n', {}, "line 1: the label ['x', None]"),
    ("e.jsonl", '["a"]\n', {}, "line 1: not an object with a field 'label'"),
    ("f.jsonl", '{"sequence": [1, NaN], "label": "x"}\n', {}, "line 1, step 2, number 1: nan"),
    ("g.jsonl", '{"text": "a", "label": "x"}\n', {"order_by": "t"}, "--order-by needs --group-by"),
    ("a.parquet", parquet([{"text": "a", "label": 0.5}]), {}, "holds double; labels are texts"),
    ("b.parquet", parquet([{"text": 1, "label": "a"}]), {}, "column 'text': holds int64"),
    ("c.parquet", b"PAR1", {}, "not a Parquet file"),
    ("a.ts", "@univariate true\n@classLabel true a\n@data\n1,?:a\n", {}, "line 4, step 2,"),
    ("b.ts", "@univariate true\n@classLabel false\n@data\n1\n", {}, "no labels; its header"),
    ("c.ts", "@data\n", {"unit": "word"}, "--unit is for texts"),
    ("a.txt", "plain\n", {}, "no labels can be read from such a file"),
    ("b.txt", "plain\n", {"label": "a", "label_by": "file"}, "do not go together"),
    ("c.txt", "plain\n", {"label_by": "moon"}, "--label-by must be one of file, folder"),
    ("d.txt", "", {"label_by": "file"}, "empty"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "how", "message"), BAD, ids=[row[0] for row in BAD])
def test_what_is_wrong_is_named(write, name, content, how, message):
    path = write(content, name)
    with pytest.raises(CatenaError) as caught:
        read_labelled(path, **how)
    assert message in str(caught.value)
    assert message.startswith(("do not", "--label-by must")) or str(path) in str(caught.value)


def test_no_file_no_name(pipe):
    with pytest.raises(CatenaError, match="no file, whose name could be its label"):
        read_labelled(pipe(b"a\n"), label_by="file")


def test_arrays_have_no_labels(write, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 2)))
    with pytest.raises(CatenaError, match="--label-by"):
        read_labelled(tmp_path / "a.npy")
    assert read_labelled(tmp_path / "a.npy", label_by="file").labels == ["a"]
