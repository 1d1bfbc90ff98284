"""Copying against a plain loop over steps of the source in float64, gradients too."""

import math

import pytest
import torch

from catena import GRU, CatenaError, Sequences, Symbols
from catena.attending import Looked
from catena.copying import Pointer
from catena.emission import Categorical
from catena.ladder.neural import NeuralHead
from catena.tasks.encoder_decoder import Looking, Smoothed, encoder_decoder

READ = Symbols(("⟨unk⟩", "a", "b", "z", "x"))
WRITTEN = Symbols(("x", "⟨unk⟩", "y", "z"))
TWINS = {0: 1, 1: 1, 2: 1, 3: 3, 4: 0}  # of the symbols that are read, as they are written
SOURCES = [[3, 3, 1, 4], [], [0, 2, 3], [4]]
OWNER = [2, 0, 1, 0, 3, 2]


def made(seed=0):
    torch.manual_seed(seed)
    pointer = Pointer(6, READ, WRITTEN).double()
    head = NeuralHead(6, Categorical(WRITTEN.outcomes), 0.0).double().eval()
    weights = torch.zeros(len(OWNER), 4, dtype=torch.float64)
    for row, owner in enumerate(OWNER):
        size = len(SOURCES[owner])
        weights[row, :size] = torch.rand(size).double().softmax(0)
    shown = torch.randn(len(OWNER), 6, dtype=torch.float64)
    inputs = shown.requires_grad_(), weights.requires_grad_()
    sources = Sequences.from_list([torch.tensor(s, dtype=torch.int64) for s in SOURCES])
    features = Looked(inputs[0], torch.tensor(OWNER), inputs[1]).features
    return pointer.over(head, sources), features, [*inputs, *pointer.parameters()]


def plainly(copying, shown, weights):
    """p of every symbol `[m, outcomes]`, one row, symbol and step at a time."""
    rows = []
    for row, owner in enumerate(OWNER):
        gate = torch.sigmoid(copying.pointer.gate(shown[row]))[0] if SOURCES[owner] else 1.0
        said = copying.head.parameters_of(shown[row]).softmax(-1)
        p = []
        for symbol in range(WRITTEN.outcomes):
            copied = sum(
                weights[row, s] for s, read in enumerate(SOURCES[owner]) if TWINS[read] == symbol
            )
            p.append(gate * said[symbol] + (1 - gate) * copied)
        rows.append(torch.stack(p))
    return torch.stack(rows)


def test_the_mixture_is_the_loop_with_gradients():
    copying, features, leaves = made()
    wanted = plainly(copying, *leaves[:2])
    torch.testing.assert_close(wanted.sum(1), torch.ones(len(OWNER)).double())
    x = torch.tensor([1, 0, 2, 3, 4, 3])
    mix = torch.randn(len(OWNER), WRITTEN.outcomes).double()
    rows = torch.arange(len(OWNER))
    for found, plain in (
        ((copying.parameters_of(features) * mix).sum(), (wanted.log() * mix).sum()),
        (copying.log_prob(features, x).sum(), wanted[rows, x].log().sum()),
        (copying.distribution(features).log_prob(x).sum(), _normal(wanted)[rows, x].log().sum()),
    ):
        torch.testing.assert_close(found, plain, rtol=1e-12, atol=1e-12)
        pairs = [torch.autograd.grad(part, leaves, retain_graph=True) for part in (found, plain)]
        for one, other, leaf in zip(*pairs, leaves, strict=True):
            if leaf is leaves[1]:  # beyond a source's end no weight is given, and none is learned
                real = (leaf > 0).double()
                one, other = one * real, other * real
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def _normal(p):
    return p / p.sum(1, keepdim=True)


def test_smoothing_spreads_over_what_may_be_copied_too():
    copying, features, leaves = made()
    log_p = plainly(copying, *leaves[:2]).log()
    x = torch.tensor([1, 0, 2, 3, 4, 3])
    smooth = Smoothed(copying, 0.2).log_prob(features, x)
    wanted = 0.8 * log_p[torch.arange(len(OWNER)), x] + 0.2 * log_p.mean(1)
    torch.testing.assert_close(smooth, wanted, rtol=1e-12, atol=1e-12)


def test_what_cannot_be_said_can_be_copied():
    """With a gate that is shut, all that comes is what was attended to."""
    rung = GRU(units=4, embedding=3)
    model = encoder_decoder(rung, rung, READ, WRITTEN, Looking(copy=True)).double().eval()
    assert model.pointer is not None
    with torch.no_grad():
        model.pointer.gate.weight.zero_()
        model.pointer.gate.bias.fill_(-math.inf)
    given = model.given(Sequences.from_list([torch.tensor([3, 3]), torch.tensor([1])]))
    with torch.no_grad():
        p = given.next(given.start(2)).probs  # type: ignore[attr-defined]
    torch.testing.assert_close(p, torch.eye(5).double()[[3, 1]])


def test_what_has_no_name_in_the_target_needs_its_unknown():
    read, written = Symbols(("a", "b"), unknown="error"), Symbols(("a",), unknown="error")
    with pytest.raises(CatenaError, match="neither the source's symbol 'b' nor"):
        Pointer(4, read, written)
