"""Taggers from the command line: files of tokens in, the same files with labels out."""

import json
import os
import re
import signal
from dataclasses import asdict
from pathlib import Path

import pytest

from catena import CRF, GRU, HMM, LSTM, AdaGrad, Perceptron, Tagger, from_crfsuite, load
from catena.cli import show
from catena.cli.main import main
from catena.learn import Progress
from catena.metrics import label_scores, span_scores

WORDS = {
    "the": ("DT", "B-NP"), "a": ("DT", "B-NP"), "dog": ("NN", "I-NP"), "cat": ("NN", "I-NP"),
    "sees": ("VB", "B-VP"), "hears": ("VB", "B-VP"), ".": (".", "O"), "birds": ("NNS", "B-NP"),
}  # fmt: skip
LINES = ["the dog sees a cat .", "a cat hears birds .", "birds hears the dog .", "the cat sees ."]


def conll(lines, columns=3, end="\n"):
    rows = [[" ".join([word, *WORDS[word]][:columns]) for word in line.split()] for line in lines]
    return "".join(end.join(row) + end + end for row in rows)


@pytest.fixture(scope="session")
def tokens(tmp_path_factory):
    """A folder of small files of tokens."""
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "train.conll").write_text(conll(LINES * 5))
    (folder / "test.conll").write_text(conll(LINES[:2] + LINES[3:]))
    (folder / "bare.conll").write_text(conll(LINES[:2], 2))
    (folder / "template").write_text("U0:%x[0,0]\nU1:%x[-1,1]/%x[0,1]\nB\n")
    return folder


MODELS = {
    "crf": ["--model", "crf", "--iterations", "20"],
    "template": ["--model", "crf", "--iterations", "20", "--features"],
    "scheme": ["--model", "crf", "--iterations", "20", "--scheme", "iob2", "--l2", "0.5"],
    "hmm": ["--model", "hmm"],
    "lstm": ["--model", "lstm", "--bidirectional", "--units", "8", "--characters", "cnn:4",
             "--word-dropout", "0.05", "--epochs", "25", "--batch", "4", "--rate", "0.03"],
    "window": ["--model", "window", "--width", "2", "--units", "8", "--decoder", "softmax",
               "--scheme", "iob2", "--epochs", "25", "--batch", "4", "--rate", "0.03"],
}  # fmt: skip


@pytest.fixture(scope="session")
def tagger(tokens):
    """Model files by name, each learned when first asked for."""
    made = {}

    def find(name):
        if name not in made:
            made[name] = tokens / f"{name}.safetensors"
            given = [*MODELS[name], *([tokens / "template"] if name == "template" else [])]
            train = [tokens / "train.conll", "--task", "tag", "--columns", "form,pos,label"]
            arguments = ["fit", *train, *given, "-o", made[name]]
            assert main([str(argument) for argument in arguments]) == 0
        return made[name]

    return find


every = pytest.mark.parametrize("name", MODELS)


def columns(path, *wanted):
    """Columns of a file, a list for each sentence: of one column words, of several tuples."""
    blocks = [block.split("\n") for block in path.read_text().strip().split("\n\n")]
    cells = [[[line.split()[at] for at in wanted] for line in block] for block in blocks]
    return [[row[0] if len(row) == 1 else tuple(row) for row in block] for block in cells]


# -- what comes out -----------------------------------------------------------------------------


@every
def test_the_labelled_file_is_the_same_elsewhere(catena, tokens, tagger, name):
    wrong = tokens / "wrong.conll"
    wrong.write_text((tokens / "test.conll").read_text().replace("NP", "XX"))
    result = catena("tag", tagger(name), wrong)
    assert (result.status, result.err) == (0, "")
    assert result.out == (tokens / "test.conll").read_text()


@every
def test_python_agrees(catena, tokens, tagger, name):
    model = load(tagger(name))
    X, y = columns(tokens / "test.conll", 0, 1), columns(tokens / "test.conll", 2)
    assert model.predict(X) == y
    found = json.loads(catena("evaluate", tagger(name), tokens / "test.conll", "--json").out)
    assert found["accuracy"] == model.score(X, y) == 1.0
    assert found["span_f1"] == span_scores(y, y).micro.f1
    assert (found["strict_span_f1"], found["scheme"]) == (1.0, "IOB2")
    assert "strict, IOB2" in catena("evaluate", tagger(name), tokens / "test.conll").out
    scores = label_scores(y, y).per_label
    assert found["per_label"] == {label: one._asdict() for label, one in scores.items()}
    assert set(found["per_span"]) == {"NP", "VP"}
    assert (found["tokens"], found["sentences"], found["unseen"]) == (15, 3, {})
    assert (found["data"], found["model"]) == (str(tokens / "test.conll"), str(tagger(name)))


def test_a_file_without_labels_gets_a_column(catena, tokens, tagger):
    result = catena("tag", tagger("crf"), tokens / "bare.conll")
    assert (result.status, result.out) == (0, conll(LINES[:2]))


def test_standard_input_and_odd_bytes(catena, tagger):
    text = "\r\nthe  DT\r\ndog NN \r\n\r\n\r\n. ."
    result = catena("tag", tagger("crf"), "-", stdin=text.encode())
    labelled = "\r\nthe  DT B-NP\r\ndog NN  I-NP\r\n\r\n\r\n. . O"
    assert (result.status, result.out) == (0, labelled)


def test_several_paths(catena, tokens, tagger):
    out = catena("tag", tagger("crf"), tokens / "bare.conll", "--n-best", "3").out
    blocks = [block.split("\n") for block in out.strip().split("\n\n")]
    assert len(blocks) == 6
    found = load(tagger("crf")).n_best(columns(tokens / "bare.conll", 0, 1), 3)
    for i, block in enumerate(blocks):
        path = found[i // 3][i % 3]
        assert block[0] == f"# {i % 3} {path.probability:.6f}"
        assert [line.split()[2] for line in block[1:]] == path.labels


def test_marginals(catena, tokens, tagger):
    result = catena("tag", tagger("crf"), tokens / "test.conll", "--marginals")
    path = tokens / "marginals.conll"
    path.write_text(result.out)
    model, X = load(tagger("crf")), columns(tokens / "test.conll", 0, 1)
    proba = model.predict_proba(X)
    for row, table in zip(columns(path, 2, 3), proba, strict=True):
        for (label, p), each in zip(row, table, strict=True):
            assert p == f"{each[model.labels_.index(label)]:.6f}"


def test_a_treebank(catena, tmp_path):
    row = "\t_\t_\t_\t_\t_\t_"
    text = (
        "# text = don't\n1-2\tdon't\t_\t_" + row + "\n1\tdo\t_\tAUX" + row + "\n2\tn't\t_\tPART"
        + row + "\n2.1\tgo\t_\t_" + row + "\n\n# x\n1\tgo\t_\tVERB" + row + "\n\n"
    )  # fmt: skip
    data, model = tmp_path / "t.conllu", tmp_path / "m"
    data.write_text(text)
    for kind in ("hmm", "crf"):
        fit = ["--task", "tag", "--model", kind, "-o", model]
        assert catena("fit", data, *fit).status == 0
        assert catena("tag", model, data).out == text
        assert json.loads(catena("evaluate", model, data, "--json").out)["span_f1"] is None
    sure = catena("tag", model, data, "--marginals").out
    assert [line.split("Prob=")[0] for line in sure.split("\n") if "Prob=" in line] == [
        line[:-1] for line in text.split("\n") if re.match(r"\d+\t", line)
    ]
    data.write_text(text.replace(row, row[:-1] + "A=b").replace("\n", "\r\n"), newline="")
    assert catena("tag", model, data, "--marginals").out.count("\tA=b|Prob=") == 3
    ranked = catena("tag", model, data, "--n-best", "1").out
    kept = [line for line in ranked.split("\r\n") if not re.match(r"# 0 \d", line)]
    assert "\r\n".join(kept) == data.read_bytes().decode()


def test_several_paths_and_what_is_no_sentence(catena, tokens, tagger, tmp_path):
    bare = (tokens / "bare.conll").read_text()
    (tmp_path / "d.conll").write_text("-DOCSTART- -X-\n\n" + bare)
    alone = catena("tag", tagger("crf"), tokens / "bare.conll", "--n-best", "3").out
    found = catena("tag", tagger("crf"), tmp_path / "d.conll", "--n-best", "3").out
    assert found == "-DOCSTART- -X- O\n\n" + alone


# -- what is said -------------------------------------------------------------------------------


def test_fit_says_what_it_did_and_how_well_it_does(catena, tokens, tmp_path):
    output = tmp_path / "m.safetensors"
    given = ["--valid", tokens / "test.conll", "--model", "crf", "--task", "tag", "--l1", "0.1"]
    result = catena("fit", tokens / "train.conll", *given, "--minimum", "2", "-o", output)
    assert (result.status, result.out) == (0, "")
    assert f"{tokens / 'test.conll'}: accuracy 1.0000, span F1 1.0000" in result.err
    assert f"wrote {output}: CRF(l1=0.1, l2=1.0, minimum=2, " in result.err
    assert list(tmp_path.iterdir()) == [output]


def test_options_reach_the_rung_and_the_learner(catena, tokens, tmp_path):
    output = tmp_path / "m"
    given = ["--l1", "0.25", "--l2", "0.5", "--minimum", "2", "--all-states", "--all-transitions",
             "--iterations", "3", "--minutes", "1", "--seed", "4", "--scheme", "iob2"]  # fmt: skip
    train = [tokens / "train.conll", "--task", "tag", "--model", "crf"]
    assert catena("fit", *train, *given, "-o", output).status == 0
    found = load(output)
    assert found.rung == CRF(0.25, 0.5, 2, True, True)
    assert (found.learner_.iterations, found.learner_.minutes) == (3, 1.0)
    assert (found.seed, found.scheme.upper(), found.columns_) == (
        4, "IOB2", ("form", "pos", "label"),
    )  # fmt: skip


def test_options_reach_the_network(catena, tokens, tmp_path):
    output, vectors = tmp_path / "m", tmp_path / "v.txt"
    vectors.write_text("dog 1 2\ncat 3 4\n")
    given = ["--bidirectional", "--variational", "--units", "4", "--layers", "2", "--dropout",
             "0.1", "--decoder", "softmax", "--characters", "gru:3", "--embeddings", vectors,
             "--freeze",
             "--word-dropout", "0.2", "--minimum", "2", "--epochs", "1", "--batch", "3",
             "--valid", tokens / "test.conll"]  # fmt: skip
    train = [tokens / "train.conll", "--task", "tag", "--model", "lstm"]
    result = catena("fit", *train, *given, "-o", output)
    assert (result.status, result.out) == (0, "")
    found = load(output)
    assert found.rung == LSTM(4, 2, 0.1, bidirectional=True, variational=True)
    assert (found.learner_.epochs, found.learner_.batch) == (1.0, 3)
    assert (found.decoder, found.characters) == ("softmax", GRU(3))
    assert (found.embeddings, found.fine_tune) == (str(vectors), False)
    assert (found.word_dropout, found.minimum) == (0.2, 2)
    assert "valid" in found.history_.rows[-1]
    told = json.loads(catena("info", output, "--json").out)
    assert told["reads"]["characters"] == {"kind": "gru", **asdict(GRU(3))}
    assert told["reads"]["decoder"] == "softmax"


def test_tables(catena, tokens, tagger):
    out = catena("evaluate", tagger("hmm"), tokens / "test.conll").out
    assert out.split("\n")[1].split() == ["accuracy", "1.0000"]
    assert "span F1" in out
    assert any(line.split() == ["VP", *["1.0000"] * 3, "3"] for line in out.split("\n"))
    assert any(line.split()[:1] == ["I-NP"] for line in out.split("\n"))


@every
def test_info(catena, tagger, name):
    found = json.loads(catena("info", tagger(name), "--json").out)
    assert (found["task"], found["model"]["kind"]) == ("tag", load(tagger(name)).rung.kind)
    assert found["labels"] == ["B-NP", "B-VP", "I-NP", "O"]
    assert found["columns"] == ["form", "pos", "label"]
    assert found["parameters"] == load(tagger(name)).labeller_.parameters
    lines = catena("info", tagger(name)).out.split("\n")
    assert "labels      B-NP; B-VP; I-NP; O" in lines


def test_labels_that_training_did_not_show_are_listed(catena, tokens, tagger, tmp_path):
    data = tmp_path / "d.conll"
    data.write_text((tokens / "test.conll").read_text().replace("B-VP", "B-ZP"))
    result = catena("evaluate", tagger("crf"), data, "--json")
    assert result.err == f"{data}, line 3: label 'B-ZP' was not in training; its 3 count as wrong\n"
    found = json.loads(result.out)
    assert (found["accuracy"], found["unseen"]) == (12 / 15, {"B-ZP": 3})


def test_invalid_tags_are_named_and_mended(catena, refused, tokens, tmp_path):
    data, output = tokens / "invalid.conll", tmp_path / "m"
    data.write_text("the DT B-NP\ndog NN I-VP\n\n" + conll(LINES))
    fit = [data, "--task", "tag", "--model", "crf", "--iterations", "5", "-o", output]
    line = refused("fit", *fit, "--scheme", "iob2")
    assert f"{data}, line 2: 'I-VP' cannot follow 'B-NP' in IOB2" in line
    assert "--repair" in line
    assert "--scheme" in refused("fit", *fit, "--repair")
    assert catena("fit", *fit, "--scheme", "iob2", "--repair").status == 0
    assert catena("fit", *fit).status == 0


def test_held_out_tags_are_named_and_mended_too(catena, refused, tmp_path):
    train, valid = tmp_path / "train.conll", tmp_path / "valid.conll"
    train.write_text("a B-NP\nb I-NP\nc O\n\n" * 3)
    valid.write_text("a I-NP\nb I-NP\nc O\n")
    for model in (["crf"], ["hmm"], ["lstm", "--units", "4", "--epochs", "1"]):
        fit = ["fit", train, "--task", "tag", "--valid", valid, "--scheme", "iob2"]
        fit += ["-o", tmp_path / "m", "--model", *model]
        assert f"{valid}, line 1: 'I-NP' cannot follow the beginning in IOB2" in refused(*fit)
        result = catena(*fit, "--repair")
        assert result.status == 0
        assert model != ["crf"] or "accuracy 1.0000, span F1 1.0000" in result.err


def test_an_odd_label_does_not_hide_the_spans(catena, tokens, tagger, tmp_path):
    odd = tmp_path / "odd.conll"
    lines = (tokens / "test.conll").read_text().split("\n")
    at = next(i for i, line in enumerate(lines) if line.endswith(" O"))
    lines[at] = lines[at][:-1] + "FOO"
    odd.write_text("\n".join(lines))
    model = tagger("crf")
    clean = json.loads(catena("evaluate", model, tokens / "test.conll", "--json").out)
    result = catena("evaluate", model, odd, "--json")
    found = json.loads(result.out)
    assert clean["span_f1"] is not None
    assert (found["span_f1"], found["per_span"]) == (clean["span_f1"], clean["per_span"])
    assert found["accuracy"] < clean["accuracy"]
    assert found["unseen"] == {"FOO": 1}
    assert f"{odd}, line {at + 1}: label 'FOO'" in result.err
    assert f"{odd}: label 'FOO' is no tag of a span" in result.err
    assert found["odd"] == ["FOO"]


def test_held_out_data_stops_and_chooses(catena, tokens, tmp_path):
    output, noise = tmp_path / "m", tokens / "noise.conll"
    noise.write_text((tokens / "test.conll").read_text().replace("B-VP", "O"))
    given = ["--valid", noise, "--task", "tag", "--patience", "2", "-o", output]
    for learner in ("l-bfgs", "adagrad", "perceptron"):
        fit = [tokens / "train.conll", "--model", "crf", "--learner", learner]
        result = catena("fit", *fit, *given)
        assert result.status == 0
        assert "2 times in a row no better span F1 on held-out data" in result.err
        assert "on held-out data\n" in result.err
        rows = load(output).history_.rows
        assert max(row["score"] for row in rows) == rows[-3]["score"]
    assert (
        catena("fit", tokens / "train.conll", "--model", "hmm", *given[:4], *given[6:]).status == 0
    )


def test_the_learner_and_its_options(catena, tokens, tmp_path):
    def learner(*given):
        fit = [tokens / "train.conll", "--task", "tag", "--model", "crf", *given]
        assert catena("fit", *fit, "-o", tmp_path / "m").status == 0
        return load(tmp_path / "m").learner_

    given = ["--epochs", "2", "--minutes", "1", "--patience", "4"]
    more = ["--batch", "4", "--rate", "0.3", "--l1", "0.01"]
    assert learner("--learner", "adagrad", *given, *more) == AdaGrad(2, 4, 0.3, 4, 1.0)
    assert learner("--learner", "perceptron", *given) == Perceptron(2, True, 4, 1.0)
    assert learner("--learner", "l-bfgs", "--iterations", "2").iterations == 2


def test_the_time_left_is_what_the_learner_says(capsys):
    for left, told in ((None, "left -:--:--"), (3675.2, "left 1:01:15")):
        with show.progress() as board:
            done = 0.0 if left is None else 0.5
            board.report("crf", Progress(done, 60.0, left, 10.0, None, None, "iteration 3"))
        assert told in capsys.readouterr().err


def test_without_a_limit_no_time_is_left(catena, tokens, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(show.Board, "report", lambda board, name, learned: seen.append(learned))
    fit = ["fit", tokens / "train.conll", *FIT, "-o", tmp_path / "m"]
    assert catena(*fit).status == 0
    assert {(learned.done, learned.left) for learned in seen} == {(0.0, None)}


# -- CRFsuite's files ---------------------------------------------------------------------------


CRFSUITE = Path(__file__).parents[1] / "formats" / "crfsuite"
SUITE = "{}\tw\\:the\tlength:0.75\tfirst\n\n{}\tw\\:dog\tbefore\\:the:1\n{}\tw\\:x\n"


def test_a_model_of_crfsuites(catena, refused, tmp_path):
    model, data = CRFSUITE / "tiny.crfsuite", tmp_path / "d.crfsuite"
    data.write_text(SUITE.format("N", "N", "V"))
    steps = [[{"w": "the", "length": 0.75, "first": 1.0}]]
    steps += [[{"w": "dog", "before:the": 1.0}, ["w:x"]]]
    labels = from_crfsuite(model).predict(steps)
    result = catena("tag", model, data)
    assert (result.status, result.err) == (0, "")
    assert result.out == SUITE.format(*labels[0], *labels[1])
    found = json.loads(catena("evaluate", model, data, "--json").out)
    assert (found["tokens"], found["sentences"]) == (3, 2)
    assert json.loads(catena("info", model, "--json").out)["labels"] == ["N", "A", "D", "V"]
    data.write_text("N\ta\n\nQ\tb\n")
    told = f"{data}, line 3: label 'Q' was not in training; its 1 count as wrong\n"
    assert catena("evaluate", model, data).err == told
    told = f"{data}: CRFsuite's data has room for one label a line"
    assert told in refused("tag", model, data, "--n-best", "2")
    assert "--columns is for files of columns" in refused("tag", model, data, "--columns", "a,b")
    data.write_bytes(model.read_bytes()[:100])
    assert "damaged or cut short" in refused("tag", data, data)


def test_a_tagger_of_attributes_reads_crfsuites_data(catena, tmp_path):
    X = [[["w=the"], ["w=dog", "bias"]], [["w=dog", "bias"]]]
    Tagger(CRF()).fit(X, [["D", "N"], ["N"]]).save(tmp_path / "m")
    data = tmp_path / "d"
    data.write_text("N\tw=the\nN\tbias\tw=dog\n")
    assert catena("tag", tmp_path / "m", data).out == "D\tw=the\nN\tbias\tw=dog\n"
    assert json.loads(catena("evaluate", tmp_path / "m", data, "--json").out)["accuracy"] == 0.5


# -- bad input ----------------------------------------------------------------------------------


FIT = ["--task", "tag", "--model", "crf"]
NEURAL = ["--task", "tag", "--model", "lstm"]


@pytest.mark.parametrize(
    ("content", "given", "told"),
    [
        ("a b X\nb X\n", FIT, "d.conll, line 2: 2 columns, where 3 are expected"),
        ("\n\n", FIT, "d.conll: no tokens"),
        ("a\tX\nb\t\n", FIT, "d.conll, line 2: no label in column 'label'"),
        ("a X\n", [*FIT, "--columns", "form,pos,label"], "d.conll, line 1: 2 columns"),
        ("a X\n", [*FIT, "--columns", "_,label"], "no column to read"),
        ("a X\n", [*FIT, "--scheme", "iob7"], "scheme must be one of"),
        ("a X\n", [*FIT, "--scheme", "iob2"], "d.conll, line 1: 'X' is no tag"),
        ("a X\n", [*FIT, "--units", "3"], "--units is not an option of crf with --task tag"),
        ("a X\n", ["--task", "tag", "--model", "hmm", "--l2", "3"], "it has none"),
        (
            "a X\n",
            ["--task", "tag", "--model", "markov"],
            "--model must be one of hmm, crf, window",
        ),
        ("a X\n", [*NEURAL, "--tied"], "--tied is not an option of lstm with --task tag"),
        ("a X\n", [*NEURAL, "--characters", "cnn:x"], "--characters is one of rnn, gru, lstm, cnn"),
        ("a X\n", [*NEURAL, "--characters", "hmm"], "or with its size lstm:50, not 'hmm'"),
        ("a X\n", [*NEURAL, "--decoder", "x"], "decoder must be one of crf, softmax"),
        ("a X\n", [*NEURAL, "--embeddings", "nowhere"], "nowhere: there is no such file"),
        ("a X\n", [*NEURAL, "--learner", "adagrad"], "--learner is not an option of lstm"),
        ("a X\n", [*FIT, "--decoder", "softmax"], "--decoder is not an option of crf"),
        ("a X\n", ["--model", "lstm", "--decoder", "crf"], "--decoder is for --task tag"),
        ("a X\n", [*FIT, "--epochs", "3"], "--epochs is not an option of crf with --task tag"),
        ("a X\n", [*FIT, "--learner", "luck"], "--learner must be one of l-bfgs, adagrad, perc"),
        ("a X\n", [*FIT, "--learner", "perceptron", "--l2", "1"], "--l2 is not an option"),
        ("a X\n", [*FIT, "--learner", "adagrad", "--epochs", "1.5"], "must be a whole number"),
        ("a X\n", ["--task", "tag", "--model", "hmm", "--learner", "adagrad"], "it has none"),
        ("a X\n", ["--model", "markov", "--learner", "adagrad"], "--learner is for --task tag"),
        ("a X\n", [*FIT, "--unit", "char"], "--unit is for --task generate"),
        ("a X\n", [*FIT, "--l2", "-1"], "l2 must be a number of at least 0"),
        ("a X\n", [*FIT, "--minimum", "0"], "minimum must be at least 1"),
        ("a X\n", [*FIT, "--features", "nowhere"], "nowhere: cannot be read"),
        ("a X\n", [*FIT, "--valid", "nowhere.conll"], "nowhere.conll: there is no such file"),
        (
            "a X\n",
            ["--task", "dance", "--model", "crf"],
            "--task must be generate, classify, tag, ",
        ),
        ("a X\n", ["--model", "markov", "--l2", "1"], "--l2 is for --task tag"),
        ("a X\n", ["--model", "markov", "--columns", "a"], "--columns is for --task tag"),
    ],
)
def test_a_fit_that_is_refused(refused, tmp_path, content, given, told):
    (tmp_path / "d.conll").write_text(content)
    assert told in refused("fit", tmp_path / "d.conll", *given, "-o", tmp_path / "m")


def test_a_template_is_named_with_its_line(refused, tokens, tmp_path):
    (tmp_path / "t").write_text("U0:%x[0,0]\nU1:%x[0,7]\n")
    fit = [tokens / "train.conll", *FIT, "--features", tmp_path / "t", "-o", tmp_path / "m"]
    assert f"{tmp_path / 't'}, line 2: there is no column 7" in refused("fit", *fit)


def test_files_and_models_that_do_not_go_together(refused, tokens, tagger, model, tmp_path):
    (tmp_path / "d.conll").write_text("a b c d e\n")
    line = refused("tag", tagger("crf"), tmp_path / "d.conll")
    assert "5 columns, where the model learned from form,pos,label" in line
    assert "no column 'label'" in refused("evaluate", tagger("crf"), tokens / "bare.conll")
    assert "--n-best" in refused("tag", tagger("crf"), tokens / "bare.conll", "--n-best", "0")
    both = ["--n-best", "2", "--marginals"]
    assert "do not go together" in refused("tag", tagger("crf"), tokens / "bare.conll", *both)
    assert "for the task 'generate'" in refused("tag", model("markov"), tokens / "bare.conll")
    assert "for the task 'tag'" in refused("generate", tagger("crf"))
    line = refused("evaluate", tagger("crf"), tokens / "test.conll", "--unit", "char")
    assert "--unit is for --task generate" in line
    line = refused("evaluate", model("markov"), tokens / "test.conll", "--columns", "form")
    assert "--columns is for --task tag, not for generate" in line
    Tagger(HMM()).fit([["a"]], [["X"]]).save(tmp_path / "m")
    assert "without columns" in refused("tag", tmp_path / "m", tokens / "bare.conll")


# -- Ctrl-C -------------------------------------------------------------------------------------


def test_a_stopped_fit_goes_on(catena, tokens, tmp_path, stopped):
    output = tmp_path / "m.safetensors"
    given = [tokens / "train.conll", *FIT, "--l2", "1e-9", "--iterations", "400"]
    status, out, err = stopped(output, signal.SIGINT, *given)
    assert (status, out) == (130, "")
    assert "run the same command with --resume" in err.splitlines()[-1]
    assert catena("fit", *given, "-o", output, "--resume").status == 0
    whole = tmp_path / "whole"
    assert catena("fit", *given, "-o", whole).status == 0
    one, other = load(output).labeller_, load(whole).labeller_
    assert one.weights.equal(other.weights)
    assert not output.with_name(output.name + ".checkpoint").exists()


# -- real data ----------------------------------------------------------------------------------


def test_conll_2000(catena, tmp_path):
    data = Path(os.environ.get("CATENA_DATA", ".")) / "conll2000" / "test.txt.xz"
    if "CATENA_DATA" not in os.environ or not data.exists():
        pytest.skip("CATENA_DATA names no folder with conll2000/test.txt.xz")
    model = tmp_path / "m"
    fit = ["--task", "tag", "--model", "hmm", "--columns", "form,pos,label", "-o", model]
    assert catena("fit", data, *fit).status == 0
    found = json.loads(catena("evaluate", model, data, "--json").out)
    assert found["sentences"] == 2012
    assert found["accuracy"] > 0.9
    lines = catena("tag", model, data).out.split("\n")
    assert sum(len(line.split()) == 3 for line in lines) == found["tokens"] == 47377
