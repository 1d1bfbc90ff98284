"""Translator: learns, searches, scores, aligns, is kept and gone on with; and what it refuses."""

import random
from typing import Any
from unicodedata import normalize
from unittest.mock import patch

import numpy as np
import pytest
import torch

from catena import GRU, LSTM, CatenaError, Generator, Gradient, Markov, Translator, average, load
from catena.container import read_facts
from catena.learn.checkpoint import Checkpoint
from catena.scheduled import ScheduledSampling
from catena.search import Beam
from catena.subwords import Subwords
from catena.tasks.encoder_decoder import Looking
from catena.tasks.language import Language
from catena.tasks.translate import LongSource

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
    assert again.translate(["", " \t", "\u3000"]) == [""] * 3
    assert again.score(PAIRS).tolist() == made.score(PAIRS).tolist()
    assert again.get_params() == made.get_params() | {"learner": again.learner} | {
        name: value for name, value in again.get_params().items() if name.startswith("learner__")
    }
    again.save(tmp_path / "n")
    assert read_facts(tmp_path / "m") == read_facts(tmp_path / "n")
    model: Any = made.model_
    assert (model.encoder.embed.table is model.embed.table) == joint


@pytest.mark.parametrize("scheduled", [None, ScheduledSampling(0.5)], ids=str)
def test_a_run_that_was_stopped_ends_with_the_same_bits(tmp_path, scheduled):
    def fit(learner, **options):
        rung = GRU(units=8, embedding=6, dropout=0.2)
        made = Translator(rung, unit="word", learner=learner, scheduled=scheduled)
        return made.fit(PAIRS, **options)

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
    if scheduled is not None:
        plain = Translator(GRU(units=8, embedding=6, dropout=0.2), unit="word", learner=QUICK)
        assert plain.fit(PAIRS).score(PAIRS).tolist() != whole.score(PAIRS).tolist()
        whole.save(tmp_path / "m")
        assert load(tmp_path / "m").scheduled == scheduled


def test_what_no_vocabulary_holds_is_copied_through():
    """Names seen nowhere before: the target has ⟨unk⟩ in their place, and attention finds them."""
    drawn, pairs = random.Random(0), []
    english = {"rot": "red", "blau": "blue", "alt": "old"}
    for number in range(400):
        words = drawn.choices([*english], k=drawn.randint(2, 5))
        words[drawn.randrange(len(words))] = f"Name{number % 300}"
        pairs.append((" ".join(words), " ".join(english.get(word, word) for word in words)))
    model = Translator(
        GRU(units=24, embedding=12, bidirectional=True),
        unit="word",
        minimum=2,
        smoothing=0.0,
        looking=Looking("additive", copy=True),
        learner=Gradient(epochs=12, rate=0.02, batch=4, span=16),
    ).fit(pairs)
    lines = ["rot Otto alt", "Ida rot rot", "blau Emil"]
    how = Beam(2, unknown=True)
    assert model.translate(lines, how) == ["red Otto old", "Ida red red", "blue Emil"]
    assert model.translate(["rot Otto alt"], Beam(2, unknown=True, max_length=1)) == ["red"]
    assert "Otto" not in model.translate(lines, 2)[0]
    for line, own in zip(lines, model.candidates(lines, how), strict=True):
        # What was found scores what it was found with: an unknown word is ⟨unk⟩ again.
        assert model.score([(line, own[0].text)]) == pytest.approx([own[0].log_prob], abs=1e-4)


@pytest.mark.parametrize("unit", ["bpe", "unigram", "word", "char"])
def test_what_stands_for_each_symbol_is_known_and_joined(unit):
    text = "ein Ωhund ist alte\u0301"
    language = Language.learn([text.replace("Ω", "") for _ in range(2)], unit, 30, 1)
    (numbers,), written = language.encode([text]), language.written(text)
    assert len(written) == len(numbers)
    unknown = [w for w, n in zip(written, numbers, strict=True) if n == 0]
    assert unknown == (["Ωhund"] if unit == "word" else ["Ω"])
    names = [
        w if n == 0 else s
        for w, n, s in zip(written, numbers, language.symbols(numbers), strict=True)
    ]
    joined = language.join(names)
    assert joined == (text if unit in ("word", "char") else normalize("NFC", text))


def test_a_line_beyond_the_limit_is_named_and_cut_off_only_when_asked(translator):
    lines = ["ein Hund", "das Haus ist alt", "", "ein Hund ein Hund ein Hund"]
    plain = translator.translate(lines)
    with pytest.warns(LongSource) as caught:
        assert translator.translate(lines, limit=3) == plain
    told = [warning.message for warning in caught]
    assert [(one.line, one.symbols) for one in told] == [(2, 4), (4, 6)]  # type: ignore[union-attr]
    assert str(told[0]) == "line 2 has 4 symbols, more than 3: translated whole"
    with pytest.warns(LongSource) as caught:
        found = translator.translate(lines, limit=2, truncate=True)
    assert str(caught[1].message) == "line 4 has 6 symbols, more than 2: cut off after 2"
    assert found[3] == found[0] == plain[0]
    assert found[2] == ""
    with pytest.raises(CatenaError, match="limit"):
        translator.translate(lines, limit=0)


def test_the_average_of_one_is_itself_and_of_several_their_mean(tmp_path):
    def fit(**options):
        learner = Gradient(epochs=2, rate=0.02, batch=4, span=16)
        rung = GRU(units=8, embedding=6, tied=True)
        return Translator(rung, unit="word", learner=learner, **options).fit(PAIRS)

    one, other = fit(), fit(seed=1, smoothing=0.2)
    other.save(tmp_path / "other")
    for models in ([one], [one, one, one]):
        assert average(models).score(PAIRS).tolist() == one.score(PAIRS).tolist()
    both = average([one, tmp_path / "other"])
    tensors = [m.model_.state_dict() for m in (one, other, both)]
    for name in tensors[0]:
        torch.testing.assert_close(tensors[2][name], (tensors[0][name] + tensors[1][name]) / 2)
    both.save(tmp_path / "both")
    assert load(tmp_path / "both").translate(["ein Hund"]) == both.translate(["ein Hund"])
    with pytest.raises(CatenaError, match="model 2 is not like the first: they differ in rung"):
        average([one, Translator(GRU(units=4), unit="word", learner=QUICK).fit(PAIRS)])
    less = Translator(one.rung, unit="word", learner=QUICK).fit(PAIRS[:3])
    with pytest.raises(CatenaError, match="they differ in s"):  # source and space
        average([one, less])
    with pytest.raises(CatenaError, match="no model"):
        average([])
    with pytest.raises(CatenaError, match="a Generator learned by count"):
        average([Generator(Markov()).fit(["ab"])])


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
