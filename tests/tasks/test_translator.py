"""Translator: learns, searches, scores, aligns, is kept and gone on with; and what it refuses."""

import random
from unittest.mock import patch

import numpy as np
import pytest

from catena import GRU, LSTM, CatenaError, Generator, Gradient, Markov, Translator, load
from catena.container import read_facts
from catena.learn.checkpoint import Checkpoint
from catena.search import Beam
from catena.subwords import Subwords
from catena.tasks.encoder_decoder import Looking

QUICK = Gradient(epochs=12, rate=0.02, batch=4, span=16)
PAIRS = [
    ("das Haus ist alt", "the house is old"),
    ("das Haus ist neu", "the house is new"),
    ("ein Haus, alt", "a house, old"),
    ("der Hund ist alt", "the dog is old"),
    ("ein Hund", "a dog"),
    ("neu ist der Hund", "new is the dog"),
]


def reversals(count, longest, seed):
    drawn = random.Random(seed)
    texts = ["".join(drawn.choices("abcdefgh", k=drawn.randint(1, longest))) for _ in range(count)]
    return [(text, text[::-1]) for text in texts]


@pytest.fixture(scope="module")
def translator():
    rung = LSTM(units=24, embedding=12, bidirectional=True)
    learner = Gradient(epochs=40, rate=0.02, batch=4, span=16)
    return Translator(rung, unit="word", smoothing=0.0, learner=learner).fit(PAIRS)


def test_attention_learns_to_reverse():
    rung = GRU(units=64, embedding=16, bidirectional=True)
    learner = Gradient(epochs=8, rate=0.015, batch=16, span=32, warmup=20, average=0.95)
    model = Translator(
        rung, unit="char", smoothing=0.0, looking=Looking("additive"), learner=learner
    ).fit(reversals(2000, 12, 0))
    test = reversals(200, 12, 1)
    found = model.translate([source for source, _ in test], 1)
    assert np.mean([text == target for text, (_, target) in zip(found, test, strict=True)]) >= 0.99
    # What was looked at when a symbol was written is where it stands.
    (aligned,) = model.align([("abcdefgh", "hgfedcba")])
    assert aligned.source == list("abcdefgh")
    assert aligned.weights.shape == (9, 8)
    np.testing.assert_allclose(aligned.weights.sum(1), 1, atol=1e-5)


def test_lines_come_back_in_order_and_empty_ones_empty(translator):
    lines = ["ein Hund", "", "das Haus ist alt", "   ", "der Hund ist alt", "ein Hund"]
    found = translator.translate(lines)
    assert [found[0], found[2], found[4]] == ["a dog", "the house is old", "the dog is old"]
    assert found[1] == found[3] == ""
    assert found[5] == found[0]
    assert translator.translate([]) == []
    for line, together in zip(lines, found, strict=True):
        assert translator.translate([line]) == [together]


def test_what_was_found_scores_what_it_was_found_with(translator):
    lines = ["ein Hund", "das Haus ist neu", "Haus alt"]
    for line, found in zip(lines, translator.candidates(lines, 4), strict=True):
        assert len(found) == 4
        texts = [one.text for one in found]
        ended = [i for i, text in enumerate(texts) if len(text.split()) < 10]
        scores = translator.score([(line, texts[i]) for i in ended])
        assert scores == pytest.approx([found[i].log_prob for i in ended], abs=1e-4)
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert translator.translate(lines, 1) == translator.translate(lines, Beam(1))


def test_the_options_of_the_search_reach_it(translator):
    (found,) = translator.candidates(["ein Hund"], Beam(3, min_length=6, max_length=6))
    assert {len(one.text.split()) for one in found} == {6}
    (found,) = translator.candidates(
        ["der Hund ist alt"], Beam(2, max_length=1, coverage_penalty=0.3)
    )
    assert found[0].score < found[0].log_prob
    (found,) = translator.candidates(["ein Hund"], begin=["the house"])
    assert all(one.text.startswith("the house") for one in found)
    with pytest.raises(CatenaError, match="1 lines, but 2 beginnings"):
        translator.candidates(["ein Hund"], begin=["a", "b"])


@pytest.mark.parametrize("unit", ["bpe", "unigram", "word", "char"])
@pytest.mark.parametrize("joint", [False, True])
def test_what_is_loaded_translates_as_what_was_saved(tmp_path, unit, joint):
    rung = GRU(units=8, embedding=6, bidirectional=True, tied=True)
    looking = Looking("multi-head", heads=2, feeding=unit == "char")
    made = Translator(
        rung,
        decoder=LSTM(units=8, embedding=6, tied=True) if unit == "word" else None,
        looking=looking,
        unit=unit,
        vocabulary=40,
        joint=joint,
        learner=Gradient(epochs=2, batch=4, span=16),
    ).fit(PAIRS, PAIRS[:2])
    made.save(tmp_path / "m")
    again = load(tmp_path / "m")
    lines = [source for source, _ in PAIRS]
    assert isinstance(again, Translator)
    assert again.translate(lines) == made.translate(lines)
    assert again.score(PAIRS).tolist() == made.score(PAIRS).tolist()
    assert again.get_params() == made.get_params() | {"learner": again.learner} | {
        name: value for name, value in again.get_params().items() if name.startswith("learner__")
    }
    again.save(tmp_path / "n")
    assert read_facts(tmp_path / "m") == read_facts(tmp_path / "n")
    tables = made.model_.encoder.embed.table, made.model_.embed.table
    assert (tables[0] is tables[1]) == joint


def test_a_run_that_was_stopped_ends_with_the_same_bits(tmp_path):
    def fit(learner, **options):
        rung = GRU(units=8, embedding=6, dropout=0.2)
        return Translator(rung, unit="word", learner=learner).fit(PAIRS, **options)

    whole, path = fit(QUICK), tmp_path / "c"
    seen = []

    def stop(progress):
        seen.append(progress)
        if len(seen) == 4:
            raise KeyboardInterrupt

    with (
        patch.object(Checkpoint, "due", property(lambda self: True)),
        pytest.raises(KeyboardInterrupt),
    ):
        fit(QUICK, checkpoint=path, report=stop)
    with patch("catena.tasks.translate.Language.learn", side_effect=AssertionError):
        again = fit(QUICK, checkpoint=path, resume=True)
    assert [file.name for file in tmp_path.iterdir()] == ["c"]
    for one, other in zip(
        whole.model_.state_dict().values(), again.model_.state_dict().values(), strict=True
    ):
        assert one.equal(other)


def test_bleu_and_chrf_are_sacrebleus(translator):
    sacrebleu = pytest.importorskip("sacrebleu")
    found = translator.evaluate(PAIRS)
    texts, references = translator.translate([s for s, _ in PAIRS]), [t for _, t in PAIRS]
    assert found.bleu == sacrebleu.corpus_bleu(texts, [references]).score
    assert found.chrf == sacrebleu.corpus_chrf(texts, [references]).score
    assert "version:" in found.signatures["bleu"]
    count = sum(len(target.split()) + 1 for _, target in PAIRS)
    wanted = np.exp(-translator.score(PAIRS).sum() / count)
    assert found.perplexity == pytest.approx(wanted)


def test_subwords_cut_and_join_any_text():
    texts = ["Zwei  Männer, (jung) schlafen.", "", "Ein Mann schläft – 汉字", "x"]
    for kind in ("bpe", "unigram"):
        cutter = Subwords.learn(texts, kind, 60)
        joined = [cutter.join(pieces) for pieces in cutter.cut(texts)]
        assert joined == [" ".join(text.split()) for text in texts]
        assert Subwords(cutter.stored).cut(texts) == cutter.cut(texts)
        assert not set(cutter.cut(["Ω"])[0][1:]) & {*cutter.items[1:]}


def test_what_cannot_be_learned_from_or_translated_is_refused(translator, tmp_path):
    quick = Translator(GRU(units=4), unit="word", learner=QUICK)
    with pytest.raises(CatenaError, match="not fitted yet"):
        quick.translate(["a"])
    with pytest.raises(CatenaError, match="pair 2 is"):
        quick.fit([("a", "b"), ("a",)])  # type: ignore[list-item]
    for nothing in ([], [("a", ""), ("b", " ")]):
        with pytest.raises(CatenaError, match="nothing to learn"):
            quick.fit(nothing)
    with pytest.raises(CatenaError, match="unit must be one of"):
        Translator(GRU(units=4), unit="syllable").fit(PAIRS)
    with pytest.raises(CatenaError, match="cannot encode"):
        Translator(Markov(), unit="word").fit(PAIRS)
    with pytest.raises(CatenaError, match="not one text"):
        translator.translate("ein Hund")
    with pytest.raises(CatenaError, match="line 2 is None"):
        translator.translate(["a", None])
    Generator(Markov()).fit(["ab"]).save(tmp_path / "g")
    from catena.tasks import translate

    with pytest.raises(CatenaError, match="task 'generate', not 'translate'"):
        translate.load(tmp_path / "g")
