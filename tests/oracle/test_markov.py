"""The Markov chain against arithmetic by hand and against a dictionary that knows no tricks."""

from __future__ import annotations

import math
import os
import signal
from collections import Counter, defaultdict
from itertools import product
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from catena.errors import CatenaError
from catena.ladder.markov import Markov, Smoothing
from catena.ladder.shift import Shift
from catena.learn import count as counting
from catena.learn.count import Count, count
from catena.learn.interrupt import Interrupted
from catena.learn.learner import Run
from catena.model import SequenceModel
from catena.ngram import NGramTable
from catena.recurrence import State
from catena.scanning import scan
from catena.sequences import Sequences
from catena.space import Bits, Counts, Space, Symbols, Vectors

SMOOTHINGS = get_args(Smoothing)
A, B, END, BEGIN = 0, 1, 2, 3
AB = Symbols(("a", "b"), unit="char", unknown="error")
CORPUS = ["aab", "ab"]


def fitted(rung: Markov, space: Space, train: Sequences) -> tuple[SequenceModel, list[str]]:
    model = rung.build(space)
    return model, Count().fit(model, train, None, Run()).notes


def table_of(model: SequenceModel) -> NGramTable:
    assert isinstance(model.head, NGramTable)
    return model.head


def by_hand(order: int, smoothing: Smoothing) -> NGramTable:
    return table_of(fitted(Markov(order, smoothing), AB, AB.encode(CORPUS))[0])


def at_start(model: SequenceModel) -> list[float]:
    """p of every outcome before anything was observed."""
    return next_after(model, model.start(1))


def next_after(model: SequenceModel, state: State) -> list[float]:
    outcomes = torch.arange(table_of(model).outcomes)
    return model.next(state).log_prob(outcomes).exp().tolist()


def after(table: NGramTable, *context: int) -> list[float]:
    """p(a), p(b), p(end) after a context, oldest symbol first."""
    return table.probabilities(torch.tensor([context]))[0].tolist()


# -- by hand: "aab" and "ab" -------------------------------------------------------------------
#
# bigrams    <s>a 2   aa 1   ab 2   b</s> 2
# trigrams   <s>aa 1   <s>ab 1   aab 1   ab</s> 2
# unigrams   a 3   b 2   </s> 2


def test_maximum_likelihood_by_hand():
    first = by_hand(1, "none")
    assert after(first, A) == pytest.approx([1 / 3, 2 / 3, 0])
    assert after(first, B) == pytest.approx([0, 0, 1])
    assert after(first, BEGIN) == pytest.approx([1, 0, 0])
    second = by_hand(2, "none")
    assert after(second, BEGIN, A) == pytest.approx([1 / 2, 1 / 2, 0])
    assert after(second, A, A) == pytest.approx([0, 1, 0])
    # "ba" was never seen: "a" answers.
    assert after(second, B, A) == pytest.approx([1 / 3, 2 / 3, 0])


def test_what_maximum_likelihood_never_saw_is_impossible():
    log_p = by_hand(1, "none").log_prob(torch.tensor([[A]]), torch.tensor([END]))
    assert log_p.item() == -math.inf


def test_add_one_by_hand():
    first = by_hand(1, "add")
    assert after(first, A) == pytest.approx([(1 + 1) / (3 + 3), (2 + 1) / (3 + 3), 1 / (3 + 3)])
    assert after(first, BEGIN) == pytest.approx([(2 + 1) / (2 + 3), 1 / 5, 1 / 5])
    second = by_hand(2, "add")
    assert after(second, A, B) == pytest.approx([1 / 5, 1 / 5, (2 + 1) / (2 + 3)])
    assert after(second, BEGIN, BEGIN) == pytest.approx([(2 + 1) / (2 + 3), 1 / 5, 1 / 5])
    assert after(second, B, A) == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def test_alpha_is_what_add_adds():
    model, _ = fitted(Markov(1, "add", alpha=0.1), AB, AB.encode(CORPUS))
    assert after(table_of(model), A) == pytest.approx([1.1 / 3.3, 2.1 / 3.3, 0.1 / 3.3])


def test_witten_bell_by_hand():
    # Three kinds among seven symbols: (3 + 3 / 3) / 10, (2 + 3 / 3) / 10, (2 + 3 / 3) / 10.
    unigram = [0.4, 0.3, 0.3]
    assert after(by_hand(0, "witten_bell")) == pytest.approx(unigram)
    # After "a", two kinds among three.
    bigram = [(1 + 2 * 0.4) / 5, (2 + 2 * 0.3) / 5, (0 + 2 * 0.3) / 5]
    assert after(by_hand(1, "witten_bell"), A) == pytest.approx(bigram)
    # After "<s>a", two kinds among two.
    trigram = [(1 + 2 * bigram[0]) / 4, (1 + 2 * bigram[1]) / 4, (0 + 2 * bigram[2]) / 4]
    assert after(by_hand(2, "witten_bell"), BEGIN, A) == pytest.approx(trigram)


def test_kneser_ney_by_hand():
    # No count of 3 anywhere, so every order discounts by 0.5, 1, 1.5.
    # Before a: <s>, a; before b: a; before </s>: b. M = 4, of which 1 + 0.5 + 0.5 is set aside.
    unigram = [(2 - 1) / 4 + 0.5 / 3, (1 - 0.5) / 4 + 0.5 / 3, (1 - 0.5) / 4 + 0.5 / 3]
    first = by_hand(1, "modified_kneser_ney")
    # Longest n-grams keep their counts: aa 1, ab 2; 1.5 of 3 is set aside.
    bigram = [0.5 / 3 + 0.5 * unigram[0], 1 / 3 + 0.5 * unigram[1], 0.5 * unigram[2]]
    assert after(first, A) == pytest.approx(bigram)
    second = by_hand(2, "modified_kneser_ney")
    # In the middle order, before aa: <s>; before ab: <s>, a; 1.5 of 3 is set aside again.
    # After "<s>a": a 1, b 1; 1 of 2 is set aside.
    trigram = [0.25 + 0.5 * bigram[0], 0.25 + 0.5 * bigram[1], 0.5 * bigram[2]]
    assert after(second, BEGIN, A) == pytest.approx(trigram)
    # <s>a begins a sequence and keeps its count of 2; 1 of 2 is set aside.
    start = [0.5 + 0.5 * unigram[0], 0.5 * unigram[1], 0.5 * unigram[2]]
    assert after(second, BEGIN, BEGIN) == pytest.approx(start)


# -- against a dictionary ----------------------------------------------------------------------


class Dictionary:
    """Interpolated modified Kneser-Ney, as the equations stand."""

    def __init__(self, sequences: list[list[int]], order: int, outcomes: int, end: bool) -> None:
        self.order, self.outcomes = order, outcomes
        seen: Counter[tuple[int, ...]] = Counter()
        before: dict[tuple[int, ...], set[int]] = defaultdict(set)
        for sequence in sequences:
            padded = [outcomes, *sequence, *([outcomes - 1] if end else [])]
            for last in range(1, len(padded)):
                for first in range(max(0, last - order), last + 1):
                    gram = tuple(padded[first : last + 1])
                    seen[gram] += 1
                    before[gram[1:]].add(gram[0])
        self.counts: list[dict[tuple[int, ...], int]] = [{} for _ in range(order + 1)]
        for gram, n in seen.items():
            whole = len(gram) == order + 1 or gram[0] == outcomes
            self.counts[len(gram) - 1][gram] = n if whole else len(before[gram])
        self.discounts = [self.estimate(list(counts.values())) for counts in self.counts]

    def estimate(self, counts: list[int]) -> tuple[float, float, float]:
        n1, n2, n3, n4 = (counts.count(j) for j in (1, 2, 3, 4))
        if n1 and n2 and n3:
            y = n1 / (n1 + 2 * n2)
            d1, d2, d3 = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
            if 0 < d1 <= 1 and 0 < d2 <= 2 and 0 < d3 <= 3:
                return d1, d2, d3
        return 0.5, 1.0, 1.5

    def p(self, context: tuple[int, ...], symbol: int) -> float:
        shorter = self.p(context[1:], symbol) if context else 1 / self.outcomes
        counts = self.counts[len(context)]
        followers = {w: counts.get((*context, w), 0) for w in range(self.outcomes)}
        total = sum(followers.values())
        if not total:
            return shorter
        cut = {w: self.discounts[len(context)][min(n, 3) - 1] for w, n in followers.items() if n}
        kept = followers[symbol] - cut.get(symbol, 0.0)
        return (kept + sum(cut.values()) * shorter) / total

    def log_prob(self, sequence: list[int], end: bool) -> list[float]:
        padded = [self.outcomes, *sequence, *([self.outcomes - 1] if end else [])]
        return [
            math.log(self.p(tuple(padded[max(0, last - self.order) : last]), padded[last]))
            for last in range(1, len(padded))
        ]


def agree(space: Symbols, order: int, train: list[list[int]], test: list[list[int]]) -> None:
    dictionary = Dictionary(train, order, space.outcomes, space.end)
    model, _ = fitted(Markov(order), space, ragged(train))
    found = model.log_prob(ragged(test)).to_list()
    for sequence, log_p in zip(test, found, strict=True):
        wanted = dictionary.log_prob(sequence, space.end)
        assert log_p.tolist() == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def ragged(sequences: list[list[int]]) -> Sequences:
    return Sequences.from_list([torch.tensor(one, dtype=torch.int64) for one in sequences])


def corpora(symbols: int) -> st.SearchStrategy[list[list[int]]]:
    """Sequences of any length over symbols of which the first are frequent."""
    skewed = st.integers(0, symbols * symbols - 1).map(lambda i: symbols - 1 - math.isqrt(i))
    return st.lists(st.lists(skewed, max_size=12), max_size=10)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 4), st.booleans(), corpora(4), corpora(6))
def test_kneser_ney_equals_the_dictionary(
    order: int, end: bool, train: list[list[int]], test: list[list[int]]
):
    # The test has symbols that training has not; ⟨unk⟩ is one of those.
    space = Symbols(("a", "b", "c", "d", "⟨unk⟩", "e"), end=end)
    agree(space, order, train, test)


def skewed_sequences(symbols: int, count: int, length: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(3)
    drawn = torch.rand(count, length, generator=generator).pow(2.5).mul(symbols).long()
    return drawn.tolist()


def test_a_discount_of_zero_falls_back():
    # Of the 2-grams 14 occur once, 14 twice, 28 thrice: D2 = 2 - 3 (14 / 42) (28 / 14) = 0, which
    # would leave nothing for what never followed a symbol seen twice.
    times = torch.tensor([1] * 7 + [2] * 7 + [3] * 14)
    first = torch.arange(28).repeat_interleave(times)
    train = torch.stack([first, first + 28], 1).tolist()
    space = Symbols(tuple(range(56)), unknown="error", end=False)
    model, notes = fitted(Markov(1), space, ragged(train))
    assert any("2-grams" in note for note in notes)
    assert bool(table_of(model).probabilities(torch.arange(57)[:, None]).gt(0).all())


@pytest.mark.parametrize("end", [True, False])
def test_estimated_discounts_equal_the_dictionary(end: bool):
    space = Symbols(tuple(range(40)), unknown="error", end=end)
    train = skewed_sequences(40, 60, 8)
    _, notes = fitted(Markov(2), space, ragged(train))
    assert not any("3-grams" in note or "2-grams" in note for note in notes)
    agree(space, 2, train, skewed_sequences(40, 5, 30))


def test_many_symbols_and_a_high_order_do_not_overflow():
    space = Symbols(tuple(range(33_000)), unknown="error")
    train = [[32_999 - symbol for symbol in one] for one in skewed_sequences(33_000, 20, 12)]
    agree(space, 8, train + train[:7], train[5:7])


# -- sums to one, and both ways to ask ---------------------------------------------------------


def every_context(order: int, outcomes: int) -> torch.Tensor:
    """All contexts `[m, order]`, the begin marker in any place."""
    return torch.tensor(list(product(range(outcomes + 1), repeat=order)), dtype=torch.int64)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(SMOOTHINGS), st.integers(0, 3), st.booleans(), corpora(3))
def test_every_context_sums_to_one(
    smoothing: Smoothing, order: int, end: bool, train: list[list[int]]
):
    space = Symbols(("a", "b", "c", "⟨unk⟩"), end=end)
    table = table_of(fitted(Markov(order, smoothing), space, ragged(train))[0])
    total = table.probabilities(every_context(order, space.outcomes)).sum(1)
    assert torch.allclose(total, torch.ones_like(total), rtol=0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(SMOOTHINGS), st.integers(0, 3), corpora(3))
def test_one_symbol_and_all_symbols_agree_in_every_bit(
    smoothing: Smoothing, order: int, train: list[list[int]]
):
    space = Symbols(("a", "b", "c", "⟨unk⟩"))
    table = table_of(fitted(Markov(order, smoothing), space, ragged(train))[0])
    contexts = every_context(order, space.outcomes)
    symbols = torch.arange(space.outcomes).repeat(len(contexts))
    sparse = table.log_prob(contexts.repeat_interleave(space.outcomes, 0), symbols)
    assert torch.equal(sparse, table.probabilities(contexts).log().flatten())


def test_next_is_the_distribution_after_the_state():
    model, _ = fitted(Markov(2), AB, AB.encode(CORPUS))
    state = model.step(model.start(1), torch.tensor([A]))
    assert next_after(model, state) == pytest.approx(after(table_of(model), BEGIN, A))


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_without_data_every_outcome_is_alike(smoothing: Smoothing):
    for train in ([], [[], []]):
        space = Symbols(("a", "b"), unknown="error", end=False)
        model, notes = fitted(Markov(3, smoothing), space, ragged(train))
        assert at_start(model) == pytest.approx([0.5, 0.5])
        assert notes == []


def test_a_fallback_is_reported_with_its_order():
    _, notes = fitted(Markov(1), AB, AB.encode(CORPUS))
    assert ["1-grams" in notes[0], "2-grams" in notes[1]] == [True, True]


# -- counting ----------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 4), st.booleans(), corpora(4), corpora(4))
def test_shards_add_up_to_the_whole(
    order: int, end: bool, one: list[list[int]], other: list[list[int]]
):
    space = Symbols(tuple("abcd"), unknown="error", end=end)
    table = table_of(Markov(order).build(space))
    parts = [count(ragged(part), table, space.end_number) for part in (one, other)]
    whole = count(ragged(one + other), table, space.end_number)
    added = parts[1] + parts[0]
    assert torch.equal(added.rows, whole.rows)
    assert torch.equal(added.counts, whole.counts)


def test_counts_of_different_orders_do_not_add():
    shards = [count(AB.encode(CORPUS), table_of(Markov(k).build(AB)), END) for k in (1, 2)]
    with pytest.raises(CatenaError, match="do not add up"):
        _ = shards[0] + shards[1]


def test_counting_in_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    train = ragged(skewed_sequences(5, 7, 9))
    space = Symbols(tuple(range(5)), unknown="error")
    whole, _ = fitted(Markov(3), space, train)
    monkeypatch.setattr(counting, "PIECE", 4)
    pieces, _ = fitted(Markov(3), space, train)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, pieces.state_dict()[name]), name


def test_the_table_is_its_tensors():
    model, _ = fitted(Markov(3), AB, AB.encode(CORPUS))
    other = Markov(3).build(AB)
    other.load_state_dict(model.state_dict())
    batch = AB.encode(["abba", "", "b"])
    assert torch.equal(model.log_prob(batch).values, other.log_prob(batch).values)
    assert not list(model.parameters())


def test_an_interrupt_stops_between_pieces_and_leaves_the_table_alone():
    model = Markov(2).build(AB)
    interrupt = Run(report=lambda progress: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted):
        Count().fit(model, AB.encode(CORPUS), None, interrupt)
    assert at_start(model) == pytest.approx([1 / 3] * 3)


# -- what it refuses ---------------------------------------------------------------------------


@pytest.mark.parametrize("space", [Vectors(2), Bits(2), Counts(2)])
def test_it_needs_symbols(space: Space):
    with pytest.raises(CatenaError, match=f"counts symbols.*{type(space).__name__}"):
        Markov().build(space)


@pytest.mark.parametrize(
    "options",
    [{"order": -1}, {"order": 1.5}, {"smoothing": "laplace"}, {"alpha": 0.0}, {"alpha": math.nan}],
)
def test_an_option_out_of_range_is_named(options: dict[str, object]):
    with pytest.raises(CatenaError, match=next(iter(options))):
        Markov(**options)  # type: ignore[arg-type]


def test_counting_refuses_what_is_no_chain():
    model = SequenceModel(AB, nn.Identity(), Shift(1, torch.tensor(0)), nn.Linear(1, 3))  # type: ignore[arg-type]
    with pytest.raises(CatenaError, match="Markov chains only"):
        Count().fit(model, AB.encode(CORPUS), None, Run())


# -- the shift register ------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 9), max_size=6),
    st.integers(0, 5),
    st.sampled_from([(), (2,), (2, 3)]),
    st.sampled_from([torch.int64, torch.float32, torch.float64]),
    st.booleans(),
    st.booleans(),
)
def test_all_windows_at_once_equal_the_loop(
    lengths: list[int],
    width: int,
    event: tuple[int, ...],
    dtype: torch.dtype,
    carried: bool,
    reverse: bool,
):
    shift = Shift(width, torch.full(event, 7, dtype=dtype))
    size = (sum(lengths), *event)
    inputs = Sequences(torch.randint(1000, size).to(dtype), torch.tensor(lengths, dtype=torch.long))
    windows = torch.randint(1000, (len(lengths), width, *event)).to(dtype)
    state = (windows,) if carried else None
    loop = scan(shift, inputs, state, reverse=reverse, backend="reference")
    gathered = scan(shift, inputs, state, reverse=reverse, backend="gather")
    assert torch.equal(loop.features.values, gathered.features.values)
    assert torch.equal(loop.state[0], gathered.state[0])
    assert gathered.features.values.dtype == gathered.state[0].dtype == dtype


def test_gradients_pass_through_the_windows():
    shift = Shift(2, torch.zeros(1, dtype=torch.float64))
    x = torch.arange(1.0, 6.0, dtype=torch.float64)[:, None].requires_grad_()
    start = torch.ones(2, 2, 1, dtype=torch.float64).requires_grad_()
    batch = Sequences(x, torch.tensor([3, 2]))
    scale = torch.arange(10.0, dtype=torch.float64).reshape(5, 2, 1)
    found = []
    for backend in ("reference", "gather"):
        scanned = scan(shift, batch, (start,), backend=backend)
        loss = (scanned.features.values * scale).sum() + scanned.state[0].square().sum()
        found.append(torch.autograd.grad(loss, [x, start]))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
