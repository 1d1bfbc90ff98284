"""Losses of recommenders beside the papers' formulas written as plain loops in float64; negatives;
Adagrad with momentum; the same numbers batch by batch and session by session in parallel."""

import math
from dataclasses import replace

import pytest
import torch

from catena import GRU, RNN, BPRMax, CatenaError, CrossEntropy, Sequences, Symbols, TOP1Max, Window
from catena.learn.adagrad_momentum import EPSILON, Adagrad
from catena.learn.among import Candidates, gains
from catena.learn.item_losses import ITEM_LOSSES
from catena.learn.negatives import Negatives
from catena.learn.next_item import NextItem
from catena.learn.optimizer import clip_norm


def sigma(x):
    return 1 / (1 + math.exp(-x))


def softmax(values):
    total = sum(map(math.exp, values))
    return [math.exp(value) / total for value in values]


def cross_entropy(own, others, expected):
    rest = sum(math.exp(r) / e for r, e in zip(others, expected, strict=True))
    return math.log(math.exp(own) / (math.exp(own) + rest))


def bpr_max(own, others, penalty):
    weights = softmax(others)
    above = sum(s * sigma(own - r) for s, r in zip(weights, others, strict=True))
    return math.log(above) - penalty * sum(s * r * r for s, r in zip(weights, others, strict=True))


def top1_max(own, others):
    weights = softmax(others)
    return -sum(s * (sigma(r - own) + sigma(r * r)) for s, r in zip(weights, others, strict=True))


def gain(loss, scores, own, log_times, log_draws):
    """With rows that make the scores what is multiplied with them."""
    rows = torch.eye(scores.shape[1], dtype=scores.dtype)
    return gains(loss, scores, own, Candidates(rows, 0 * rows[0], log_times, log_draws))


# Five items; the second and the last are no others, the third was drawn twice.
SCORES = torch.tensor(
    [[0.5, -0.7, 1.5, 0.1, 0.3], [2.0, -1.2, -1.0, 0.4, 0.0], [-0.2, 0.9, 0.3, 2.0, 0.7]],
    dtype=torch.float64,
)
OWN = torch.tensor([4, 1, 3])
TIMES = torch.tensor([1, 0, 2, 1, 0], dtype=torch.float64)
EXPECTED = torch.tensor([0.5, 9.0, 2.0, 0.25, 9.0], dtype=torch.float64)


@pytest.mark.parametrize(
    ("loss", "by_hand"),
    [
        (CrossEntropy(), cross_entropy),
        (CrossEntropy(logq=False), lambda o, r, e: cross_entropy(o, r, [1.0] * len(r))),
        (BPRMax(regularisation=0.3), lambda o, r, e: bpr_max(o, r, 0.3)),
        (BPRMax(regularisation=0.0), lambda o, r, e: bpr_max(o, r, 0.0)),
        (TOP1Max(), lambda o, r, e: top1_max(o, r)),
    ],
)
def test_losses_are_the_formulas(loss, by_hand):
    scores = SCORES.clone().requires_grad_()
    found = gain(loss, scores, OWN, TIMES.log(), EXPECTED.log())
    drawn = torch.repeat_interleave(TIMES.long())
    for row in range(3):
        others = drawn[drawn != OWN[row]]
        own = float(SCORES[row, OWN[row]])
        wanted = by_hand(own, SCORES[row, others].tolist(), EXPECTED[others].tolist())
        assert float(found[row].detach()) == pytest.approx(wanted, abs=1e-12)
    torch.autograd.gradcheck(
        lambda scores: gain(loss, scores, OWN, TIMES.log(), EXPECTED.log()), scores
    )


def test_figures_computed_by_hand():
    scores, own = torch.tensor([[math.log(3.0), 0.0, 0.0]]), torch.tensor([0])
    drawn = torch.tensor([0, 1, 1]).log(), torch.zeros(3)
    # Softmax: 3 / (3 + 1 + 1). The others weigh a half each, and σ(log 3) is 3/4.
    assert float(gain(CrossEntropy(), scores, own, *drawn).exp()) == pytest.approx(0.6)
    assert float(gain(BPRMax(), scores, own, *drawn).exp()) == pytest.approx(0.75)
    assert float(gain(TOP1Max(), scores, own, *drawn)) == pytest.approx(-0.75)


@pytest.mark.parametrize("loss", ITEM_LOSSES.values(), ids=list(ITEM_LOSSES))
def test_gradients_are_finite_where_a_sample_is_the_target_and_scores_are_large(loss):
    scores = (SCORES.float() * 200).requires_grad_()
    found = gain(loss(), scores, OWN, TIMES.float().log(), torch.zeros(5))
    found.sum().backward()
    assert found.isfinite().all()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    # What was not drawn and did not come next has no part in it.
    assert not scores.grad[:, TIMES == 0][[0, 1], [0, 1]].any()


def test_options_of_losses_are_checked():
    with pytest.raises(CatenaError, match="samples must be at least 1"):
        BPRMax(samples=0)
    with pytest.raises(CatenaError, match="exponent must be at least 0"):
        CrossEntropy(exponent=-1.0)
    with pytest.raises(CatenaError, match="regularisation must be at least 0"):
        BPRMax(regularisation=-1.0)


# -- what is drawn -----------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_others_are_drawn_by_the_power_of_their_counts(exponent):
    counts = torch.tensor([100, 25, 4, 1])
    negatives = Negatives(counts, samples=40_000, exponent=exponent)
    q = counts.double() ** exponent
    q /= q.sum()
    found = torch.bincount(negatives.draw(1, 0), minlength=4) / 40_000
    # Four standard deviations of a share.
    assert (found - q).abs().max() < 4 * 0.5 / 200
    assert torch.allclose(negatives.log_draws.exp() / 40_000, q.float())


def test_what_an_update_draws_depends_on_its_number_alone():
    counts = torch.arange(1, 50)
    in_order = Negatives(counts, 8, 0.5, cache=24)
    drawn = [in_order.draw(3, update).tolist() for update in range(10)]
    later = Negatives(counts, 8, 0.5, cache=24)
    assert [later.draw(3, update).tolist() for update in (7, 2, 9)] == [drawn[i] for i in (7, 2, 9)]
    assert len(set(map(tuple, drawn))) == 10
    assert later.draw(4000, 0).tolist() != drawn[0]


def test_weighted_samples_make_the_whole_sum_on_average():
    torch.manual_seed(0)
    scores, counts = torch.randn(30, dtype=torch.float64), torch.arange(1, 31)
    negatives, target = Negatives(counts, 20_000, 1.0), 7
    times = torch.bincount(negatives.draw(0, 0), minlength=30)
    sampled = gain(
        CrossEntropy(),
        scores[None],
        torch.tensor([target]),
        times.log(),
        negatives.log_draws.double(),
    )
    assert float(sampled) == pytest.approx(float(scores.log_softmax(0)[target]), abs=0.02)


# -- the objective -----------------------------------------------------------------------------

SPACE = Symbols(tuple(range(9)), unknown="error", end=False)
SESSIONS = Sequences.from_list([[0, 1, 2, 3, 4], [5, 6], [7, 8, 0, 3, 3, 1, 2], [2, 2, 4], [1, 0]])
COUNTS = torch.bincount(SESSIONS.values, minlength=9)
RUNGS = [GRU(units=5), GRU(units=5, tied=True), RNN(units=4, layers=2), Window(width=2, units=6)]


def objective(rung, loss, sessions=SESSIONS, rows=2, span=64):
    torch.manual_seed(1)
    model = rung.build(SPACE).double()
    return model, NextItem(model, sessions, COUNTS, loss, rows, span)


def whole(ragged, others):
    """All sessions in one piece, with others that are known."""
    (batch,) = ragged.batches(None)
    (piece,) = ragged.pieces(batch)
    return replace(piece, others=others)


def parallel(model, sessions, gain, lanes=2):
    """Sessions side by side, one item a step: where one ends the next begins, its state anew."""
    waiting = [row.tolist() for row in sessions]
    running = [waiting.pop(0) for _ in range(lanes)]
    state, gains = model.start(lanes), []
    while any(len(row) > 1 for row in running):
        x = torch.tensor([row[0] for row in running])
        state = model.step(state, x)
        weight, bias = model.head.table
        scores = model.head.hidden(model.read(state)) @ weight.T + bias
        for lane, row in enumerate(running):
            if len(row) > 1:
                gains.append(gain(scores[lane], row[1]))
                row.pop(0)
            if len(row) == 1 and waiting:
                running[lane] = waiting.pop(0)
                fresh = model.start(1)
                state = tuple(
                    torch.cat([part[:lane], new, part[lane + 1 :]])
                    for part, new in zip(state, fresh, strict=True)
                )
    return torch.stack(gains)


@pytest.mark.parametrize("rung", RUNGS, ids=repr)
def test_ragged_batches_learn_what_parallel_sessions_do(rung):
    others = torch.tensor([3, 1, 8, 3, 0])
    losses = [CrossEntropy(samples=0), CrossEntropy(5), BPRMax(5), TOP1Max(5)]
    for loss in losses:
        model, ragged = objective(rung, loss)
        weights, times = Negatives(COUNTS, 5, 0.5).log_draws.double(), torch.bincount(others)

        def worth(scores, target, loss=loss, weights=weights, times=times):
            if not loss.samples:
                return scores.log_softmax(0)[target]
            return gain(loss, scores[None], torch.tensor([target]), times.log(), weights)[0]

        drawn = others if loss.samples else None
        found = ragged.score(whole(ragged, drawn), None).log_prob.values
        wanted = parallel(model, SESSIONS, worth)
        assert len(found) == ragged.predictions == len(wanted)
        # Scores of the ragged side are float32 from the head on, as in training.
        assert torch.allclose(found.double().sort().values, wanted.sort().values, atol=1e-5)
        (first,) = torch.autograd.grad(found.double().sum(), model.embed.table, retain_graph=True)
        (second,) = torch.autograd.grad(wanted.sum(), model.embed.table)
        assert torch.allclose(first, second, atol=1e-5)


@pytest.mark.parametrize("rung", RUNGS, ids=repr)
def test_a_sparse_gradient_is_the_dense_one(rung):
    others, found = torch.tensor([3, 1, 8, 3, 0]), []
    for sparse in (False, True):
        torch.manual_seed(1)
        model = rung.build(SPACE)
        one = NextItem(model, SESSIONS, COUNTS, CrossEntropy(5), 2, 64, sparse)
        one.score(whole(one, others), None).log_prob.values.sum().backward()
        found.append({name: part.grad for name, part in model.named_parameters()})
    dense, thin = found
    assert thin["embed.table"].is_sparse
    for name, gradient in dense.items():
        other = thin[name].to_dense() if thin[name].is_sparse else thin[name]
        assert torch.allclose(gradient, other, atol=1e-6)


def test_every_item_but_the_first_is_predicted_once_however_it_is_cut():
    _, whole = objective(GRU(units=5), CrossEntropy(samples=0))
    _, cut = objective(GRU(units=5), CrossEntropy(samples=0), span=2)
    gains = []
    for one in (whole, cut):
        batches = one.batches(torch.Generator().manual_seed(5))
        assert one.updates(batches) == sum(len(list(one.pieces(batch))) for batch in batches)
        seen = []
        for batch in batches:
            state = None
            for piece in one.pieces(batch):
                scored = one.score(piece, None if piece.fresh else state)
                state = scored.state
                seen.append(scored.log_prob.values)
        gains.append(torch.cat(seen).sort().values)
    assert len(gains[0]) == whole.predictions == SESSIONS.total - len(SESSIONS)
    assert torch.allclose(gains[0], gains[1], atol=1e-6)


def test_no_two_updates_of_an_epoch_share_their_sample():
    _, ragged = objective(GRU(units=5), BPRMax(6), rows=1, span=2)
    drawn = [
        tuple(piece.others.tolist() if piece.others is not None else ())
        for batch in ragged.batches(torch.Generator().manual_seed(0))
        for piece in ragged.pieces(batch)
    ]
    assert len(set(drawn)) == len(drawn) > 4


def test_where_every_sample_is_the_target_nothing_is_learned():
    _, ragged = objective(GRU(units=5), BPRMax(2), Sequences.from_list([[1, 3], [1, 4]]))
    piece = whole(ragged, torch.tensor([3, 3]))
    assert len(ragged.score(piece, None).log_prob.values) == 1


# -- the optimiser -----------------------------------------------------------------------------


def test_adagrad_with_momentum_is_its_equations():
    parameter = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimizer = Adagrad([parameter], 0.1, 0.5)
    theta, total, velocity = [1.0, -2.0], [0.0, 0.0], [0.0, 0.0]
    for step in range(4):
        gradient = [0.5 * theta[0], math.sin(step) + 1]
        parameter.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        for i, g in enumerate(gradient):
            total[i] += g * g
            velocity[i] = 0.5 * velocity[i] - 0.1 * g / math.sqrt(total[i] + EPSILON)
            theta[i] += velocity[i]
        assert parameter.tolist() == pytest.approx(theta, abs=1e-12)


@pytest.mark.parametrize("ordered", [True, False])
def test_adagrad_moves_the_rows_of_a_sparse_gradient_and_no_other(ordered):
    torch.manual_seed(0)
    table = torch.nn.Parameter(torch.randn(7, 19))
    held = {"sum": torch.rand(7, 19), "velocity": torch.randn(7, 19)}
    optimizer = Adagrad([{"params": [table], "weight_decay": 0.5}], 0.1, 0.3)
    optimizer.state[table] = {name: part.clone() for name, part in held.items()}
    rows = torch.tensor([1, 2, 5] if ordered else [5, 1, 2, 1])
    parts = torch.randn(len(rows), 19)
    table.grad = torch.sparse_coo_tensor(rows[None], parts, table.shape, check_invariants=False)
    before, gradient = table.detach().clone(), table.grad.to_dense()
    optimizer.step()
    moved = torch.zeros(7, 1, dtype=torch.bool).index_fill(0, rows, True)
    total = held["sum"] + gradient.square()
    velocity = 0.3 * held["velocity"] - 0.1 * gradient / (total + EPSILON).sqrt()
    wanted = torch.where(moved, before * 0.95 + velocity, before)
    assert torch.allclose(table, wanted, atol=1e-6)
    kept = optimizer.state[table]["velocity"]
    assert torch.allclose(kept, torch.where(moved, velocity, held["velocity"]), atol=1e-6)


def test_sparse_gradients_are_clipped_like_dense_ones():
    torch.manual_seed(0)
    rows, parts = torch.tensor([[2, 0, 2]]), torch.randn(3, 4)
    found = []
    for sparse in (True, False):
        table, bias = torch.nn.Parameter(torch.zeros(5, 4)), torch.nn.Parameter(torch.zeros(3))
        thin = torch.sparse_coo_tensor(rows, parts.clone(), (5, 4), check_invariants=False)
        table.grad, bias.grad = thin if sparse else thin.to_dense(), torch.ones(3)
        clip_norm([table, bias, torch.nn.Parameter(torch.zeros(1))], 0.5)
        assert bias.grad is not None
        found.append((table.grad.to_dense(), bias.grad))
    torch.testing.assert_close(*found)
    assert float(torch.cat([part.flatten() for part in found[0]]).norm()) == pytest.approx(0.5)


def test_adagrad_without_momentum_is_pytorchs():
    torch.manual_seed(0)
    one = torch.nn.Parameter(torch.randn(5))
    other = torch.nn.Parameter(one.detach().clone())
    ours = Adagrad([one], 0.1, 0.0)
    theirs = torch.optim.Adagrad([other], 0.1, eps=0.0)
    for _ in range(5):
        one.grad = torch.randn(5)
        other.grad = one.grad.clone()
        ours.step()
        theirs.step()
    assert torch.allclose(one, other, atol=1e-5)
