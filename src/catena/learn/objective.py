"""What gradient learning asks of data: in what pieces it comes, how well each is predicted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from catena.learn.batches import Batches, Piece, alike
from catena.learn.checkpoint import digest
from catena.model import Scored, SequenceModel
from catena.recurrence import State
from catena.sequences import Sequences


class Part(Protocol):
    """What one update is computed from."""

    @property
    def fresh(self) -> bool:
        """Whether its sequences begin here; otherwise they go on from the piece before."""
        ...


class Objective(Protocol):
    """Data, and the log-probability of it that is to be made large."""

    @property
    def predictions(self) -> int:
        """How many an epoch makes."""
        ...

    @property
    def fingerprint(self) -> str:
        """A short name for the data, to tell whether a checkpoint belongs to it."""
        ...

    def batches(self, generator: torch.Generator | None) -> list[Any]:
        """The batches of an epoch, in order; without a generator, unshuffled."""
        ...

    def updates(self, batches: list[Any]) -> int:
        """How many pieces the batches have."""
        ...

    def pieces(self, batch: Any) -> Iterator[Part]:
        """One batch, piece after piece."""
        ...

    def score(self, piece: Any, state: State | None) -> Scored:
        """Log-probabilities of a piece's predictions in nats, with gradients, and the state that is
        carried into the next piece."""
        ...


class NextStep:
    """Every observation predicted from those before it, and the end where ends are predicted.

    Args:
        model: what predicts.
        sequences: the data, on the model's device.
        rows, span: as in `Batches`.
    """

    def __init__(self, model: SequenceModel, sequences: Sequences, rows: int, span: int) -> None:
        self._model, self._sequences = model, sequences
        self._batches = Batches(sequences, rows, span)

    @property
    def predictions(self) -> int:
        ends = len(self._sequences) if self._model.space.end_number is not None else 0
        return self._sequences.total + ends

    @property
    def fingerprint(self) -> str:
        return digest(self._sequences.lengths, self._sequences.values)

    def batches(self, generator: torch.Generator | None) -> list[Any]:
        return self._batches.batches(generator)

    def updates(self, batches: list[Any]) -> int:
        return self._batches.updates(batches)

    def pieces(self, batch: Any) -> Iterator[Piece]:
        return self._batches.pieces(batch)

    def score(self, piece: Piece, state: State | None) -> Scored:
        return self._model.score(piece.sequences, state, piece.ends)


class Labeller(Protocol):
    """What predicts a target from a whole sequence."""

    def log_prob(self, sequences: Sequences, targets: Tensor) -> Tensor:
        """log p(target given its sequence) in nats `[n]`, with gradients."""
        ...


@dataclass(frozen=True)
class Example:
    """Whole sequences, the target and the weight of each."""

    sequences: Sequences
    targets: Tensor
    weights: Tensor
    fresh: bool = True


class WholeSequences:
    """The target of every sequence predicted from the whole of it.

    Gradients reach back to the first step, and no state is carried on.

    Args:
        model: what predicts.
        sequences: n of them.
        targets: `[n, ...]`.
        weights: `[n]`, of mean 1: what each sequence's prediction counts.
        rows: how many sequences an update is computed from.
    """

    def __init__(
        self, model: Labeller, sequences: Sequences, targets: Tensor, weights: Tensor, rows: int
    ) -> None:
        self._model, self._sequences, self._rows = model, sequences, rows
        device = sequences.values.device
        self._targets, self._weights = targets.to(device), weights.to(device)

    @property
    def predictions(self) -> int:
        return len(self._sequences)

    @property
    def fingerprint(self) -> str:
        data = self._sequences
        return digest(data.lengths, data.values, self._targets, self._weights)

    def batches(self, generator: torch.Generator | None) -> list[Any]:
        count = len(self._sequences)
        order = torch.arange(count)
        if generator is not None:
            order = torch.randperm(count, generator=generator)
        return list(order.split(self._rows))

    def updates(self, batches: list[Any]) -> int:
        return len(batches)

    def pieces(self, batch: Tensor) -> Iterator[Example]:
        yield Example(self._sequences[batch], self._targets[batch], self._weights[batch])

    def score(self, piece: Example, state: State | None) -> Scored:
        log_prob = self._model.log_prob(piece.sequences, piece.targets) * piece.weights
        once = torch.ones(len(log_prob), dtype=torch.int64)
        return Scored(Sequences(log_prob, once), ())


class Steps(Protocol):
    """Sequences of steps, in whatever form a network reads them."""

    @property
    def lengths(self) -> Tensor:
        """`[n]`, on the CPU."""
        ...

    @property
    def fingerprint(self) -> str:
        """A short name for what is in them."""
        ...

    def pick(self, chosen: Tensor) -> Steps:
        """The chosen ones `[m]`, in that order."""
        ...


class StepLabeller(Protocol):
    """What predicts a label for every step."""

    def log_prob(self, steps: Any, labels: Tensor) -> Tensor:
        """In nats `[total]`, with gradients: log p of each label `[total]` given its sequence or,
        where a path is judged as a whole, each label's equal share in log p of the path."""
        ...


@dataclass(frozen=True)
class Labelled:
    """Whole sequences and the label of each of their steps."""

    steps: Steps
    labels: Sequences
    fresh: bool = True


class LabelledSteps:
    """The labels of all steps predicted from whole sequences, those of like length together.

    Gradients reach back to the first step, and no state is carried on.

    Args:
        model: what predicts.
        steps: n sequences, on the model's device.
        labels: `[total]` numbers beside them.
        rows: an update is computed from as many steps as so many sequences have on average.
    """

    def __init__(self, model: StepLabeller, steps: Steps, labels: Sequences, rows: int) -> None:
        self._model, self._steps, self._labels = model, steps, labels
        self._budget = max(1, round(rows * labels.total / max(1, len(labels))))

    @property
    def predictions(self) -> int:
        return self._labels.total

    @property
    def fingerprint(self) -> str:
        return f"{self._steps.fingerprint} {digest(self._labels.lengths, self._labels.values)}"

    def batches(self, generator: torch.Generator | None) -> list[Any]:
        lengths = self._labels.lengths
        return alike(lengths, lengths.clamp(min=1), self._budget, generator)

    def updates(self, batches: list[Any]) -> int:
        return len(batches)

    def pieces(self, batch: Tensor) -> Iterator[Labelled]:
        yield Labelled(self._steps.pick(batch), self._labels[batch])

    def score(self, piece: Labelled, state: State | None) -> Scored:
        log_prob = self._model.log_prob(piece.steps, piece.labels.values)
        return Scored(piece.labels.with_values(log_prob), ())


class Transducer(Protocol):
    """What predicts one sequence from another."""

    def log_prob(self, sources: Sequences, targets: Sequences) -> Sequences:
        """log p of every step of the targets and of their ends, in nats, with gradients."""
        ...


@dataclass(frozen=True)
class Couple:
    """Sequences beside those that are to be predicted from them."""

    sources: Sequences
    targets: Sequences
    fresh: bool = True


class Pairs:
    """Every step of a target, and its end, predicted from the target so far and all of its source.

    Args:
        model: what predicts.
        sources, targets: on the model's device.
        owner: `[targets]`, which source each target is of; there may be several of one. Its own,
            in order, unless given.
        budget: how many steps an update is computed from: of each pair, those of its longer half.
    """

    def __init__(
        self,
        model: Transducer,
        sources: Sequences,
        targets: Sequences,
        budget: int,
        owner: Tensor | None = None,
    ) -> None:
        self._model, self._sources, self._targets = model, sources, targets
        self._budget = budget
        self._owner = torch.arange(len(sources)) if owner is None else owner

    @property
    def predictions(self) -> int:
        return self._targets.total + len(self._targets)

    @property
    def fingerprint(self) -> str:
        both = (self._sources, self._targets)
        tensors = (tensor for part in both for tensor in (part.lengths, part.values))
        return digest(*tensors, self._owner)

    def batches(self, generator: torch.Generator | None) -> list[Any]:
        read, written = self._sources.lengths[self._owner], self._targets.lengths + 1
        longest = 1 + int(read.max()) if len(read) else 1
        key = written * longest + read  # by the length of the target, then of the source
        return alike(key, torch.maximum(read, written), self._budget, generator)

    def updates(self, batches: list[Any]) -> int:
        return len(batches)

    def pieces(self, batch: Tensor) -> Iterator[Couple]:
        yield Couple(self._sources[self._owner[batch]], self._targets[batch])

    def score(self, piece: Couple, state: State | None) -> Scored:
        return Scored(self._model.log_prob(piece.sources, piece.targets), ())
