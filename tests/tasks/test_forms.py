"""Acrostics out of the Three Hundred Tang Poems: every one obeys its form, on any rung."""

import itertools
import json
import lzma
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from catena import GRU, HMM, LSTM, CatenaError, Generator, Gradient, Markov, Vectors
from catena.automaton import explore
from catena.constraints import Acrostic, All, Containing, Lines, Rhyme, Without
from catena.data import SETS
from catena.learn import EM

RHYMES = ["風中空同東紅", "人春新塵身", "花家斜沙華"]
RUNGS = {
    "markov": (Markov(order=2), None),
    "unsmoothed": (Markov(order=3, smoothing="none"), None),
    "hmm": (HMM(states=4), EM(iterations=2)),
    "gru": (GRU(units=8), Gradient(epochs=1)),
    "lstm": (LSTM(units=8), Gradient(epochs=1)),
}


@pytest.fixture(scope="module")
def poems() -> list[str]:
    with SETS["tang"].open().open("rb") as stored, lzma.open(stored, "rt", "utf-8") as lines:
        return ["\n".join(json.loads(line)["paragraphs"]) for line in lines][:80]


def obeys(poem: str, heads: str, length: int) -> bool:
    for mark in "，。！？；":
        poem = poem.replace(mark, "\n")
    lines = [line for line in poem.split("\n") if line]
    ends = [line[-1] for line in lines[1::2]]
    return (
        [line[0] for line in lines] == list(heads)
        and {len(line) for line in lines} == {length}
        and any(set(ends) <= set(group) for group in RHYMES)
        and "不" not in "".join(lines)
    )


@pytest.mark.parametrize("rung", RUNGS)
def test_a_hundred_of_a_hundred_acrostics_obey(poems, rung):
    kind, learner = RUNGS[rung]
    model = Generator(kind, learner=learner).fit(poems)
    heads = "春江花月"
    form = All([Acrostic(heads), Lines(5), Rhyme(RHYMES, "-A"), Without(["不"])])
    drawn = model.sample(100, constraint=form, max_length=40, seed=2)
    assert sum(obeys(poem, heads, 5) for poem in drawn) == 100
    assert len(set(drawn)) > 90
    if rung == "gru":
        prompted = model.sample(10, "春風", constraint=form, temperature=0.5)
        assert all(poem.startswith("春風") and obeys(poem, heads, 5) for poem in prompted)
        found = model.beam("春", 3, constraint=form, max_length=40)
        assert len(found) == 3
        assert all(obeys(poem, heads, 5) for poem, _ in found)


@dataclass(frozen=True)
class Even:
    """An even number of symbols: a form of one's own."""

    def automaton(self, space):
        kinds: Sequence[None] = [None] * len(space.items)
        return explore(space, kinds, False, lambda odd, kind: not odd, lambda odd: not odd)


def test_words_items_bytes_and_forms_of_ones_own(poems):
    words = Generator(Markov(order=1), unit="word").fit(["the dog ran", "a dog sat", "the cat ran"])
    form = All([Containing(["dog ran"]), Even()])
    for text in words.sample(20, constraint=form, max_length=8):
        assert "dog ran" in text
        assert len(text.split()) % 2 == 0
    items = Generator(Markov(order=1)).fit([["home", 7, "buy"], ["home", "buy"]])
    for row in items.sample(20, constraint=Containing([[7, "buy"], "home"]), max_length=9):
        assert (7, "buy") in itertools.pairwise(row)
        assert "home" in row
    raw = Generator(Markov(order=1), unit="byte").fit(["ab\nba", "bb\na"])
    lined = All([Lines(2, 2), Acrostic("ba")])
    for row in raw.sample(10, constraint=lined, max_length=9):
        assert [line[:1] for line in row.strip().split(b"\n") if line] == [b"b", b"a"]
    numbers = Generator(GRU(units=3), space=Vectors(1), learner=Gradient(epochs=1))
    numbers.fit([[0.0, 1.0, 2.0]])
    with pytest.raises(CatenaError, match="needs symbols"):
        numbers.sample(1, constraint=Even())
