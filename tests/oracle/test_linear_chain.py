"""The public linear chain: identities with other models, constraints, and what it refuses."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from catena import HMM, CatenaError, Sequences, Symbols
from catena.ladder.hmm import HiddenMarkov
from catena.linear_chain import LinearChain, known

EXACT = {"rtol": 1e-9, "atol": 1e-9}
INF = float("inf")
BACKENDS = ("native", "reference")


def example(lengths=(4, 0, 1, 6), labels=3, seed=0) -> tuple[LinearChain, Sequences]:
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw, dtype=torch.float64)

    chain = LinearChain(normal(labels, labels), normal(labels), normal(labels))
    return chain, Sequences(normal(sum(lengths), labels), torch.tensor(lengths))


@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_hidden_markov_model(backend, end):
    """Its log-potentials give its evidence, its smoothed beliefs and its best path."""
    torch.manual_seed(4)
    model = HMM(states=4).build(Symbols(tuple("abc"), unknown="error", end=end))
    assert isinstance(model, HiddenMarkov)
    torch.nn.init.normal_(model.embed.raw)
    data = Sequences(torch.randint(3, (14,)), torch.tensor([5, 1, 8]))
    with torch.no_grad():
        scores = data.with_values(model.embed(data.values))
        chain = LinearChain(model.log_transition, model.log_initial, model._log_end)
        torch.testing.assert_close(
            chain.log_z(scores, backend=backend), model.evidence(data), **EXACT
        )
    smoothed = chain.marginals(scores, backend=backend).values
    torch.testing.assert_close(smoothed, model.smooth(data).values, **EXACT)
    (path, score), (wanted, joint) = chain.viterbi(scores, backend=backend), model.viterbi(data)
    assert torch.equal(path.values, wanted.values)
    torch.testing.assert_close(score, joint, **EXACT)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_same_numbers_by_several_ways(backend):
    chain, scores = example()
    log_z = chain.log_z(scores, backend=backend)
    path, score = chain.viterbi(scores, backend=backend)
    torch.testing.assert_close(chain.score(scores, path), score, **EXACT)
    log_prob = chain.log_prob(scores, path, backend)
    torch.testing.assert_close(log_prob, score - log_z, **EXACT)
    best = chain.k_best(scores, 81, backend=backend)
    torch.testing.assert_close(best.log_probs[:3].exp().sum(1), torch.ones(3).double(), **EXACT)
    torch.testing.assert_close(best.log_probs[:, 0], log_prob, **EXACT)
    whole = torch.special.entr(best.log_probs[:3].exp()).sum(1)
    torch.testing.assert_close(chain.entropy(scores)[:3], whole, **EXACT)
    expected = chain.expectations(scores, backend=backend)
    torch.testing.assert_close(expected.marginals.sum(1), torch.ones(11).double(), **EXACT)
    assert abs(float(expected.transitions.sum()) - (11 - 3)) < 1e-9
    assert abs(float(expected.start.sum()) - 3) < 1e-9


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_on_partial_labels(backend):
    """With all labels known it is the path's probability, with none it is 1; and its gradient is
    what is expected under the constraint less what is expected without."""
    chain, scores = example()
    path, _ = chain.viterbi(scores)
    all_known, none_known = known(path.values, 3), known(torch.full((11,), -1), 3)
    found = chain.log_prob_allowed(scores, all_known, backend)
    torch.testing.assert_close(found, chain.log_prob(scores, path), **EXACT)
    nothing = chain.log_prob_allowed(scores, none_known, backend)
    assert torch.equal(nothing, torch.zeros(4).double())
    some = known(path.values.where(torch.arange(11) % 3 == 0, -1), 3)
    values = scores.values.clone().requires_grad_()
    chain.log_prob_allowed(scores.with_values(values), some, backend).sum().backward()
    assert values.grad is not None
    inside, outside = chain.marginals(scores, some).values, chain.marginals(scores).values
    torch.testing.assert_close(values.grad, inside - outside, **EXACT)
    assert bool((inside[~some] == 0).all())


@pytest.mark.parametrize("backend", BACKENDS)
def test_structural_constraints(backend):
    """B, I, O: an I neither begins a chunk nor a sequence, and here none ends in B."""
    allowed = torch.tensor([[True, True, True], [True, True, True], [True, False, True]])
    first, last = torch.tensor([True, False, True]), torch.tensor([False, True, True])
    chain, scores = example(lengths=(6, 0, 1, 9))
    chain = chain.constrained(allowed, first, last)
    drawn = chain.sample(scores, 50, torch.Generator().manual_seed(0))
    best = chain.k_best(scores, 20, backend=backend)
    columns = [
        paths.T.tolist() for several in (drawn, best.paths) for paths in several if len(paths)
    ]
    there = [path for paths in columns for path in paths if path[0] >= 0]
    assert len(there) > 2 * 50 + 2 * 20
    for path in there:
        assert first[path[0]]
        assert last[path[-1]]
        assert all(allowed[i, j] for i, j in pairwise(path))
    marginals = chain.marginals(scores, backend=backend)
    for rows in marginals:
        assert bool((rows[:1, 1] == 0).all())
        assert bool((rows[-1:, 0] == 0).all())


def test_the_gradient_of_weights_that_forbid():
    """It is finite, and 0 where something is forbidden."""
    chain, scores = example()
    moves = chain.transitions.clone().requires_grad_()
    mask = torch.ones(3, 3, dtype=torch.bool).tril()
    own = LinearChain(moves, chain.start, chain.end).constrained(mask)
    own.log_z(scores).sum().backward()
    assert moves.grad is not None
    assert bool(moves.grad.isfinite().all())
    assert bool((moves.grad[~mask] == 0).all())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("value", [float("nan"), INF])
def test_scores_that_are_no_numbers(value, backend):
    chain, scores = example()
    scores.values[7, 1] = value
    assert chain.log_z(scores, backend="native").isnan().tolist() == [False, False, False, True]
    message = r"the scores hold NaN or \+inf \(sequence 3, step 2, counted from 0\)"
    for refused in (
        lambda: chain.viterbi(scores, backend=backend),
        lambda: chain.k_best(scores, 2, backend=backend),
        lambda: chain.sample(scores),
    ):
        with pytest.raises(CatenaError, match=message) as error:
            refused()
        assert (error.value.sequence, error.value.step) == (3, 2)
    broken = LinearChain(chain.transitions.fill_(value), chain.start, chain.end)
    with pytest.raises(CatenaError, match="transitions hold NaN"):
        broken.viterbi(example()[1], backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_sequence_without_a_path(backend):
    chain, scores = example()
    allowed = torch.ones(11, 3, dtype=torch.bool)
    allowed[4] = False
    assert chain.log_z(scores, allowed, backend).isinf().tolist() == [False, False, True, False]
    assert bool((chain.marginals(scores, allowed, backend).values[4] == 0).all())
    with pytest.raises(CatenaError, match=r"sequence 2 .* has no path") as error:
        chain.viterbi(scores, allowed, backend)
    assert error.value.sequence == 2
    with pytest.raises(CatenaError, match=r"sequence 2 .* has no path"):
        chain.sample(scores, 1, None, allowed)


def test_refusals():
    chain, scores = example()
    with pytest.raises(CatenaError, match=r"allowed of scores must be bool \(11, 3\), not"):
        chain.log_z(scores, torch.ones(11, 3))
    with pytest.raises(CatenaError, match="allowed of start must be bool"):
        chain.constrained(start=torch.ones(2, dtype=torch.bool))
    with pytest.raises(CatenaError, match=r"label 3 is not one of 0 to 2 \(sequence 3, step 0"):
        chain.score(scores, scores.with_values(torch.tensor([0] * 5 + [3] + [0] * 5)))
    with pytest.raises(CatenaError, match="one label for each row"):
        chain.score(scores, Sequences.from_list([[0, 1]]))
    with pytest.raises(CatenaError, match="draws must be at least 1"):
        chain.sample(scores, 0)
    with pytest.raises(CatenaError, match="k, how many"):
        chain.k_best(scores, 0)
