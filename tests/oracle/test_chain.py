"""The recursion along a chain against all paths, one by one."""

from __future__ import annotations

from functools import cache
from itertools import pairwise, product

import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from catena.kernels.chain import reference
from catena.kernels.chain.potentials import Potentials

EXACT = {"rtol": 1e-9, "atol": 1e-9}
INF = float("inf")
# Every length up to 6, an empty sequence in between and at the end.
LENGTHS = (3, 0, 6, 1, 2, 5, 4, 1, 0)
KINDS = ("plain", "forbidden moves", "forbidden ends", "allowed labels", "large", "nothing left")


def potentials(kind: str = "plain", labels: int = 3, seed: int = 0) -> Potentials:
    """A chain of each kind of trouble."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw, dtype=torch.float64)

    def some(*shape: int) -> Tensor:
        return torch.rand(shape, generator=draw) < 0.35

    scale = 1e4 if kind == "large" else 1.5
    scores, moves = scale * normal(sum(LENGTHS), labels), scale * normal(labels, labels)
    start, end = scale * normal(labels), scale * normal(labels)
    if kind == "forbidden moves":
        moves = moves.masked_fill(some(labels, labels), -INF)
    if kind in ("forbidden ends", "nothing left"):
        start[0], end[-1] = -INF, -INF
    if kind == "allowed labels":
        scores = scores.masked_fill(some(*scores.shape), -INF)
    if kind == "nothing left":
        scores[4] = -INF
    return Potentials(scores, torch.tensor(LENGTHS), moves, start, end)


CASES = [(kind, labels) for kind in KINDS for labels in (1, 2, 3, 4)]
every = pytest.mark.parametrize(("kind", "labels"), CASES)


def score_of(path: tuple[int, ...], rows: Tensor, chain: Potentials) -> float:
    """From the definition."""
    if not path:
        return 0.0
    found = float(chain.start[path[0]] + chain.end[path[-1]])
    found += sum(float(rows[t, label]) for t, label in enumerate(path))
    return found + sum(float(chain.transitions[i, j]) for i, j in pairwise(path))


@cache
def paths_of(kind: str, labels: int) -> list[list[tuple[float, tuple[int, ...]]]]:
    return enumerated(potentials(kind, labels))


def enumerated(chain: Potentials) -> list[list[tuple[float, tuple[int, ...]]]]:
    """Each sequence's paths that are not forbidden, the best first."""
    found = []
    for rows in chain.scores.split(chain.lengths.tolist()):
        paths = product(range(chain.scores.shape[1]), repeat=len(rows))
        scored = [(score_of(path, rows, chain), path) for path in paths]
        found.append(sorted((one for one in scored if one[0] > -INF), reverse=True))
    return found


def shares(paths: list[tuple[float, tuple[int, ...]]]) -> Tensor:
    return torch.softmax(torch.tensor([score for score, _ in paths], dtype=torch.float64), 0)


def expected(kind: str, labels: int, weight: Tensor) -> reference.Expectations:
    """By counting along every path."""
    chain = potentials(kind, labels)
    log_z, marginals = [], torch.zeros_like(chain.scores)
    moves, start, end = (torch.zeros_like(part) for part in chain[2:])
    begin = 0
    for paths, length, w in zip(
        paths_of(kind, labels), chain.lengths, weight.tolist(), strict=True
    ):
        scores = torch.tensor([score for score, _ in paths], dtype=torch.float64)
        log_z.append(scores.logsumexp(0) if paths else torch.tensor(-INF, dtype=torch.float64))
        if paths and length:
            share = w * shares(paths)
            steps = torch.tensor([path for _, path in paths]).T
            for t, step in enumerate(steps):
                marginals[begin + t].index_add_(0, step, share)
            for before, after in pairwise(steps):
                moves.index_put_((before, after), share, accumulate=True)
            start.index_add_(0, steps[0], share)
            end.index_add_(0, steps[-1], share)
        begin += int(length)
    return reference.Expectations(torch.stack(log_z), marginals, moves, start, end)


WEIGHT = torch.linspace(0.5, 2.0, len(LENGTHS), dtype=torch.float64)


@every
def test_log_z_and_expectations(kind, labels):
    chain = potentials(kind, labels)
    found, wanted = reference.expectations(chain, WEIGHT), expected(kind, labels, WEIGHT)
    torch.testing.assert_close(tuple(found), tuple(wanted), **EXACT)
    torch.testing.assert_close(reference.log_z(chain), wanted.log_z, **EXACT)


@every
def test_k_best(kind, labels):
    """All of them where there are fewer than k, and no path twice."""
    chain, k = potentials(kind, labels), 20
    paths, scores = reference.best(chain, k)
    check_best(kind, labels, paths, scores)
    for one, single in zip(reference.best(chain, 1), (paths, scores), strict=True):
        assert torch.equal(one[:, 0], single[:, 0])


def check_best(kind: str, labels: int, paths: Tensor, scores: Tensor) -> None:
    """Refuse k-best paths and their scores that enumeration does not find."""
    k = scores.shape[1]
    for found, own, wanted in zip(
        paths.split(list(LENGTHS)), scores.tolist(), paths_of(kind, labels), strict=True
    ):
        missing = [-INF] * (k - len(wanted))
        best = [score for score, _ in wanted[:k]] + missing
        torch.testing.assert_close(own, best, **EXACT)
        by_path = {path: score for score, path in wanted}
        there = [tuple(column) for column in found.T.tolist()][: len(wanted)]
        assert len(set(there)) == len(there)
        torch.testing.assert_close([by_path[path] for path in there], own[: len(there)], **EXACT)
        assert bool((found[:, len(wanted) :] == -1).all())


@every
def test_entropy(kind, labels):
    chain = potentials(kind, labels)
    probabilities = [shares(paths) for paths in paths_of(kind, labels)]
    wanted = torch.stack([torch.special.entr(p).sum() for p in probabilities])
    torch.testing.assert_close(reference.entropy(chain), wanted, **EXACT)


@every
def test_score(kind, labels):
    """Of every sequence's third best path, or its worst where it has fewer."""
    chain = potentials(kind, labels)
    picked = [paths[min(2, len(paths) - 1)] if paths else None for paths in paths_of(kind, labels)]
    lengths = chain.lengths.tolist()
    some = [one or (-INF, (0,) * length) for one, length in zip(picked, lengths, strict=True)]
    paths = torch.tensor([label for _, path in some for label in path])
    wanted = torch.tensor([score for score, _ in some], dtype=torch.float64)
    torch.testing.assert_close(reference.score(chain, paths), wanted, **EXACT)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_come_as_often_as_they_are_probable(kind):
    """Pearson's chi-square of the paths of every sequence; the seed is fixed."""
    chain, draws = potentials(kind, 2), 4000
    drawn = reference.sample(chain, draws, torch.Generator().manual_seed(3))
    for paths, found in zip(paths_of(kind, 2), drawn.split(list(LENGTHS)), strict=True):
        if not paths:
            assert bool((found == -1).all())
            continue
        code = 2 ** torch.arange(len(found))
        counts = torch.bincount(code @ found, minlength=2 ** len(found)).double()
        wanted = torch.zeros_like(counts)
        for share, (_, path) in zip(shares(paths), paths, strict=True):
            wanted[int(code @ torch.tensor(path, dtype=torch.int64))] = draws * share
        assert counts[wanted == 0].sum() == 0  # none that is forbidden
        order = wanted.argsort(descending=True)
        frequent = int((wanted >= 5).sum())  # the others count with the rarest of these
        counts, wanted = (
            torch.cat([part[order][: frequent - 1], part[order][frequent - 1 :].sum()[None]])
            for part in (counts, wanted)
        )
        square = float(((counts - wanted) ** 2 / wanted).sum())
        assert chi2.sf(square, max(1, len(wanted) - 1)) > 1e-4
    again = reference.sample(chain, draws, torch.Generator().manual_seed(3))
    assert torch.equal(drawn, again)


@pytest.mark.parametrize("kind", ["plain", "forbidden moves", "nothing left"])
def test_derivatives_of_every_order(kind):
    """Of log Z, of the expectations (third order) and of the entropy, -∞ left alone."""
    whole = potentials(kind, 2)
    chain = Potentials(whole.scores[:9], torch.tensor([3, 0, 4, 2]), *whole[2:])
    given = [chain.scores, *chain[2:]]
    fixed = [part.isneginf() for part in given]

    def build(*parts: Tensor) -> Potentials:
        scores, *rest = (
            torch.where(mask, -INF, part) for part, mask in zip(parts, fixed, strict=True)
        )
        return Potentials(scores, chain.lengths, *rest)

    parts = [
        torch.where(mask, 0.0, part).requires_grad_()
        for part, mask in zip(given, fixed, strict=True)
    ]
    weight = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    finite = reference.log_z(chain) > -INF
    functions = [
        lambda *parts: reference.log_z(build(*parts))[finite],
        lambda *parts: reference.entropy(build(*parts)),
    ]
    for function in functions:
        assert torch.autograd.gradcheck(function, parts)
        assert torch.autograd.gradgradcheck(function, parts)

    def counts(*parts: Tensor) -> tuple[Tensor, ...]:
        return reference.expectations(build(*parts), weight)[1:]

    assert torch.autograd.gradcheck(counts, parts)
