"""Translators that translate together."""

import numpy as np
import pytest

from catena import GRU, CatenaError, Gradient, Translator
from catena.constraints import Containing, Lines, Without
from catena.search import Beam
from catena.tasks.translators import TranslatorEnsemble

PAIRS = [("a b", "b a"), ("b c", "c b"), ("c a", "a c"), ("a", "a"), ("c b a", "a b c")]
LINES = ["a b", "", "c", "b c a"]
COVERING = Beam(3, coverage_penalty=0.3, length_penalty=1.0)


def translator(seed=0, unit="word", pairs=PAIRS):
    learner = Gradient(epochs=4, rate=0.03, batch=2, span=8)
    return Translator(GRU(units=8), unit=unit, learner=learner, seed=seed).fit(pairs)


@pytest.fixture(scope="module")
def members():
    return [translator(seed) for seed in (0, 1)]


def test_one_translates_as_it_does_alone(members):
    alone, ensemble = members[0], TranslatorEnsemble(members[:1])
    assert ensemble.score(PAIRS) == pytest.approx(alone.score(PAIRS), abs=1e-5)
    for how in (3, COVERING):
        for one, other in zip(
            ensemble.candidates(LINES, how), alone.candidates(LINES, how), strict=True
        ):
            assert [t.text for t in one] == [t.text for t in other]
            assert [t.score for t in one] == pytest.approx([t.score for t in other], abs=1e-5)
    assert members[0].score(PAIRS) == pytest.approx(alone.score(PAIRS))


def test_two_predict_the_mean_of_both(members):
    ensemble = TranslatorEnsemble(members)
    single = [("a", "a")]
    assert ensemble.translate(LINES)[1] == ""
    (found,) = ensemble.candidates(["a b"], COVERING, begin=["b"])
    assert all(one.text.split()[0] == "b" for one in found)
    scores = np.stack([one.score(single) for one in members])
    geometric = TranslatorEnsemble(members, "geometric").score(single)
    # Renormalised, a geometric mean is at least the mean of the logarithms.
    assert geometric[0] >= scores.mean(0)[0] - 1e-6
    assert scores.min() - 1e-6 <= ensemble.score(single)[0] <= scores.max() + 1e-6


def test_alignments_are_averaged_and_unknown_words_filled(members):
    pair = [("c b a", "a b c")]
    weights = [one.align(pair)[0].weights for one in (*members, TranslatorEnsemble(members))]
    assert weights[2] == pytest.approx((weights[0] + weights[1]) / 2, abs=1e-6)
    assert TranslatorEnsemble(members).translate(["a x"], Beam(2, unknown=True))


def test_translations_obey_what_is_asked_of_all_or_of_each_line(members):
    for translator in (members[0], TranslatorEnsemble(members)):
        must, mustnot = Containing(["b b c"]), Without(["a", "c"])
        found = translator.candidates(LINES, 3, constraint=[must, must, None, mustnot])
        assert [len(own) > 0 for own in found] == [True] * 4
        assert all("b b c" in one.text for one in found[0])
        assert found[1][0].text == ""
        assert not any(set(one.text) & {"a", "c"} for one in found[3])
        assert [t.text for t in found[2]] == [t.text for t in translator.candidates(["c"], 3)[0]]
        long = Lines(30, 1)  # longer than translations of this source are
        (text,) = translator.translate(["a"], 2, constraint=long)
        assert len(text.split()) == 30
        with pytest.raises(CatenaError, match="needs 30 symbols more"):
            translator.translate(["a"], Beam(2, max_length=9), constraint=long)
        with pytest.raises(CatenaError, match="4 lines, but 1 constraints"):
            translator.translate(LINES, constraint=[must])


def test_what_cannot_translate_together_is_refused(members):
    with pytest.raises(CatenaError, match="at least one translator"):
        TranslatorEnsemble([])
    with pytest.raises(CatenaError, match="translator 2 of the ensemble has other symbols"):
        TranslatorEnsemble([members[0], translator(pairs=[("x", "y")])])
    with pytest.raises(CatenaError, match="not fitted"):
        TranslatorEnsemble([members[0], Translator(GRU(units=8))])
