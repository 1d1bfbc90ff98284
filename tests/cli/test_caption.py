"""Captioners on the command line: learned, used, measured; and what is refused."""

import json

import numpy as np
import pytest

from catena import container, load

WORDS = ["a cat", "a dog", "two birds"]
TASK = ["--task", "caption", "--model", "gru"]
TINY = [*TASK, "--units", "8", "--unit", "word", "--epochs", "1", "--picture-size", "8"]
GOOD = [
    *TASK, "--units", "16", "--unit", "word", "--label-smoothing", "0", "--epochs", "60",
    "--rate", "0.02", "--attention", "general",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Features, pictures and their captions."""
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("captions")
    np.save(folder / "f.npy", np.eye(3, dtype=np.float32))
    (folder / "f.txt").write_text("a cat\tone cat\na dog\ntwo birds\n")
    (folder / "p").mkdir()
    for i, name in enumerate("abc"):
        pixels = np.full((8, 8, 3), 80 * i, np.uint8)
        image.fromarray(pixels).save(folder / "p" / f"{name}.png")
    rows = [f"p/{name}.png\t{text}\n" for name, text in zip("abc", WORDS, strict=True)]
    (folder / "p.tsv").write_text("".join(rows))
    return folder


@pytest.fixture
def features(catena, folder):
    """A file that captions features."""
    path = folder / "features.safetensors"
    if not path.exists():
        result = catena("fit", folder / "f.npy", folder / "f.txt", *GOOD, "-o", path)
        assert (result.status, result.out) == (0, "")
        assert "symbols (word)" in result.err
    return path


@pytest.fixture
def pictures(catena, folder):
    """A file that captions pictures, hardly learned."""
    path = folder / "pictures.safetensors"
    if not path.exists():
        data = folder / "p.tsv"
        assert catena("fit", data, "--valid", data, *TINY, "-o", path).status == 0
    return path


def test_features_are_captioned_row_by_row(catena, folder, features):
    result = catena("caption", features, folder / "f.npy")
    lines = result.out.splitlines()
    assert lines[1:] == [f"{folder}/f.npy, row 2\ta dog", f"{folder}/f.npy, row 3\ttwo birds"]
    assert lines[0].endswith(("\ta cat", "\tone cat"))
    result = catena("caption", features, folder / "f.npy", "--n-best", "2")
    assert [line.split("\t")[3] for line in result.out.splitlines()][2] == "a dog"
    result = catena("caption", features, folder / "f.npy", "--json", "--beam", "2")
    first = json.loads(result.out.splitlines()[1])
    assert first["source"] == f"{folder}/f.npy, row 2"
    assert first["captions"][0]["text"] == "a dog"


def test_pictures_are_captioned_in_order_and_drawn(catena, folder, pictures, tmp_path):
    names = [folder / "p" / f"{name}.png" for name in "bac"]
    result = catena("caption", pictures, *names)
    found = load(pictures).caption(names)
    expected = [f"{name}\t{text}" for name, text in zip(names, found, strict=True)]
    assert result.out.splitlines() == expected
    result = catena("caption", pictures, names[0], "--picture", tmp_path / "x.svg")
    assert f"wrote {tmp_path / 'x.svg'}" in result.err
    assert (tmp_path / "x.svg").read_bytes().startswith(b"<?xml")


def test_what_comes_before_a_picture_that_cannot_be_decoded_is_captioned(catena, folder, pictures):
    good = folder / "p" / "a.png"
    result = catena("caption", pictures, good, good, folder / "f.npy", good)
    assert (result.status, len(result.out.splitlines())) == (2, 2)
    (folder / "none.png").write_text("no picture")
    result = catena("caption", pictures, good, folder / "none.png", good)
    assert (result.status, len(result.out.splitlines())) == (2, 1)
    assert result.err.startswith(f"catena: {folder}/none.png: not a picture that can be decoded")


def test_chinese_characters_are_symbols_of_captions(catena, folder, tmp_path):
    pytest.importorskip("sacrebleu")
    lines = [f"{folder}/p/a.png\t红色的圆", f"{folder}/p/c.png\t蓝色的方"]
    (tmp_path / "汉.tsv").write_text("\n".join(lines), "utf-8")
    output = tmp_path / "模型"
    given = [*TINY, "--unit", "char"]
    result = catena("fit", tmp_path / "汉.tsv", *given, "-o", output)
    assert result.status == 0
    assert "symbols (char)" in result.err
    data = ["evaluate", output, tmp_path / "汉.tsv", "--json"]
    found = json.loads(catena(*data, "--tokenize", "zh").out)
    assert all("tok:zh" in signature for signature in found["signatures"])
    assert set(catena("caption", output, folder / "p" / "a.png").out.split("\t")[1]) <= {
        *"红蓝色的圆方\n"
    }


def test_the_evaluation_is_that_of_python(catena, folder, features):
    pytest.importorskip("sacrebleu")
    data = [folder / "f.npy", folder / "f.txt"]
    found = json.loads(catena("evaluate", features, *data, "--json").out)
    captions = [["a cat", "one cat"], "a dog", "two birds"]
    own = load(features).evaluate(np.eye(3), captions)
    assert (found["bleu"], found["exact"], found["sources"]) == (own.bleu, own.exact, 3)
    assert found["exact"] == 1
    shown = catena("evaluate", features, *data).out
    assert f"BLEU-1  {own.signatures[0]}" in shown
    assert f"{own.perplexity:.4f}" in shown


def test_info_says_what_was_learned(catena, folder, features, pictures):
    facts = json.loads(catena("info", features, "--json").out)
    assert (facts["task"], facts["reads"]) == ("caption", {"features": 3})
    assert facts["attention"]["attention"] == "general"
    facts = json.loads(catena("info", pictures, "--json").out)
    assert facts["reads"]["size"] == 8
    assert "caption" in catena("info", pictures).out


def test_the_same_seed_gives_the_same_file(catena, folder, pictures, tmp_path):
    again = tmp_path / "again"
    data = folder / "p.tsv"
    assert catena("fit", data, "--valid", data, *TINY, "-o", again).status == 0
    a, b = load(pictures).model_.state_dict(), load(again).model_.state_dict()
    assert all(container.same(a[name], b[name]) for name in a)


def test_data_that_cannot_be_learned_from_is_named(refused, folder, tmp_path):
    output = ["-o", tmp_path / "m"]
    (tmp_path / "bad.png").write_text("no picture")
    (tmp_path / "bad.tsv").write_text(f"{folder}/p/a.png\ta cat\n\nbad.png\ta dog\n")
    told = refused("fit", tmp_path / "bad.tsv", *TINY, *output)
    assert f"bad.tsv, line 3: {tmp_path / 'bad.png'}: not a picture that can be decoded" in told
    (tmp_path / "few.txt").write_text("a cat\n")
    told = refused("fit", folder / "f.npy", tmp_path / "few.txt", *TINY, *output)
    assert "row 2 of" in told
    told = refused(
        "fit", folder / "f.npy", folder / "f.txt", "--valid", folder / "p.tsv", *TINY, *output
    )
    assert f"p.tsv has pictures, but {folder}/f.npy and" in told
    np.save(tmp_path / "nan.npy", np.array([[0.0, 1.0], [np.nan, 0.0]]))
    (tmp_path / "two.txt").write_text("a cat\na dog\n")
    told = refused("fit", tmp_path / "nan.npy", tmp_path / "two.txt", *TINY, *output)
    assert f"{tmp_path / 'nan.npy'} and {tmp_path / 'two.txt'}: features 2: a number is not" in told
    told = refused("fit", folder / "p.tsv", *TINY, "--joint", *output)
    assert "--joint is for --task translate, not for caption" in told
    told = refused("fit", folder / "p.tsv", *TASK[:3], "markov", *output)
    assert "--model must be one of rnn, gru, lstm with --task caption" in told
    assert "--bidirectional is not an option of gru" in refused(
        "fit", folder / "p.tsv", *TINY, "--bidirectional", *output
    )


def test_files_that_cannot_be_captioned_are_named(refused, folder, features, pictures, tmp_path):
    np.save(tmp_path / "wide.npy", np.zeros((2, 5)))
    told = refused("caption", features, tmp_path / "wide.npy")
    assert "wide.npy: features of 5 numbers; the model was fitted on features of 3" in told
    (tmp_path / "wide.txt").write_text("a cat\na dog\n")
    told = refused("evaluate", features, tmp_path / "wide.npy", tmp_path / "wide.txt")
    assert "wide.txt: features of 5 numbers" in told
    told = refused("caption", features, folder / "p" / "a.png")
    assert "these are pictures, but the model was fitted on features" in told
    told = refused("caption", pictures, folder / "f.npy")
    assert "these are features, but the model was fitted on pictures" in told
    told = refused("caption", pictures, tmp_path / "none.png")
    assert "none.png: the picture cannot be read: No such file or directory" in told
    both = [folder / "p" / "a.png"] * 2
    told = refused("caption", pictures, *both, "--picture", tmp_path / "x.svg")
    assert "name one file" in told
    assert "--n-best must be from 1 to 5" in refused("caption", pictures, both[0], "--n-best", "9")
