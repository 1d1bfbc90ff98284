"""Taggers from the command line on JSON lines and on tables: the same format out as in."""

import csv
import gzip
import json

import pytest

from catena import load
from catena.cli.main import main

LINES = ["the DT X|dog NN Y|sees VB Z", "a DT X|cat NN Y|sees VB Z", "dog NN Y|sees VB Z|the DT X"]
SENTENCES = [[tuple(token.split()) for token in line.split("|")] for line in LINES]
HOW = {"jsonl": [], "csv": ["--group-by", "s", "--order-by", "i"]}


def json_lines(*fields):
    rows = [dict(zip(("tokens", "pos", "labels"), map(list, zip(*s, strict=True)), strict=True))
            for s in SENTENCES]  # fmt: skip
    return "".join(json.dumps({name: row[name] for name in fields}) + "\n" for row in rows)


def table(label=True):
    """The last token of every sentence first, so that they must be put in order."""
    rows = [[s, 9 + i, *token][: 5 if label else 4] for s, line in enumerate(SENTENCES)
            for i, token in reversed(list(enumerate(line)))]  # fmt: skip
    head = ["s", "i", "form", "pos", "label"][: 5 if label else 4]
    return "".join(",".join(map(str, row)) + "\n" for row in [head, *rows])


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "train.jsonl").write_text(json_lines("tokens", "labels") * 4)
    (folder / "bare.jsonl").write_text(json_lines("tokens", "pos"))
    (folder / "test.jsonl").write_text(json_lines("tokens", "pos", "labels"))
    (folder / "train.csv").write_text(table())
    (folder / "test.csv").write_text(table())
    (folder / "bare.csv").write_text(table(label=False))
    for kind in HOW:
        for model in ("hmm", "crf"):
            fit = [folder / f"train.{kind}", "--task", "tag", "--model", model, *HOW[kind]]
            assert main([*map(str, ["fit", *fit, "-o", folder / f"{model}.{kind}.m"])]) == 0
    return folder


@pytest.mark.parametrize("kind", HOW)
@pytest.mark.parametrize("model", ["hmm", "crf"])
def test_labels_take_their_place(catena, folder, tmp_path, kind, model):
    tagger, test = folder / f"{model}.{kind}.m", folder / f"test.{kind}"
    wrong = tmp_path / f"wrong.{kind}"
    wrong.write_text(test.read_text().replace("X", "Z"))
    result = catena("tag", tagger, wrong, *HOW[kind])
    assert (result.status, result.err) == (0, "")
    assert result.out == test.read_text()
    result = catena("tag", tagger, folder / f"bare.{kind}", *HOW[kind])
    assert (result.status, result.out) == (0, test.read_text())
    found = json.loads(catena("evaluate", tagger, test, *HOW[kind], "--json").out)
    assert (found["accuracy"], found["tokens"], found["sentences"]) == (1.0, 9, 3)
    assert load(tagger).columns_ == ("form", "label")


def test_fields_by_name(catena, folder, tmp_path):
    fit = [
        "--task",
        "tag",
        "--model",
        "crf",
        "--columns",
        "tokens,labels,pos",
        "-o",
        tmp_path / "m",
    ]
    assert catena("fit", folder / "test.jsonl", *fit).status == 0
    assert load(tmp_path / "m").labels_ == ["DT", "NN", "VB"]
    out = catena("tag", tmp_path / "m", folder / "train.jsonl").out
    assert json.loads(out.splitlines()[0])["pos"] == ["DT", "NN", "VB"]
    out = catena("tag", tmp_path / "m", "-", stdin=b'{"tokens": ["dog"], "labels": ["Y"]}\n').out
    assert out == '{"tokens": ["dog"], "labels": ["Y"], "pos": ["NN"]}\n'


def test_probabilities_and_several_paths(catena, folder):
    model, bare = folder / "crf.jsonl.m", folder / "bare.jsonl"
    first = json.loads(catena("tag", model, bare, "--marginals").out.splitlines()[0])
    tagger = load(model)
    sure = tagger.predict_proba([["the", "dog", "sees"]])[0].max(1)
    assert first["probability"] == [round(float(p), 6) for p in sure]
    lines = catena("tag", model, bare, "--n-best", "2").out.splitlines()
    found = [json.loads(line) for line in lines]
    assert [one["rank"] for one in found] == [0, 1] * 3
    paths = tagger.n_best([["the", "dog", "sees"]], 2)[0]
    assert [(one["labels"], one["probability"]) for one in found[:2]] == [
        (path.labels, path.probability) for path in paths
    ]


def test_mistakes_are_listed_with_their_places(catena, folder, tmp_path):
    data = tmp_path / "d.jsonl"
    data.write_text(json_lines("tokens", "labels").replace('"Y"', '"Q"'))
    result = catena("evaluate", folder / "hmm.jsonl.m", data, "--mistakes", "2")
    assert f"{data}, line 1, token 2: label 'Q' was not in training; its 3 count" in result.err
    assert result.out.endswith(
        "\n\nplace\tlabel\tfound\ttoken\n"
        f"{data}, line 1, token 2\tQ\tY\tdog\n{data}, line 2, token 2\tQ\tY\tcat\n"
    )
    table = [line.split() for line in result.out.splitlines()]
    assert ["is", "\\", "found", "Q", "X", "Y", "Z"] in table
    assert ["Q", "0", "0", "3", "0"] in table
    how = [folder / "test.csv", *HOW["csv"], "--json", "--mistakes", "5"]
    found = json.loads(catena("evaluate", folder / "hmm.csv.m", *how).out)
    assert found["mistakes"] == []
    assert found["confusion"]["counts"] == [[3, 0, 0], [0, 3, 0], [0, 0, 3]]


BY_S = ["--group-by", "s"]


@pytest.mark.parametrize(
    ("name", "content", "given", "told"),
    [
        ("d.jsonl", '{"tokens": ["a", "b"], "labels": ["X"]}\n', [], "line 1: 1 labels, but 2"),
        ("d.jsonl", '{"tokens": ["a"], "labels": ["X"]}\n{"tokens": ["a"]}\n', [],
         "line 2: no list in the field 'labels'"),
        ("d.jsonl", '{"tokens": ["a"], "labels": [""]}\n', [], "line 1, token 1: no label"),
        ("d.jsonl", '{"tokens": ["a", 3], "labels": ["X", "Y"]}\n', [],
         "line 1, token 2: 3 in 'tokens' is no string"),
        ("d.jsonl", '["a"]\n', [], "line 1: not an object"),
        ("d.jsonl", '{"tokens": ["a"', [], "line 1, column 16: not JSON"),
        ("d.csv", "s,form,label\n1,a,X\n1,b,\n", BY_S, "line 3, column 'label': no value"),
        ("d.csv", "s,form,label\n1,a,X\n1,b\n", BY_S, "line 3: 2 fields, where line 1 has 3"),
        ("d.csv", "s,text,label\n1,a,X\n", BY_S, "there is no column 'form'"),
        ("d.csv", "s,form,label\n1,a,X\n", ["--group-by", "t"], "--group-by: there is no column"),
        ("d.csv", "s,form,label\n1,a,X\n", ["--order-by", "t"], "--order-by needs --group-by"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(refused, tmp_path, name, content, given, told):
    (tmp_path / name).write_text(content)
    fit = ["--task", "tag", "--model", "hmm", *given, "-o", tmp_path / "m"]
    line = refused("fit", tmp_path / name, *fit)
    assert told in line
    assert str(tmp_path / name) in line or told.startswith("--order")


def test_several_paths_of_a_table_stand_side_by_side(catena, folder):
    how = [folder / "bare.csv", *HOW["csv"], "--n-best", "2"]
    rows = list(csv.DictReader(catena("tag", folder / "crf.csv.m", *how).out.splitlines()))
    once = catena("tag", folder / "crf.csv.m", *how[:-2]).out.splitlines()
    assert [row["label"] for row in rows] == [row["label"] for row in csv.DictReader(once)]
    best = load(folder / "crf.csv.m").n_best([["the", "dog", "sees"]], 2)[0]
    first = rows[: len(best[0].labels)]
    for path, end in zip(best, ("", "_2"), strict=True):
        own = {(row["form"], row[f"label{end}"]) for row in rows if row["s"] == first[0]["s"]}
        assert own == set(zip(["the", "dog", "sees"], path.labels, strict=True))
        assert first[0][f"probability{end}"] == f"{path.probability:.6f}"


@pytest.mark.parametrize("name", ["t.csv", "t.CSV.gz", "t.parquet"])
def test_a_table_is_no_file_of_a_token_a_line(folder, refused, tmp_path, name):
    data, text = tmp_path / name, table().encode()
    data.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    fit = ["--task", "tag", "--model", "hmm", "-o", tmp_path / "m"]
    for line in (
        refused("tag", folder / "hmm.csv.m", data),
        refused("evaluate", folder / "hmm.csv.m", data),
        refused("fit", data, *fit),
        refused("fit", folder / "train.jsonl", "--valid", data, *fit),
    ):
        assert str(data) in line
        assert "--group-by" in line


def test_a_tsv_may_hold_a_token_a_line(catena, folder, tmp_path):
    data = tmp_path / "t.tsv"
    data.write_text("the\tX\ndog\tX\n")
    assert catena("tag", folder / "hmm.csv.m", data).out == "the\tX\ndog\tY\n"
