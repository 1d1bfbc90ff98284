"""`catena compare` for labels: of whole sequences, and of tokens."""

import json
import random

import pytest

WORDS = ["abab", "ba", "aab", "bbca", "cb", "ccb"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Texts with a label each, and sentences with a label a token, in two parts."""
    folder = tmp_path_factory.mktemp("labels")
    draw = random.Random(2)
    for part, count in (("train", 60), ("test", 30)):
        rows = [(draw.choice(WORDS) + draw.choice(WORDS)) for _ in range(count)]
        text = [f"{row}\t{'up' if row.count('a') > row.count('c') else 'down'}" for row in rows]
        (folder / f"{part}.tsv").write_text("\n".join(text) + "\n")
        tokens = [
            "".join(f"{w}\tX\t{'B-A' if 'a' in w else 'O'}\n" for w in draw.choices(WORDS, k=4))
            for _ in range(count)
        ]
        (folder / f"{part}.conll").write_text("\n".join(tokens) + "\n")
    return folder


def test_labels_of_sequences(catena, files, tmp_path):
    report = tmp_path / "report.html"
    result = catena("compare", files / "train.tsv", "--task", "classify", "--test",
                    files / "test.tsv", "--models", "majority,markov,rnn", "--minutes", "0.01",
                    "--report", report, "--json")  # fmt: skip
    assert result.status == 0, result.err
    told = json.loads(result.out)
    assert (told["task"], told["sizes"]) == ("classify", [54, 6, 30])
    assert [row["name"] for row in told["rows"]] == ["majority", "markov", "rnn"]
    assert told["rows"][1]["accuracy"] > told["rows"][0]["accuracy"]
    assert "the test part as given" in told["rule"]
    assert "Accuracy on the test part" in report.read_text("utf-8")
    assert "rnn" in result.err


def test_labels_of_tokens(catena, files):
    given = ["--task", "tag", "--models", "majority,hmm,crf", "--columns", "form,pos,label"]
    parts = ["--valid", files / "test.conll", "--test", files / "test.conll"]
    result = catena("compare", files / "train.conll", *parts, *given)
    assert result.status == 0, result.err
    lines = result.out.splitlines()
    assert (
        "60 sentences to learn from, 30 to choose, 30 to test; split by sequence, drawn with "
        "seed 0: the test part as given, the validation part as given"
    ) in " ".join(result.out.split())  # a long name may break the line anywhere
    heads = next(i for i, line in enumerate(lines) if line.split()[:3] == ["model", "span", "F1"])
    assert [line.split()[0] for line in lines[heads + 1 :][:3]] == ["majority", "HMM", "CRF"]
    assert "predicts best: span F1 1.0000" in result.out


BAD = {
    "one-label": ("classify", "ab\tx\n" * 30, [], "only the label 'x'"),
    "few": ("classify", "ab\tx\nb\ty\n", [], "too few"),
    "model": ("classify", "ab\tx\nb\ty\n" * 20, ["--models", "crf"], "no model 'crf'"),
    "columns": ("classify", "ab\tx\nb\ty\n" * 9, ["--columns", "form"], "--columns is not for"),
    "stream": ("classify", "ab\tx\nb\ty\n" * 9, ["--stream"], "--stream is not for"),
    "one-tag": ("tag", "a X\n\n" * 30, [], "only the label 'X'"),
    "few-tags": ("tag", "a X\nb Y\n\n" * 3, [], "too few"),
    "ragged": ("tag", "a X\nb\n\n" * 9, [], "line 2"),
    "tag-model": ("tag", "a X\nb Y\n\n" * 20, ["--models", "markov"], "no model 'markov'"),
    "unit": ("tag", "a X\nb Y\n\n" * 20, ["--unit", "char"], "--unit is not for"),
    "generate": ("generate", "ab\nb\n" * 20, ["--test", "x"], "--test is not for"),
    "task": ("guess", "ab\nb\n" * 20, [], "--task must be"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused(refused, tmp_path, case):
    task, text, given, told = BAD[case]
    path = tmp_path / ("data.tsv" if task == "classify" else "data.conll")
    path.write_text(text)
    line = refused("compare", path, "--task", task, *given)
    assert told in line
    assert path.name in line or "is not for" in told or "no model" in told or task == "guess"


def test_a_label_of_the_validation_part_that_training_lacks(refused, files, tmp_path):
    (tmp_path / "valid.tsv").write_text("ab\tup\nb\tsideways\n")
    valid = ["--valid", tmp_path / "valid.tsv"]
    line = refused("compare", files / "train.tsv", "--task", "classify", *valid)
    assert "valid.tsv, line 2: the label 'sideways' is not in the training data" in line
