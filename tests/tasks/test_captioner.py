"""Captioner: learns from features and from pixels, looks at the right region, is measured, kept and
gone on with; and what it refuses."""

import math
from unittest.mock import patch

import numpy as np
import pytest
import torch

from catena import GRU, LSTM, Captioner, CatenaError, Gradient, Markov, Sequences, load
from catena.container import read_facts
from catena.learn.checkpoint import Checkpoint
from catena.search import Beam
from catena.tasks.overlay_plot import lit
from catena.tasks.regions import Convolution, Pixels
from catena.tasks.sights import pictures_as_sequences, read_picture

COLOURS = {"red": (220, 30, 30), "green": (20, 160, 40), "blue": (30, 60, 220)}
PLACES = {"top left": (0, 0), "top right": (0, 8), "bottom left": (8, 0), "bottom right": (8, 8)}
SMALL = Convolution(size=16, widths=(8, 16), dropout=0.0, shift=0)
QUICK = Gradient(epochs=2, batch=4, span=16)


def squares(count, seed):
    """White pictures `[count, 16, 16, 3]` with a coloured square in one corner, and what they are
    called."""
    drawn = np.random.default_rng(seed)
    pictures = np.full((count, 16, 16, 3), 255, np.uint8)
    captions = []
    for picture in pictures:
        colour, place = drawn.choice(list(COLOURS)), drawn.choice(list(PLACES))
        y, x = PLACES[place]
        dy, dx = drawn.integers(0, 4, 2)
        picture[y + dy : y + dy + 5, x + dx : x + dx + 5] = COLOURS[colour]
        captions.append(f"{place} is {colour}")
    return pictures, captions


def features(count, seed):
    """Ragged `[regions, 6]`, of which one says which of three it is and the others nothing."""
    drawn = np.random.default_rng(seed)
    which = drawn.integers(0, 3, count)
    arrays, captions = [], []
    for one in which:
        array = drawn.normal(0, 0.1, (int(drawn.integers(1, 5)), 6)) * 50 + 1000
        array[drawn.integers(len(array)), one] += 500
        arrays.append(array)
        captions.append([f"number {one}", f"it is {one}"])
    return arrays, captions


@pytest.fixture(scope="module")
def painter():
    learner = Gradient(epochs=12, rate=0.01, batch=16, span=16, warmup=20)
    model = Captioner(
        GRU(units=32, embedding=16), convolution=SMALL, unit="word", smoothing=0.0, learner=learner
    )
    return model.fit(*squares(400, 0))


@pytest.fixture(scope="module")
def teller():
    learner = Gradient(epochs=12, rate=0.01, batch=8, span=16, warmup=20)
    return Captioner(LSTM(units=16), unit="word", smoothing=0.0, learner=learner).fit(
        *features(200, 0)
    )


def test_pictures_never_seen_are_described(painter):
    pictures, captions = squares(60, 1)
    found = painter.caption(pictures, 1)
    assert np.mean([a == b for a, b in zip(found, captions, strict=True)]) >= 0.95
    assert painter.caption(pictures[:3]) == found[:3]
    for row in (5, 2):  # whatever the company
        assert painter.caption(pictures[row : row + 1], 1) == [found[row]]


def test_the_word_for_the_colour_looks_at_the_square(painter):
    pictures, captions = squares(40, 2)
    right = 0
    for attended, caption in zip(painter.attend(pictures, captions), captions, strict=True):
        assert attended.symbols == caption.split()
        assert attended.weights.shape == (5, 4, 4)
        np.testing.assert_allclose(attended.weights.sum((1, 2)), 1, atol=1e-5)
        (y, x), seen = PLACES[" ".join(caption.split()[:2])], attended.weights[3]
        corner = seen[y // 4 : y // 4 + 2, x // 4 : x // 4 + 2]
        right += corner.sum() > 0.5
    assert right >= 30


def test_features_with_several_captions(teller):
    arrays, captions = features(60, 1)
    found = teller.caption(arrays)
    assert np.mean([text in own for text, own in zip(found, captions, strict=True)]) >= 0.95
    one = teller.score(arrays, [own[0] for own in captions])
    both = teller.score(arrays, captions)
    assert [len(row) for row in both] == [2] * 60
    np.testing.assert_allclose([row[0] for row in both], np.concatenate(one), atol=1e-5)
    attended = teller.attend(arrays[:5], [own[0] for own in captions[:5]])
    assert [own.weights.shape for own in attended] == [(3, len(array)) for array in arrays[:5]]


def test_every_form_of_features_says_the_same(teller):
    arrays, _ = features(8, 3)
    batch = Sequences.from_list(arrays)
    assert teller.caption(batch) == teller.caption(arrays)
    solid = np.stack([array[:1] for array in arrays])
    assert teller.caption(solid) == teller.caption(solid[:, 0])
    assert teller.caption(torch.from_numpy(solid)) == teller.caption(list(solid))
    assert teller.caption([]) == []
    assert teller.caption([np.zeros((0, 6)), arrays[0]]) == ["", teller.caption(arrays[:1])[0]]


def test_what_was_found_scores_what_it_was_found_with(painter):
    pictures, _ = squares(3, 4)
    found = painter.candidates(pictures, 4)
    texts = [[one.text for one in own] for own in found]
    for scores, own in zip(painter.score(pictures, texts), found, strict=True):
        assert len(own) == 4
        assert scores == pytest.approx([one.log_prob for one in own], abs=1e-4)
    assert painter.caption(pictures, 1) == painter.caption(pictures, Beam(1))
    (own,) = painter.candidates(pictures[:1], Beam(2, min_length=6, max_length=6))
    assert {len(one.text.split()) for one in own} == {6}


def test_the_evaluation_is_that_of_sacrebleu(teller):
    sacrebleu = pytest.importorskip("sacrebleu")
    arrays, captions = features(20, 5)
    captions[0] = ["number 0", "a zero", "it is 0"]
    figures = teller.evaluate(arrays, captions, 1)
    texts = teller.caption(arrays, 1)
    streams = [[own[0] for own in captions], [own[1] for own in captions]]
    streams.append([captions[0][2]] + [None] * 19)
    for order, score in enumerate(figures.bleu, 1):
        judge = sacrebleu.BLEU(max_ngram_order=order)
        assert score == pytest.approx(judge.corpus_score(texts, streams).score)
    assert "nrefs:var" in figures.signatures[0]
    assert figures.exact == np.mean([a in b for a, b in zip(texts, captions, strict=True)])
    total = sum(float(row.sum()) for row in teller.score(arrays, captions))
    symbols = sum(len(text.split()) + 1 for own in captions for text in own)
    assert figures.perplexity == pytest.approx(math.exp(-total / symbols))
    assert figures.sources == 20


@pytest.mark.parametrize("unit", ["bpe", "char"])
def test_what_is_loaded_says_what_was_saved(tmp_path, unit):
    pictures, captions = squares(12, 6)
    made = Captioner(
        GRU(units=8, embedding=8, tied=True), convolution=SMALL, unit=unit, vocabulary=40,
        learner=QUICK,
    )  # fmt: skip
    made.fit(pictures, captions, (pictures[:4], captions[:4])).save(tmp_path / "m")
    again = load(tmp_path / "m")
    assert isinstance(again, Captioner)
    assert again.caption(pictures) == made.caption(pictures)
    assert np.concatenate(again.score(pictures, captions)).tolist() == (
        np.concatenate(made.score(pictures, captions)).tolist()
    )
    again.save(tmp_path / "n")
    assert read_facts(tmp_path / "m") == read_facts(tmp_path / "n")


def test_a_model_of_features_is_kept(tmp_path, teller):
    arrays, _ = features(5, 7)
    teller.save(tmp_path / "m")
    again = load(tmp_path / "m")
    assert again.caption(arrays) == teller.caption(arrays)
    assert again.space_ == teller.space_


def test_a_run_that_was_killed_ends_with_the_same_bits(tmp_path):
    data = squares(24, 8)

    def captioner():
        how = Convolution(size=16, widths=(8, 16), dropout=0.2, shift=2)
        return Captioner(GRU(units=8), convolution=how, vocabulary=30, unit="bpe", learner=QUICK)

    whole = captioner().fit(*data)
    saves = []

    def kept(self, *arguments):
        saves.append(1)
        save(self, *arguments)
        if len(saves) == 3:
            raise RuntimeError("killed")

    save, place = Checkpoint.save, tmp_path / "run"
    with (
        patch.object(Checkpoint, "save", kept),
        patch.object(Checkpoint, "due", True),
        pytest.raises(RuntimeError, match="killed"),
    ):
        captioner().fit(*data, checkpoint=place)
    assert (tmp_path / "run.symbols").exists()
    resumed = captioner().fit(*data, checkpoint=place, resume=True)
    for name, tensor in whole.model_.state_dict().items():
        assert torch.equal(tensor, resumed.model_.state_dict()[name]), name
    assert not (tmp_path / "run.symbols").exists()


def test_a_region_is_where_it_lies_in_the_picture():
    torch.manual_seed(0)
    reads = Pixels(SMALL).eval()
    pictures = np.full((2, 16, 16, 3), 255, np.uint8)
    pictures[1, 10:13, 1:4] = 0
    shown = reads(pictures_as_sequences(pictures, 16))
    assert shown.lengths.tolist() == [16, 16]
    changed = (shown[0] - shown[1]).norm(dim=1).reshape(4, 4)
    assert divmod(int(changed.argmax()), 4) in [(2, 0), (2, 1), (3, 0), (3, 1)]


def test_shifts_move_each_picture_on_its_own():
    torch.manual_seed(0)
    reads = Pixels(Convolution(size=16, widths=(8,), dropout=0.0, shift=3)).train()
    picture = squares(1, 9)[0]
    shown = reads(pictures_as_sequences(np.repeat(picture, 8, 0), 16))
    assert len({tuple(row.flatten().tolist()) for row in shown}) > 4
    reads.eval()
    shown = reads(pictures_as_sequences(np.repeat(picture, 2, 0), 16))
    assert torch.equal(shown[0], shown[1])


def test_pictures_are_read_from_files_and_scaled(tmp_path, painter):
    image = pytest.importorskip("PIL.Image")
    pictures, captions = squares(2, 10)
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    image.fromarray(pictures[0]).save(paths[0])
    image.fromarray(pictures[1]).resize((32, 48), image.Resampling.NEAREST).save(paths[1])
    assert np.array_equal(read_picture(paths[0]), pictures[0])
    assert painter.caption(paths, 1) == captions
    assert painter.caption(list(map(str, paths)), 1) == captions
    clear = image.new("RGBA", (16, 16), (0, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert (read_picture(tmp_path / "clear.png") == 255).all()
    image.fromarray(pictures[0]).convert("L").save(tmp_path / "grey.jpg")
    assert read_picture(tmp_path / "grey.jpg").shape == (16, 16, 3)


def test_pictures_of_every_mode_are_read_alike(tmp_path):
    image = pytest.importorskip("PIL.Image")
    grey = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)
    seen = np.repeat(grey[..., None], 3, 2)
    deep = image.fromarray(grey.astype(np.uint16) * 256 + 7)
    plain = image.fromarray(seen)
    saved = {
        "L.png": plain.convert("L"),
        "P.png": plain.convert("L").convert("P"),
        "LA.png": plain.convert("LA"),
        "CMYK.tif": plain.convert("CMYK"),
        "16.png": deep,
        "16.tif": deep,
        "I.tif": image.fromarray(grey.astype(np.int32) * 256),
    }
    for name, picture in saved.items():
        picture.save(tmp_path / name)
        assert np.array_equal(read_picture(tmp_path / name), seen), name
    plain.save(tmp_path / "a.gif", save_all=True, append_images=[image.new("RGB", (8, 8))])
    assert np.array_equal(read_picture(tmp_path / "a.gif"), seen)
    for number, kind in ((70_000, np.int32), (-1, np.int32), (0.5, np.float32)):
        image.fromarray(np.full((2, 2), number, kind)).save(tmp_path / "f.tif")
        with pytest.raises(CatenaError, match=r"f.tif: the picture cannot be read: its numbers"):
            read_picture(tmp_path / "f.tif")


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_attention_is_drawn_over_the_picture(tmp_path, painter, suffix):
    path = tmp_path / f"a.{suffix}"
    painter.draw(path, squares(1, 11)[0][0])
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG") if suffix == "png" else "⟨end⟩".encode() in content
    dark = lit(np.full((4, 4, 3), 200, np.uint8), np.array([[0.0, 0.5], [0.5, 0.0]]))
    assert dark[0, 3].tolist() == [200] * 3
    assert dark[3, 3].tolist() == [40] * 3


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        (np.zeros((2, 5)), "features of 5 numbers; the model was fitted on features of 6"),
        (np.zeros((2, 16, 16, 3), np.uint8), "these are pictures, but the model was fitted on fea"),
        (np.zeros(6), "features are .n, d. or"),
        (np.full((2, 6), math.nan), "features 1: a number is not finite"),
        ("a.png", "give a list of pictures, not one name"),
        ([1, 2], "captions are of picture files"),
    ],
)
def test_sources_that_a_model_of_features_cannot_read(teller, sources, told):
    with pytest.raises(CatenaError, match=told):
        teller.caption(sources)


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        (np.zeros((2, 6)), "these are features, but the model was fitted on pictures"),
        (np.zeros((2, 16, 16, 3)), "of float64"),
        (np.zeros((2, 16, 16, 4), np.uint8), r"not \(2, 16, 16, 4\)"),
        (np.zeros((2, 0, 16, 3), np.uint8), "have no pixels"),
    ],
)
def test_sources_that_a_model_of_pictures_cannot_read(painter, sources, told):
    with pytest.raises(CatenaError, match=told):
        painter.caption(sources)


def test_files_that_cannot_be_decoded_are_named(tmp_path, painter):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "text.png").write_text("no picture")
    image.fromarray(squares(1, 12)[0][0]).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    for name, told in [
        ("text.png", "text.png: not a picture that can be decoded"),
        ("cut.png", "cut.png: the picture cannot be read"),
        ("none.png", "none.png: the picture cannot be read: No such file"),
    ]:
        with pytest.raises(CatenaError, match=told):
            painter.caption([tmp_path / name])


def test_what_cannot_be_learned_from_is_refused(teller):
    pictures, captions = squares(3, 13)
    with pytest.raises(CatenaError, match="3 sources, but captions for 2"):
        Captioner(GRU(units=8), convolution=SMALL, unit="word").fit(pictures, captions[:2])
    with pytest.raises(CatenaError, match="all captions are empty"):
        Captioner(GRU(units=8), convolution=SMALL).fit(pictures, ["", " ", ""])
    with pytest.raises(CatenaError, match="caption 2 is 7, not a text or several"):
        Captioner(GRU(units=8), convolution=SMALL).fit(pictures, ["a", 7, "b"])  # pyright: ignore
    with pytest.raises(CatenaError, match="give a list of captions"):
        Captioner(GRU(units=8), convolution=SMALL).fit(pictures, "abc")
    with pytest.raises(CatenaError, match="a decoder is an RNN, GRU or LSTM"):
        Captioner(Markov(), convolution=SMALL, unit="word").fit(pictures, captions)
    with pytest.raises(CatenaError, match="a size of 20 cannot be halved 3 times"):
        Convolution(size=20)
    with pytest.raises(CatenaError, match="attention is drawn over pictures"):
        teller.draw("a.png", pictures[0])
    with pytest.raises(CatenaError, match="not fitted yet"):
        Captioner(GRU()).caption(pictures)
