"""KenLM's numbers: log10 p of every word and of the end, recorded.

Made by lmplz of KenLM 0.3.0 (github.com/kpu/kenlm at 4cb443e60b7bf2c0ddf3c745378f76cb59e254e5)
with `lmplz -o N -S 100M --discount_fallback` on CORPUS, one sentence a line; queried with kenlm's
Python module (`full_scores`, begin and end of the sentence included), N = 1 read from its ARPA
file. lmplz computes in float32 and prints seven digits.

It reported these discounts D1, D2, D3+:

    N = 2, 3, 5   1-grams  0.6, 1.325, 3
                  2-grams  0.5, 1, 1.5 (fallback)
    N = 3         3-grams  0.831933, 1.50084, 1.33613
    N = 5         3-grams  0.847458, 1.15254, 3;   4-grams and 5-grams  0.5, 1, 1.5 (fallback)

CORPUS ends on a word that occurs once, because lmplz takes its last n-gram of each order at its
plain count when it estimates discounts, and this makes no difference here.
"""

from __future__ import annotations

import math

import pytest
import torch

from catena.formats import read
from catena.ladder.markov import Markov
from catena.learn.count import Count
from catena.learn.learner import Run
from catena.model import SequenceModel
from catena.space import Symbols
from catena.tasks.generate import Generator

CORPUS = """\
the ferry leaves the island at dawn
the ferry returns to the harbour at dusk
a fisherman mends a net on the pier
the fisherman sells fish at the market
gulls follow the ferry to the island
at dusk the gulls sleep on the pier
the market opens at dawn
a storm keeps the ferry in the harbour
in the storm the gulls leave the island

the fisherman waits for the storm to pass
the net hangs on the wall of the market
fish
at dawn a lamp burns on the island
a child counts gulls from the pier
the lamp on the wall burns at dusk
to the market to the harbour to the pier
a fisherman leaves the market at dusk
the child sleeps in the harbour
""".splitlines()

SENTENCES = ["the gulls leave the pier at dusk", "a gull mends the lighthouse", ""]

SCORES = {
    2: [
        [
            -0.4106526,
            -1.4359894,
            -0.8733433,
            -0.2458423,
            -1.0689226,
            -1.6646155,
            -0.4945053,
            -0.3819803,
        ],
        [-0.8660723, -2.1778603, -1.7514486, -1.1690863, -2.2680368, -1.0972043],
        [-1.2703035],
    ],
    3: [
        [
            -0.4106526,
            -1.4549799,
            -0.7090808,
            -0.1935503,
            -1.2634611,
            -2.0158865,
            -0.4945053,
            -0.2417419,
        ],
        [-0.8660723, -2.2795868, -1.7514486, -1.1690863, -2.2311058, -1.0972043],
        [-1.2703035],
    ],
    5: [
        [
            -0.4106526,
            -1.5008559,
            -0.721902,
            -0.0878611,
            -1.8574915,
            -1.5396768,
            -0.4945053,
            -0.5545288,
        ],
        [-0.8660723, -2.3254631, -1.7514486, -1.1690863, -2.2311058, -1.0972043],
        [-1.2703035],
    ],
}
UNIGRAMS = {"⟨unk⟩": -2.1755905, "the": -0.6721193, "fish": -1.8718879, "storm": -1.7744454}
END = -0.9033764

# Float32 arithmetic and seven digits leave about 1e-7; the agreement asked for is 1e-4.
TOLERANCE = 1e-6


def fitted(order: int) -> tuple[SequenceModel, list[str]]:
    space = Symbols.learn(CORPUS, unit="word")
    model = Markov(order=order).build(space)
    return model, Count().fit(model, space.encode(CORPUS), None, Run()).notes


@pytest.mark.parametrize("grams", SCORES)
def test_every_word_scores_as_in_kenlm(grams: int):
    model, _ = fitted(grams - 1)
    scores = model.log_prob(model.space.encode(SENTENCES))
    for found, recorded in zip(scores, SCORES[grams], strict=True):
        assert (found / math.log(10)).tolist() == pytest.approx(recorded, rel=0, abs=TOLERANCE)


def test_unigrams_are_those_of_kenlm():
    model, _ = fitted(0)
    found = model.next(model.start(1)).log_prob(torch.arange(41)) / math.log(10)
    assert isinstance(model.space, Symbols)
    for word, recorded in UNIGRAMS.items():
        number = model.space.items.index(word)
        assert found[number].item() == pytest.approx(recorded, rel=0, abs=TOLERANCE)
    assert found[-1].item() == pytest.approx(END, rel=0, abs=TOLERANCE)


def test_it_falls_back_where_kenlm_does():
    _, notes = fitted(4)
    assert [note.split()[1].rstrip(":") for note in notes] == ["2-grams", "4-grams", "5-grams"]


@pytest.mark.parametrize(
    ("order", "bits"), [(1, 3.584), (2, 2.941), (3, 2.482), (4, 2.255), (5, 2.199)]
)
def test_tiny_shakespeare_as_kenlm_has_it(order, bits):
    """Bits a character on the last tenth: KenLM's, interpolated, with fallback discounts."""
    (text,) = read("shakespeare").sequences
    cut = len(text) * 9 // 10
    model = Generator(Markov(order)).fit(text[:cut])
    assert model.bits(text[cut:]) == pytest.approx(bits, abs=0.01)
