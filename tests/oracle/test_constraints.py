"""Constraints against plain predicates, and searches under them against all sequences there are."""

import itertools
import math
from collections import Counter
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catena import CatenaError, FromFunction, SequenceModel, Sequences, Symbols, Vectors
from catena.automaton import both, longer
from catena.constraints import Acrostic, All, Containing, Forced, Lines, Rhyme, Without
from catena.emission import Categorical
from catena.guiding import Guide
from catena.ladder import GRU
from catena.search import Beam, Sampling, beam, sample
from catena.search.ranking import best_pairs

SPACE = Symbols(("⟨unk⟩", "a", "b", "c", "/"), "char")
STREAM = Symbols(SPACE.items, "char", end=False)
LETTERS = "abc/"
TEXTS = ["".join(t) for size in range(6) for t in itertools.product(LETTERS, repeat=size)]
NOTHING = torch.zeros(0, dtype=torch.int64)


def lines(text):
    """The lines of a text."""
    return [line for line in text.split("/") if line]


def has_lines(check):
    """No break stands before the first line, and at most one after the last."""
    return lambda text: not text.startswith("/") and not text.endswith("//") and check(lines(text))


def rhymes(groups, scheme):
    def shares(a, b):
        return any(a in group and b in group for group in groups)

    def check(text):
        ends = [line[-1] for line in text.split("/") if line]
        return all(
            shares(a, b)
            for (i, a), (j, b) in itertools.product(enumerate(ends), repeat=2)
            if scheme[i % len(scheme)] == scheme[j % len(scheme)] != "-"
        )

    return check


def syllables(item):
    return {"a": 1, "b": 2}.get(item, 0)


FORMS = {
    "lines of two": (
        Lines(2, breaks="/"),
        lambda text: text[:1] != "/" and {*map(len, lines(text))} == {2},
    ),
    "two lines of two": (Lines(2, 2, breaks="/"), has_lines(lambda x: [*map(len, x)] == [2, 2])),
    "one, then two": (Lines((1, 2), breaks="/"), has_lines(lambda x: [*map(len, x)] == [1, 2])),
    "two, then any": (
        Lines((2, None), breaks="/"),
        has_lines(lambda x: len(x) == 2 and len(x[0]) == 2),
    ),
    "three lines": (Lines(None, 3, breaks="/"), has_lines(lambda x: len(x) == 3)),
    "lines": (Lines(None, breaks="/"), lambda text: text[:1] not in ("", "/")),
    "acrostic": (
        Acrostic("ba", breaks="/"),
        has_lines(lambda x: [line[0] for line in x] == ["b", "a"]),
    ),
    "acrostic of words": (
        Acrostic(["ab", "c"], breaks="/"),
        has_lines(lambda x: len(x) == 2 and x[0].startswith("ab") and x[1][0] == "c"),
    ),
    "all rhyme": (Rhyme(["ab", "c"], "A", breaks="/"), rhymes(["ab", "c"], "A")),
    "ABAB": (Rhyme(["a", "bc"], "ABAB", breaks="/"), rhymes(["a", "bc"], "AB")),
    "every second": (Rhyme(["a", "b"], "-A", breaks="/"), rhymes(["a", "b"], "-A")),
    "must occur": (Containing(["ab", "ba"]), lambda text: "ab" in text and "ba" in text),
    "overlapping": (Containing(["aba", "a"]), lambda text: "aba" in text),
    "must not": (
        Without(["aa", "abb", "/"]),
        lambda text: not any(x in text for x in ("aa", "abb", "/")),
    ),
    "places": (
        Forced({1: "b", 3: "ac"}),
        lambda text: len(text) > 3 and text[1] == "b" and text[3] in "ac",
    ),
}
FORMS["together"] = (
    All([FORMS["acrostic"][0], FORMS["all rhyme"][0], Containing(["cb"]), Without(["aa"])]),
    lambda text: (
        FORMS["acrostic"][1](text)
        and FORMS["all rhyme"][1](text)
        and "cb" in text
        and "aa" not in text
    ),
)


def numbers(text):
    return ["⟨abc/".index(symbol) for symbol in text]


each_form = pytest.mark.parametrize("form", FORMS)


@each_form
def test_a_form_accepts_what_it_says(form):
    constraint, obeys = FORMS[form]
    automaton = constraint.automaton(SPACE)
    wrong = [text for text in TEXTS if automaton.accepts(numbers(text)) != bool(obeys(text))]
    assert not wrong


def test_what_counts_nothing_is_free():
    automaton = Lines((2, 1), count=syllables, breaks="/").automaton(SPACE)
    for text in ("b/a", "cbc/ac", "aca/ca/"):
        assert automaton.accepts(numbers(text))
    for text in ("a/a", "b/b", "bc", "c/b/a", "b/a/c"):
        assert not automaton.accepts(numbers(text))


@each_form
def test_the_distance_is_that_of_the_shortest_end(form):
    automaton = FORMS[form][0].automaton(SPACE)
    accepted = [text for text in TEXTS if automaton.accepts(numbers(text))]
    for text in ("", "b", "bc", "bcb"):
        state = 0
        for number in numbers(text):
            state = automaton.table[state, automaton.kind[number]] if state >= 0 else -1
        sizes = [len(other) - len(text) for other in accepted if other.startswith(text)]
        if sizes:
            assert automaton.distance[state] == min(sizes)
        elif state >= 0:
            assert automaton.distance[state] > 5 - len(text)


@given(st.lists(st.sampled_from(sorted(FORMS)), min_size=2, max_size=2, unique=True))
@settings(max_examples=8, deadline=None)
def test_two_together_accept_what_both_accept(names):
    a, b = (FORMS[name][0].automaton(SPACE) for name in names)
    wanted = {t for t in TEXTS if a.accepts(numbers(t)) and b.accepts(numbers(t))}
    try:
        joint = both(a, b)
    except CatenaError:
        assert not wanted
        return
    assert {text for text in TEXTS if joint.accepts(numbers(text))} == wanted
    assert np.isfinite(joint.distance).all()


# -- searching and sampling under a constraint ------------------------------------------------


class Table(torch.nn.Module):
    """A head that predicts from a table, the last symbol (or the beginning) being the row."""

    def __init__(self, table):
        super().__init__()
        self.table, self.emission = table.log(), Categorical(table.shape[1])

    def distribution(self, features):
        return self.emission.distribution(self.table[features.long()])

    def log_prob(self, features, x):
        return self.emission.log_prob(self.table[features.long()], x)


def chain(seed=0, space=SPACE, banned=()):
    generator = torch.Generator().manual_seed(seed)
    table = torch.rand(6, space.outcomes, generator=generator).double() ** 2 + 0.02
    table[:, list(banned)] = 0.0
    last = FromFunction(lambda s, x, theta: ((x + 1).to(s[0].dtype),), [()])
    return SequenceModel(space, lambda x: x, last, Table(table / table.sum(-1, keepdim=True)))


def gru(space=SPACE):
    torch.manual_seed(3)
    return GRU(units=5).build(space).eval()


def starts(*texts):
    return SPACE.encode(texts)


def obeying(automaton, most, prompt=""):
    """What may follow a prompt, of at most so many symbols."""
    texts = (text for text in TEXTS if len(text) <= most)
    return {text for text in texts if automaton.accepts(numbers(prompt + text))}


def log_p(model, prompt, texts, most):
    """Of each text after a prompt; cut off at the greatest length, it has no end."""
    scored = model.log_prob(starts(*(prompt + text for text in texts)))
    found = {}
    for text, row in zip(texts, scored, strict=True):
        row = row.double()[len(prompt) :]
        found[text] = float(row[: len(text)].sum() if len(text) == most else row.sum())
    return found


SEARCHED = ["two lines of two", "one, then two", "acrostic", "ABAB", "must occur", "must not"]


@pytest.mark.parametrize("form", [*SEARCHED, "places", "together"])
@pytest.mark.parametrize("prompt", ["", "b"])
def test_a_wide_beam_finds_the_best_that_obey(form, prompt):
    automaton, model, most = FORMS[form][0].automaton(SPACE), chain(1), 4
    wanted = log_p(model, prompt, list(obeying(automaton, most, prompt)), most)
    if not wanted:
        with pytest.raises(CatenaError, match="constraint"):
            beam(model, starts(prompt), Beam(9, max_length=most), constraint=automaton)
        return
    how = Beam(400, max_length=most)
    (found,) = beam(model, starts(prompt), how, constraint=automaton)
    texts = [SPACE.decode(hypothesis.numbers) for hypothesis in found]
    assert len(texts) == len(set(texts))
    assert set(texts) == set(wanted)
    ranked = sorted(wanted.values(), reverse=True)
    assert [h.log_prob for h in found] == pytest.approx(ranked, abs=1e-9)
    for text, hypothesis in zip(texts, found, strict=True):
        assert hypothesis.log_prob == pytest.approx(wanted[text], abs=1e-9)
        assert hypothesis.ended == (len(text) < most)


@pytest.mark.parametrize("form", [*SEARCHED, "places", "together"])
def test_what_obeys_and_nothing_else_is_sampled(form):
    automaton = FORMS[form][0].automaton(SPACE)
    most = max(4, int(automaton.distance[0]))
    flat = chain(1)
    flat.head = Table(torch.full((6, SPACE.outcomes), 0.2).double())
    drawn = sample(
        flat, starts(*[""] * 8000), Sampling(max_length=most), torch.Generator(), automaton
    )
    assert {str(SPACE.decode(row)) for row in drawn} == obeying(automaton, most)


def test_samples_are_renormalised_at_each_step():
    model, most = chain(4), 3
    automaton = Containing(["b"]).automaton(SPACE)
    drawn = sample(
        model, starts(*[""] * 20_000), Sampling(max_length=most), torch.Generator(), automaton
    )
    table, every = cast(Table, model.head).table.exp(), obeying(automaton, most)
    counts = Counter(SPACE.decode(row) for row in drawn)
    for text in every:
        wanted, last = 1.0, 0
        for place, number in enumerate([*numbers(text), 5][:most]):
            free = [n for n in range(1, 6) if possible(text[:place], n, every)]
            wanted *= float(table[last, number] / table[last, free].sum())
            last = number + 1
        error = 5 * math.sqrt(wanted * (1 - wanted) / 20_000)
        assert abs(counts[text] / 20_000 - wanted) < error


def possible(begun, number, every):
    """Whether a symbol, or the end as the last, may follow."""
    if number == SPACE.end_number:
        return begun in every
    return any(text.startswith(begun + str(SPACE.items[number])) for text in every)


def test_without_a_predicted_end_what_is_complete_ends():
    for constraint in (Acrostic("ba", breaks="/"), Lines((2, 1), breaks="/")):
        automaton, model = constraint.automaton(STREAM), chain(2, STREAM)
        prompts = starts(*[""] * 200)
        drawn = sample(model, prompts, Sampling(max_length=5), torch.Generator(), automaton)
        every = obeying(automaton, 5)
        assert {str(STREAM.decode(row)) for row in drawn} <= every
        (found,) = beam(model, prompts[[0]], Beam(200, max_length=5), constraint=automaton)
        complete = {
            text
            for text in every
            if len(text) == 5 or not any(text + more in every for more in LETTERS)
        }
        assert {str(STREAM.decode(h.numbers)) for h in found} == complete
        assert not any(h.ended for h in found)


@pytest.mark.parametrize("model", [chain(5), gru()], ids=["chain", "gru"])
def test_prompts_with_forms_of_their_own_are_searched_alone(model):
    forms = [FORMS[name][0] for name in ("acrostic", "must occur", "together", "two lines of two")]
    automata = [form.automaton(SPACE) for form in forms]
    prompts, limits = starts("b", "c", "", "ab"), torch.tensor([6, 3, 7, 9])
    how = Beam(3, min_length=2, max_length=9)
    together = beam(model, prompts, how, limits, automata)
    for row, found in enumerate(together):
        (alone,) = beam(model, prompts[[row]], how, limits[[row]], automata[row])
        assert found
        assert [h.numbers.tolist() for h in found] == [h.numbers.tolist() for h in alone]
        assert [h.log_prob for h in found] == pytest.approx([h.log_prob for h in alone], abs=1e-6)
        for hypothesis in found:
            assert automata[row].accepts([*prompts[row].tolist(), *hypothesis.numbers.tolist()])
            assert 2 <= len(hypothesis.numbers) <= limits[row]


def test_no_end_comes_before_the_least_length_even_where_the_form_would_allow_it():
    automaton, prompts = FORMS["lines of two"][0].automaton(SPACE), starts("a", "", "ab")
    for length in (3, 4, 6):
        how = Sampling(min_length=length, max_length=7)
        for row, prompt in zip(
            sample(chain(6), prompts, how, torch.Generator(), automaton), prompts, strict=True
        ):
            assert length <= len(row) <= 7
            assert automaton.accepts([*prompt.tolist(), *row.tolist()])
    with pytest.raises(CatenaError, match="no sequence"):
        Guide(SPACE, Lines((2, 1)).automaton(SPACE), prompts, torch.full((3,), 50), least=20)


def test_a_narrow_beam_keeps_room_for_what_is_far_fetched(monkeypatch):
    model, automaton = chain(7), Containing(["cc"]).automaton(SPACE)
    head = cast(Table, model.head)
    head.table = head.table.exp().index_fill(1, torch.tensor([3]), 1e-6).log()

    def best():
        (found,) = beam(model, starts(""), Beam(2, max_length=12), constraint=automaton)
        assert all("cc" in str(SPACE.decode(hypothesis.numbers)) for hypothesis in found)
        return found[0].log_prob

    with_room = best()
    monkeypatch.setattr("catena.search.seeking._Hunt._with_room", _without_room)
    assert with_room > best() + 0.1


def _without_room(hunt, rows, log_p):
    return best_pairs(rows.total, log_p, rows.owner, hunt.width)


def test_where_the_model_gives_no_chance_sampling_obeys_and_the_beam_finds_nothing():
    model, automaton = chain(3, banned=[3, 4]), FORMS["together"][0].automaton(SPACE)
    drawn = sample(model, starts("", ""), Sampling(max_length=6), torch.Generator(), automaton)
    assert all(automaton.accepts(row.tolist()) for row in drawn)
    assert beam(model, starts(""), Beam(4, max_length=6), constraint=automaton) == [[]]


def test_filters_and_temperature_zero_obey():
    automaton = FORMS["together"][0].automaton(SPACE)
    filters = (
        Sampling(temperature=0, max_length=9),
        Sampling(top_k=1, max_length=9),
        Sampling(top_p=0.1, max_length=9),
        Sampling(min_p=0.9, max_length=9),
        Sampling(temperature=3.0, max_length=9),
    )
    for how in filters:
        drawn = sample(gru(), starts(*[""] * 20), how, torch.Generator(), automaton)
        assert all(automaton.accepts(row.tolist()) for row in drawn)


def test_a_constraint_that_all_obey_changes_nothing():
    model, prompts = gru(), starts("", "ab", "c")
    free = longer(SPACE, 0)
    for how in (Beam(4, max_length=8), Beam(3, max_length=8, length_penalty=1.0, no_repeat=2)):
        plain, guided = (beam(model, prompts, how, constraint=c) for c in (None, free))
        for one, other in zip(plain, guided, strict=True):
            assert [h.numbers.tolist() for h in one] == [h.numbers.tolist() for h in other]
    how = Sampling(max_length=9)
    plain, guided = (
        sample(model, prompts, how, torch.Generator().manual_seed(1), c) for c in (None, free)
    )
    assert torch.equal(plain.values, guided.values)


# -- what cannot be asked for -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Lines(0), "at least 1"),
        (lambda: Lines((5, 0)), "at least 1"),
        (lambda: Lines(()), "at least 1"),
        (lambda: Lines((5, 7), 3), "2 lengths are given for 3 lines"),
        (lambda: Acrostic(""), "at least one line"),
        (lambda: Rhyme(["ab"], ""), "scheme"),
        (lambda: Containing("ab"), "a list of at least one phrase"),
        (lambda: Without([]), "a list of at least one phrase"),
        (lambda: Forced({}), "at least one place"),
        (lambda: Forced({-1: "a"}), "at least one place"),
        (lambda: All([]), "at least one constraint"),
        (lambda: Acrostic("ax").automaton(SPACE), "'x' holds a symbol that the model has not seen"),
        (lambda: Containing([""]).automaton(SPACE), "has no symbol"),
        (lambda: Acrostic("a/", breaks="/").automaton(SPACE), "ends lines"),
        (lambda: Rhyme(["xyz"]).automaton(SPACE), "none of the symbols that are said to rhyme"),
        (lambda: Lines(2, count=lambda i: -1).automaton(SPACE), "a whole number from 0 up"),
        (lambda: All([Containing(["aa"]), Without(["a"])]).automaton(SPACE), "no sequence"),
        (lambda: All([Acrostic("ab"), Without(["b"])]).automaton(SPACE), "no sequence"),
    ],
)
def test_what_cannot_be_asked_for_is_said(make, message):
    with pytest.raises(CatenaError, match=message):
        make()


def test_prompts_that_cannot_obey_are_named():
    automaton, model = Acrostic("ab", breaks="/").automaton(SPACE), chain()
    with pytest.raises(CatenaError, match=r"prompt 2, symbol 3: nothing that begins so") as raised:
        beam(model, starts("a", "a/c"), Beam(), constraint=automaton)
    assert (raised.value.sequence, raised.value.step) == (1, 2)
    with pytest.raises(CatenaError, match="needs 3 symbols more, but the greatest length allows 2"):
        sample(model, starts(""), Sampling(max_length=2), torch.Generator(), automaton)
    with pytest.raises(CatenaError, match="2 prompts, but 3 constraints"):
        beam(model, starts("a", "a"), Beam(), constraint=[automaton] * 3)
    assert beam(model, starts(), Beam(), constraint=automaton) == []
    numeric = GRU(units=3).build(Vectors(2))
    prompts = Sequences(torch.zeros(0, 2), torch.zeros(1, dtype=torch.int64))
    with pytest.raises(CatenaError, match="a constraint needs symbols"):
        sample(numeric, prompts, Sampling(), torch.Generator(), automaton)


def test_an_unknown_symbol_of_a_prompt_counts_and_none_is_drawn():
    automaton = Lines((2, 2), breaks="/").automaton(SPACE)
    drawn = sample(
        chain(), starts(*["x"] * 50), Sampling(max_length=9), torch.Generator(), automaton
    )
    assert all(len(row) >= 4 and 0 not in row.tolist() for row in drawn)


def test_a_form_too_large_is_refused(monkeypatch):
    monkeypatch.setattr("catena.automaton.MOST", 100)
    with pytest.raises(CatenaError, match="ask for fewer things"):
        Lines((9,) * 9, breaks="/").automaton(SPACE)
