"""State features: the pairs of an attribute and a label that have a weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.features.vocabulary import Encoded
from catena.kernels import features as kernel


@dataclass(frozen=True, eq=False)
class StateFeatures:
    """The weighted pairs, attribute by attribute.

    Args:
        pairs: int64 `[attributes + 1]`: attribute a goes with `labels[pairs[a]:pairs[a + 1]]`.
        labels: int32 `[features]`, from 0 to width - 1.
        width: how many labels there are.

    Raises:
        CatenaError: when the arrays do not fit together.
    """

    pairs: Tensor
    labels: Tensor
    width: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "pairs", self.pairs.to("cpu", torch.int64).contiguous())
        object.__setattr__(self, "labels", self.labels.to("cpu", torch.int32).contiguous())
        ends = len(self.pairs) > 0 and self.pairs[0] == 0 and self.pairs[-1] == len(self.labels)
        if not ends or bool((self.pairs.diff() < 0).any()):
            raise CatenaError("state features: pairs must grow from 0 to the number of labels")
        if (
            len(self.labels)
            and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < self.width
        ):
            raise CatenaError(f"state features: labels must lie from 0 to {self.width - 1}")
        if self.width >= 1 << 16:
            raise CatenaError(f"{self.width} labels are too many; there may be {(1 << 16) - 1}")
        if len(self.labels) >= 1 << 31:
            raise CatenaError(f"{len(self.labels)} state features are too many; raise the minimum")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def attributes(self) -> int:
        """How many attributes there are."""
        return len(self.pairs) - 1

    @staticmethod
    def seen(data: Encoded, labels: Tensor, width: int, minimum: int = 1) -> StateFeatures:
        """The pairs that occur together in training; with a minimum above 1, those whose values
        sum up to it at least.

        Args:
            labels: int64 `[total]`, the label of every step; or bool `[total, width]`, its labels.
            width: how many labels there are.
        """
        keys, values = _pairs(data, labels, width)
        if minimum > 1:
            keys, which = np.unique(keys, return_inverse=True)
            keys = keys[np.bincount(which, values, len(keys)) >= minimum]
        else:
            keys = _distinct(keys, data.attributes * width)
        return StateFeatures.of_keys(keys, data.attributes, width)

    @staticmethod
    def of_keys(keys: np.ndarray, attributes: int, width: int) -> StateFeatures:
        """The pairs of these keys, int64 `[features]`, attribute * width + label, rising."""
        sizes = np.bincount(keys // width, minlength=attributes)
        pairs = np.concatenate([np.zeros(1, np.int64), sizes.cumsum()])
        return StateFeatures(torch.from_numpy(pairs), torch.from_numpy(keys % width), width)

    @staticmethod
    def every(attributes: int, width: int) -> StateFeatures:
        """All pairs."""
        pairs = torch.arange(attributes + 1) * width
        return StateFeatures(pairs, torch.arange(width).repeat(attributes), width)

    @property
    def owners(self) -> Tensor:
        """int64 `[features]`: the attribute of each."""
        return torch.repeat_interleave(self.pairs.diff())

    def scores(self, data: Encoded, weights: Tensor) -> Tensor:
        """float64 `[total, width]`: for each step and label, the sum of value times weight.

        Args:
            weights: float64 `[features]`.
        """
        return self.scorer(weights)(data)

    def scorer(self, weights: Tensor) -> Callable[[Encoded], Tensor]:
        """`scores` for one part of the data after the other."""
        ready = self.spread(weights)

        def scores(data: Encoded) -> Tensor:
            self._check(data)
            to = torch.empty(len(data), self.width, dtype=torch.float64)
            kernel.scores(self._layout, data.rows, ready, to)
            return to

        return scores

    def spread(self, weights: Tensor, room: Room | None = None) -> kernel.Weights:
        """Weights as `Columns.scores` takes them.

        Args:
            weights: float64 `[features]`.
            room: where they are put, and written over by the next call with it.
        """
        _check_numbers("weights", weights, (len(self),))
        return kernel.spread(self._layout, weights.contiguous(), room and room.rows)

    def columns(self, data: Encoded) -> kernel.Columns:
        """Data as `gradient` and `count` take it, and which scores itself."""
        self._check(data)
        return kernel.Columns(self._layout, data.rows)

    def gradient(
        self, parts: Iterable[tuple[kernel.Columns, Tensor]], room: Room | None = None
    ) -> Tensor:
        """float64 `[features]`: the way back from the gradient of the scores to the weights.

        Args:
            parts: data, part by part, each with the gradient of its scores, float64
                `[total, width]`: for log Z, the marginals.
            room: where it is put, and written over by the next call with it.
        """
        sums = kernel.nothing(self._layout, room and room.sums)
        for columns, grad in parts:
            if columns.layout is not self._layout:
                raise CatenaError("these columns are of other features; take those of these")
            _check_numbers("grad", grad, (columns.total, self.width))
            columns.add_gradient(grad.contiguous(), sums)
        return kernel.gathered(self._layout, sums)

    def count(self, parts: Iterable[tuple[kernel.Columns, Tensor, Tensor]]) -> Tensor:
        """float64 `[features]`: the sum of the values with which each pair occurs.

        Args:
            parts: data, part by part, each with the label of every step, int64 `[total]`, and how
                much the step counts, float64 `[total]`.
        """
        return self.gradient((own, self._counted(own.total, *steps)) for own, *steps in parts)

    def _counted(self, total: int, labels: Tensor, weight: Tensor) -> Tensor:
        """float64 `[total, width]`: what each step counts, at its label."""
        _check_labels(total, labels, self.width)
        there = torch.zeros(total, self.width, dtype=torch.float64)
        return there.scatter_(1, labels.long()[:, None], weight[:, None])

    @cached_property
    def _layout(self) -> kernel.Layout:
        return kernel.lay_out(self.pairs, self.labels, self.width)

    def _check(self, data: Encoded) -> None:
        if data.attributes != self.attributes:
            raise CatenaError(
                f"steps of {data.attributes} attributes, where the features are of "
                f"{self.attributes}; encode the steps with the vocabulary of the features"
            )


class Room:
    """Memory for scoring and its way back, part by part, time and again.

    Memory of this size goes back to the system when it is given up, and comes from there anew, a
    page at a time: with some hundred thousand features that took a fifth of an iteration.

    Args:
        features: whose weights there are.
        steps: of the largest part.
    """

    def __init__(self, features: StateFeatures, steps: int) -> None:
        layout = features._layout
        self.sums = kernel.nothing(layout)
        self.rows = torch.zeros_like(self.sums.rows)
        self._scores = torch.empty(2, steps, features.width, dtype=torch.float64)

    def part(self, steps: int) -> tuple[Tensor, Tensor]:
        """Two of float64 `[steps, width]`: for a part's scores and their gradient."""
        scores, gradient = self._scores[:, :steps]
        return scores, gradient


class Changing:
    """Weights that are added to in place, a few steps at a time.

    Args:
        features: whose weights they are.
        weights: float64 `[features]`, where they begin.
    """

    def __init__(self, features: StateFeatures, weights: Tensor) -> None:
        _check_numbers("weights", weights, (len(features),))
        self._width = features.width
        self._layout = kernel.lay_out(features.pairs, features.labels, features.width, share=1)
        self._weights = kernel.spread(self._layout, weights.clone())

    def scores(self, rows: kernel.Rows) -> Tensor:
        """float64 `[steps, width]`: what the steps of `rows`, a part of encoded data, score."""
        to = torch.empty(len(rows.steps) - 1, self._width, dtype=torch.float64)
        kernel.scores(self._layout, rows, self._weights, to)
        return to

    def columns(self, rows: kernel.Rows) -> kernel.Columns:
        """The same steps as `add` takes them, on any weights of the same features."""
        return kernel.Columns(self._layout, rows)

    def add(self, columns: kernel.Columns, grad: Tensor) -> None:
        """Add to each weight what the gradient of the scores, float64 `[steps, width]`, says."""
        columns.add_gradient(grad, self._weights)

    def weights(self) -> Tensor:
        """A copy of them, float64 `[features]`."""
        return kernel.gathered(self._layout, self._weights).clone()


def _pairs(data: Encoded, labels: Tensor, width: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Each time that an attribute meets a label, attribute * width + label; and its value."""
    ids, sizes = data.ids.numpy(), np.diff(data.offsets.numpy())
    values = None if data.values is None else data.values.numpy()
    if labels.dtype != torch.bool:
        _check_labels(len(data), labels, width)
        return ids * np.int64(width) + np.repeat(labels.numpy().astype(np.int64), sizes), values
    place, label = labels.numpy()[np.repeat(np.arange(len(data)), sizes)].nonzero()
    return ids[place] * np.int64(width) + label, None if values is None else values[place]


def _distinct(keys: np.ndarray, most: int) -> np.ndarray:
    """The keys, each below `most`, once and rising."""
    if most > keys.nbytes:
        return np.unique(keys)
    # Marking all that there may be is several times as fast as sorting what there is.
    seen = np.zeros(most, bool)
    seen[keys] = True
    return seen.nonzero()[0]


def _check_labels(steps: int, labels: Tensor, width: int) -> None:
    if labels.shape != (steps,):
        raise CatenaError(f"labels of shape {tuple(labels.shape)} for {steps} steps")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < width:
        raise CatenaError(f"labels must lie from 0 to {width - 1}")


def _check_numbers(name: str, numbers: Tensor, shape: tuple[int, ...]) -> None:
    if numbers.dtype != torch.float64 or numbers.device.type != "cpu" or numbers.shape != shape:
        raise CatenaError(
            f"{name} must be float64 of shape {shape} on the CPU, not {numbers.dtype} of shape "
            f"{tuple(numbers.shape)} on {numbers.device}"
        )
