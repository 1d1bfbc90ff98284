"""Translators that translate together."""

import numpy as np
import pytest

from catena import GRU, CatenaError, Gradient, Translator
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


def test_what_cannot_translate_together_is_refused(members):
    with pytest.raises(CatenaError, match="at least one translator"):
        TranslatorEnsemble([])
    with pytest.raises(CatenaError, match="translator 2 of the ensemble has other symbols"):
        TranslatorEnsemble([members[0], translator(pairs=[("x", "y")])])
    with pytest.raises(CatenaError, match="not fitted"):
        TranslatorEnsemble([members[0], Translator(GRU(units=8))])
