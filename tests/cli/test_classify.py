"""Classifiers from the command line: labelled data in, labels, tables and a model file out."""

import json
import os
import random
from pathlib import Path

import pytest

from catena import GRU, Classifier, Gradient, Markov, load
from catena.cli.main import main

KINDS = ["markov", "hmm", "window", "gru"]
QUICK = {
    "markov": ["--order", "1", "--smoothing", "add"],
    "hmm": ["--states", "2", "--iterations", "10", "--restarts", "1"],
}
NETWORK = ["--units", "8", "--epochs", "8", "--rate", "0.05"]


def rows(count, seed):
    """Texts that go up, and texts that go down."""
    draw = random.Random(seed)
    for i in range(count):
        text = "".join(sorted(draw.choice("abcd") for _ in range(draw.randint(2, 9))))
        yield (text, "up") if i % 2 else (text[::-1], "down")


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    """A folder of small labelled files, the same texts in several formats."""
    folder = tmp_path_factory.mktemp("texts")
    for name, count in (("train", 60), ("test", 20)):
        pairs = list(rows(count, count))
        (folder / f"{name}.tsv").write_text("".join(f"{t}\t{k}\n" for t, k in pairs))
        (folder / f"{name}.jsonl").write_text(
            "".join(json.dumps({"sequence": list(t), "label": k}) + "\n" for t, k in pairs)
        )
        (folder / f"{name}.txt").write_text("".join(f"{t}\n" for t, _ in pairs))
        steps = [f"{i},{'abcd'.index(c)}.5,{k}\n" for i, (t, k) in enumerate(pairs) for c in t]
        (folder / f"{name}.csv").write_text("who,height,label\n" + "".join(steps))
        series = [",".join(str("abcd".index(c)) for c in t) + f":{k}\n" for t, k in pairs]
        head = "@univariate true\n@classLabel true down up\n@data\n"
        (folder / f"{name}.ts").write_text(head + "".join(series))
    return folder


MODELS = {
    **{kind: ["train.tsv", "--model", kind, *QUICK.get(kind, NETWORK)] for kind in KINDS},
    "items": ["train.jsonl", "--model", "markov", *QUICK["markov"]],
    "groups": ["train.csv", "--group-by", "who", "--model", "gru", *NETWORK],
    "series": ["train.ts", "--model", "gru", *NETWORK, "--summary", "attention"],
}
DATA = {"items": ("test.jsonl", []), "groups": ("test.csv", ["--group-by", "who"]),
        "series": ("test.ts", [])}  # fmt: skip


@pytest.fixture(scope="session")
def classifier(texts):
    """Model files by name, each learned when first asked for."""
    made = {}

    def find(name):
        if name not in made:
            made[name] = texts / f"{name}.safetensors"
            data, *rest = MODELS[name]
            fit = ["fit", texts / data, "--task", "classify", *rest, "-o", made[name]]
            assert main([str(argument) for argument in fit]) == 0
        return made[name]

    return find


every = pytest.mark.parametrize("name", MODELS)


def pairs(path):
    return zip(*(line.split("\t") for line in path.read_text().splitlines()), strict=True)


# -- what comes out -----------------------------------------------------------------------------


@every
def test_classify_evaluate_and_python_agree(catena, texts, classifier, name):
    data, how = DATA.get(name, ("test.tsv", []))
    result = catena("classify", classifier(name), texts / data, *how)
    assert (result.status, result.err) == (0, "")
    said = [line.split("\t") for line in result.out.splitlines()]
    truth = list(pairs(texts / "test.tsv"))[1]
    found = json.loads(catena("evaluate", classifier(name), texts / data, *how, "--json").out)
    assert found["accuracy"] == sum(a == b for (a, _), b in zip(said, truth, strict=True)) / 20
    assert found["accuracy"] > 0.7
    assert (found["sequences"], found["unseen"], set(found["per_label"])) == (
        20, {}, {"up", "down"},
    )  # fmt: skip
    assert found["confusion"]["labels"] == ["down", "up"]
    assert sum(map(sum, found["confusion"]["counts"])) == 20
    assert all(0.5 <= float(p) <= 1 for _, p in said)


def test_the_same_in_python(texts, classifier, catena):
    model = load(classifier("gru"))
    X, y = pairs(texts / "test.tsv")
    X = model.space_.encode(X)
    found = json.loads(catena("evaluate", classifier("gru"), texts / "test.tsv", "--json").out)
    assert found["accuracy"] == model.score(X, y)
    assert found["macro_f1"] == model.evaluate(X, y).macro_f1
    out = catena("classify", classifier("gru"), texts / "test.txt").out
    lines = zip(model.predict(X), model.predict_proba(X).max(1), strict=True)
    assert out == "".join(f"{label}\t{p:.6f}\n" for label, p in lines)


def test_line_n_out_is_line_n_in(catena, classifier):
    result = catena("classify", classifier("markov"), "-", stdin=b"abd\n\n\r\ndcc\n")
    assert (result.status, result.err) == (0, "")
    assert [line.split("\t")[0] for line in result.out.splitlines()][::3] == ["up", "down"]
    assert result.out.count("\n") == 4


def test_the_likeliest_labels(catena, texts, classifier):
    lines = catena("classify", classifier("hmm"), texts / "test.txt", "--top", "5").out.splitlines()
    for line in lines:
        one, p, other, q = line.split("\t")
        assert {one, other} == {"up", "down"}
        assert float(p) >= float(q) >= 0
        assert abs(float(p) + float(q) - 1) < 2e-6


def test_json_lines(catena, texts, classifier):
    out = catena("classify", classifier("hmm"), texts / "test.tsv", "--json", "--top", "1").out
    found = [json.loads(line) for line in out.splitlines()]
    assert len(found) == 20
    assert set(found[3]) == {"place", "label", "probability", "top"}
    assert found[3]["place"] == f"{texts / 'test.tsv'}, line 4"
    best = {name: found[3][name] for name in ("label", "probability")}
    assert found[3]["top"] == [best]


def test_a_model_that_python_fitted_with_numbers_for_labels(catena, texts, tmp_path):
    X, y = pairs(texts / "train.tsv")
    numbers = [int(label == "up") for label in y]
    Classifier(Markov(order=1, smoothing="add")).fit(list(X), numbers).save(tmp_path / "m")
    (tmp_path / "d.tsv").write_text("abd\t1\ndba\t0\n")
    assert catena("classify", tmp_path / "m", tmp_path / "d.tsv").out[0] == "1"
    found = json.loads(catena("evaluate", tmp_path / "m", tmp_path / "d.tsv", "--json").out)
    assert (found["accuracy"], found["unseen"]) == (1.0, {})


def test_several_labels(catena, tmp_path):
    draw = random.Random(0)
    words = ["".join(draw.choice("abcd") for _ in range(draw.randint(1, 5))) for _ in range(40)]
    data, model = tmp_path / "d.jsonl", tmp_path / "m"
    lines = [{"text": word, "label": sorted({"a", "b"} & set(word))} for word in words]
    data.write_text("".join(json.dumps(line) + "\n" for line in lines))
    given = ["--model", "gru", "--summary", "max", *NETWORK, "--epochs", "25", "-o", model]
    assert catena("fit", data, "--task", "classify", *given).status == 0
    found = json.loads(catena("evaluate", model, data, "--json").out)
    assert found["confusion"] is None
    assert found["accuracy"] > 0.8
    X = load(model)
    assert found["accuracy"] == X.score(X.space_.encode(words), [line["label"] for line in lines])
    out = catena("classify", model, data, "--json").out.splitlines()
    assert all(isinstance(json.loads(line)["label"], list) for line in out)
    assert len(catena("classify", model, data).out.split("\n")) == 41
    assert catena("evaluate", model, data, "--mistakes", "2").status == 0
    line = catena("fit", data, "--task", "classify", "--model", "markov", "-o", model).err
    assert "one label, not a set" in line


# -- what is said -------------------------------------------------------------------------------


def test_tables(catena, texts, classifier, tmp_path):
    out = catena("evaluate", classifier("markov"), texts / "test.tsv").out.split("\n")
    assert out[1].split()[0] == "accuracy"
    assert out[2].split()[:2] == ["macro", "F1"]
    assert any(line.split()[:1] == ["up"] and line.split()[-1] == "10" for line in out)
    assert any(line.split() == ["is", "\\", "found", "down", "up"] for line in out)
    (tmp_path / "d.tsv").write_text("dba\tup\nabd\tup\ncba\tup\ncbb\tup\n")
    found = catena("evaluate", classifier("markov"), tmp_path / "d.tsv", "--mistakes", "2").out
    assert found.endswith(
        "\n\nplace\tlabel\tfound\tsequence\n"
        f"{tmp_path / 'd.tsv'}, line 1\tup\tdown\tdba\n"
        f"{tmp_path / 'd.tsv'}, line 3\tup\tdown\tcba\n"
    )


def test_many_labels_have_no_matrix(catena, tmp_path):
    data, model = tmp_path / "d.tsv", tmp_path / "m"
    data.write_text("".join(f"{chr(97 + i) * 3}\tlabel {i}\n" * 2 for i in range(21)))
    fit = ["--task", "classify", "--model", "markov", *QUICK["markov"], "-o", model]
    assert catena("fit", data, *fit).status == 0
    data.write_text("aaa\tlabel 1\n" * 3 + "ccc\tlabel 1\n")
    result = catena("evaluate", model, data)
    assert "is \\ found" in result.out
    data.write_text(
        "".join(f"{chr(97 + i) * 3}\tlabel {i}\n" for i in range(21)) + "aaa\tlabel 1\n"
    )
    lines = catena("evaluate", model, data).out.splitlines()
    assert [line.split() for line in lines[-2:]] == [
        ["is", "found", "times"], ["label", "1", "label", "0", "1"],
    ]  # fmt: skip


def test_labels_that_training_did_not_show_count_as_wrong(catena, texts, classifier, tmp_path):
    data = tmp_path / "d.tsv"
    data.write_text("abd\tup\nabc\tsideways\ndca\tsideways\n")
    result = catena("evaluate", classifier("markov"), data, "--json", "--mistakes", "9")
    assert result.err == (
        f"{data}, line 2: label 'sideways' was not in training; its 2 count as wrong\n"
    )
    found = json.loads(result.out)
    assert (found["unseen"], round(found["accuracy"], 3)) == ({"sideways": 2}, 0.333)
    assert [one["place"] for one in found["mistakes"]] == [f"{data}, line {n}" for n in (2, 3)]


def test_fit_says_what_it_did_and_options_arrive(catena, texts, tmp_path):
    output = tmp_path / "m.safetensors"
    given = ["--model", "gru", "--units", "6", "--epochs", "2", "--bidirectional", "--summary",
             "mean", "--class-weight", "balanced", "--calibrate", "--seed", "3",
             "--valid", texts / "test.tsv"]  # fmt: skip
    fit = [texts / "train.tsv", "--task", "classify", *given, "-o", output]
    result = catena("fit", *fit)
    assert (result.status, result.out) == (0, "")
    assert f"{texts / 'test.tsv'}: accuracy 0." in result.err
    assert f"wrote {output}: GRU(units=6, " in result.err
    found = load(output)
    assert (found.rung, found.learner) == (GRU(units=6, bidirectional=True), Gradient(epochs=2.0))
    assert (found.summary, found.class_weight, found.calibrate, found.seed) == (
        "mean", "balanced", True, 3,
    )  # fmt: skip
    assert found.temperature_ != 1
    assert list(tmp_path.iterdir()) == [output]


def test_notes_name_their_line(catena, texts, tmp_path):
    data = tmp_path / "d.tsv"
    data.write_text((texts / "train.tsv").read_text() + "abcd\tlone\n")
    fit = ["--task", "classify", "--model", "markov", *QUICK["markov"], "-o", tmp_path / "m"]
    err = catena("fit", data, *fit).err
    assert f"{data}, line 61: the class 'lone' has one example only\n" in err
    data = tmp_path / "d.ts"
    data.write_text((texts / "train.ts").read_text().replace("down up", "down up still", 1))
    fit = ["--task", "classify", "--model", "hmm", "--iterations", "2", "-o", tmp_path / "m"]
    assert f"{data}: no sequence of the class 'still'\n" in catena("fit", data, *fit).err
    data = tmp_path / "d.csv"
    data.write_text("who,x,y,label\na,1,7,up\na,2,7,up\nb,3,7,down\n")
    err = catena("fit", data, "--group-by", "who", *fit).err
    assert f"{data}: y is 7 everywhere\n" in err


@pytest.mark.parametrize("name", ["hmm", "gru"])
def test_info(catena, classifier, name):
    found = json.loads(catena("info", classifier(name), "--json").out)
    assert (found["task"], found["model"]["kind"]) == ("classify", name)
    assert (found["labels"], found["several"]) == (["down", "up"], False)
    assert found["summary"] == (None if name == "hmm" else "last")
    assert found["parameters"] == sum(p.numel() for p in load(classifier(name)).model_.parameters())
    assert "several       no" in catena("info", classifier(name)).out.split("\n")


# -- bad input ----------------------------------------------------------------------------------


MARKOV = ["--model", "markov"]
TSV = "ab\tup\nba\tdown\n"


@pytest.mark.parametrize(
    ("name", "content", "given", "told"),
    [
        ("d.tsv", "ab\tup\nba\n", MARKOV, "d.tsv, line 2: 1 column, where line 1 has 2"),
        ("d.tsv", "ab\tup\nba\t\n", MARKOV, "d.tsv, line 2: no label"),
        ("d.tsv", "ab\tup\nba\tup\n", MARKOV, "d.tsv: there is only the label 'up'"),
        ("d.txt", "ab\n", MARKOV, "d.txt: no labels can be read"),
        ("d.tsv", "\tup\n\tdown\n", ["--model", "gru"], "d.tsv: the vocabulary is empty"),
        ("d.jsonl", '{"sequence": [1.5, 2], "label": "a"}\n{"sequence": [], "label": "b"}\n',
         ["--model", "hmm"], "d.jsonl, line 2: the class 'b' is empty"),
        ("d.jsonl", '{"sequence": [1.5], "label": "a"}\n{"sequence": [1.5], "label": "b"}\n',
         ["--model", "hmm"], "d.jsonl, line 1: number 1 is 1.5 here and everywhere"),
        ("d.jsonl", '{"sequence": [1.5], "label": "a"}\n{"sequence": [NaN], "label": "b"}\n',
         ["--model", "hmm"], "d.jsonl, line 2, step 1, number 1: nan is not a finite number"),
        ("d.csv", "u,x,label\n1,2,a\n2,3,b\n1,4,b\n", ["--model", "hmm", "--group-by", "u"],
         "d.csv, line 4: the label 'b', where"),
        ("d.ts", "@univariate true\n@classLabel true a b\n@data\n1,2:a\n1,?:b\n",
         ["--model", "hmm"], "d.ts, line 5, step 2"),
        ("d.ts", "@univariate true\n@classLabel true a b\n@data\n1,2:a\n1,2:c\n",
         ["--model", "hmm"], "d.ts, line 5: the class 'c' is none of those"),
        ("d.jsonl", '{"sequence": [1.5], "label": "a"}\n{"sequence": [2.5], "label": "b"}\n',
         MARKOV, "d.jsonl: a Markov chain counts symbols"),
        ("d.tsv", TSV, [*MARKOV, "--summary", "mean"], "--summary is for networks"),
        ("d.tsv", TSV, ["--model", "gru", "--summary", "sum"], "summary must be one of"),
        ("d.tsv", TSV, [*MARKOV, "--class-weight", "up"], "--class-weight must be balanced"),
        ("d.tsv", TSV, [*MARKOV, "--calibrate"], "--calibrate needs held-out data"),
        ("d.tsv", TSV, [*MARKOV, "--stream"], "--stream is for --task generate, not for"),
        ("d.tsv", TSV, [*MARKOV, "--columns", "a"], "--columns is for --task tag"),
        ("d.tsv", TSV, [*MARKOV, "--units", "3"], "--units is not an option of markov"),
        ("d.tsv", TSV, ["--model", "crf"], "--model must be one of markov"),
        ("d.tsv", TSV, [*MARKOV, "--valid", "nowhere.tsv"], "nowhere.tsv: there is no such file"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_from(refused, tmp_path, name, content, given, told):
    (tmp_path / name).write_text(content)
    line = refused("fit", tmp_path / name, "--task", "classify", *given, "-o", tmp_path / "m")
    assert told in line


def test_held_out_data_with_a_new_label(refused, texts, tmp_path):
    data = tmp_path / "valid.tsv"
    data.write_text("ab\tup\nba\tsideways\n")
    fit = ["--task", "classify", *MARKOV, "--valid", data, "-o", tmp_path / "m"]
    line = refused("fit", texts / "train.tsv", *fit)
    assert f"{data}, line 2: the label 'sideways' is not in the training data" in line


def test_options_of_other_tasks(refused, texts, model, tmp_path):
    out = ["-o", tmp_path / "m"]
    line = refused("fit", texts / "train.tsv", *MARKOV, "--summary", "mean", *out)
    assert "--summary is for --task classify" in line
    line = refused(
        "fit", texts / "train.tsv", "--task", "tag", "--model", "crf", "--label", "a", *out
    )
    assert "--label is for --task classify" in line
    line = refused("evaluate", model("markov"), texts / "test.txt", "--mistakes", "3")
    assert "--mistakes is for --task classify or tag, not for generate" in line


@pytest.mark.parametrize(
    "given",
    [
        ["generate"],
        ["next"],
        ["surprise", "test.txt"],
        ["tag", "test.txt"],
    ],
)
def test_commands_for_other_models(refused, texts, classifier, given):
    command, *data = given
    line = refused(command, classifier("markov"), *(texts / name for name in data))
    assert f"{classifier('markov')}: a model for the task 'classify', not" in line


def test_other_data_and_other_models(refused, texts, classifier, model, tmp_path):
    line = refused("classify", model("markov"), texts / "test.txt")
    assert f"{model('markov')}: a model for the task 'generate', not 'classify'" in line
    for name in ("test.ts", "test.jsonl"):
        line = refused("classify", classifier("markov"), texts / name)
        assert str(texts / name) in line
        assert ": is not data of the kind that the model was trained on" in line
    line = refused("classify", classifier("series"), texts / "test.txt")
    assert "is not data of the kind" in line
    assert "--top" in refused("classify", classifier("markov"), texts / "test.txt", "--top", "0")
    line = refused("evaluate", classifier("markov"), texts / "test.tsv", "--mistakes", "0")
    assert "--mistakes must be at least 1" in line
    assert "no labels can be read" in refused("evaluate", classifier("markov"), texts / "test.txt")
    data = tmp_path / "d.jsonl"
    data.write_text('{"text": "ab", "label": ["up", "down"]}\n')
    line = refused("evaluate", classifier("markov"), data)
    assert f"{data}, line 1: several labels" in line


# -- real data ----------------------------------------------------------------------------------


def real(*names):
    folder = Path(os.environ.get("CATENA_DATA", "."))
    found = [folder / name for name in names]
    if "CATENA_DATA" not in os.environ or not all(path.exists() for path in found):
        pytest.skip(f"CATENA_DATA names no folder with {', '.join(names)}")
    return found


def test_japanese_vowels(catena, tmp_path):
    train, test = real(*(f"uea_ucr/JapaneseVowels_{part}.ts.xz" for part in ("TRAIN", "TEST")))
    fit = ["--task", "classify", "--model", "hmm", "--states", "3", "--iterations", "5"]
    assert catena("fit", train, *fit, "-o", tmp_path / "m").status == 0
    found = json.loads(catena("evaluate", tmp_path / "m", test, "--json").out)
    assert found["sequences"] == 370
    assert found["accuracy"] > 0.9
    lines = catena("classify", tmp_path / "m", test).out.splitlines()
    assert len(lines) == 370


def test_names_a_file_a_language(catena, tmp_path):
    files = real(*(f"names18/{name}.txt" for name in ("Chinese", "Greek", "Polish")))
    fit = ["--task", "classify", "--model", "markov", "--order", "2", "--label-by", "file"]
    assert catena("fit", *files, *fit, "-o", tmp_path / "m").status == 0
    how = ["--label-by", "file", "--json"]
    found = json.loads(catena("evaluate", tmp_path / "m", *files, *how).out)
    assert set(found["per_label"]) == {"Chinese", "Greek", "Polish"}
    assert found["accuracy"] > 0.95
