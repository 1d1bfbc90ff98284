"""A conditional random field over attributes: what it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.features.attributes import TEXT
from catena.features.state import StateFeatures
from catena.features.vocabulary import AttributeVocabulary, Encoded
from catena.linear_chain import LinearChain
from catena.sequences import Sequences
from catena.tasks.reader import Reader, Sentence


@dataclass(frozen=True, eq=False)
class FeatureCRF:
    """A learned field.

    Args:
        reader: what it reads of a sentence.
        labels: L of them, sorted.
        vocabulary: the attributes that it knows.
        features: which attributes have weights for which labels.
        weights: float64 `[features]`.
        transitions: float64 `[L, L]`, from one label to the next.

    Raises:
        CatenaError: when these do not fit together.
    """

    reader: Reader
    labels: tuple[str, ...]
    vocabulary: AttributeVocabulary
    features: StateFeatures
    weights: Tensor
    transitions: Tensor

    def __post_init__(self) -> None:
        width = len(self.labels)
        if len(set(self.labels)) < width or not all(isinstance(x, str) for x in self.labels):
            raise CatenaError("labels must be distinct strings")
        if (self.features.width, self.features.attributes) != (width, len(self.vocabulary)):
            raise CatenaError("the state features are of other labels or attributes")
        for numbers, shape in (
            (self.weights, (len(self.features),)),
            (self.transitions, (width, width)),
        ):
            if numbers.dtype != torch.float64 or numbers.shape != shape:
                raise CatenaError(f"weights must be float64 of shape {shape}")
            if not bool(numbers.isfinite().all()):
                raise CatenaError("weights must be finite")

    @property
    def chain(self) -> LinearChain:
        ends = self.transitions.new_zeros(len(self.labels))
        return LinearChain(self.transitions, ends, ends)

    @property
    def parameters(self) -> int:
        return len(self.weights) + int(self.transitions.count_nonzero())

    def scores(self, sentences: Sequence[Sentence]) -> Sequences:
        return Sequences(self._scorer(self._encoded(sentences)), lengths_of(sentences))

    def _encoded(self, sentences: Sequence[Sentence]) -> Encoded:
        if self.reader.given:
            encoded = self.vocabulary.encode_lists(list(chain.from_iterable(sentences)))
            if encoded is not None:
                return encoded
        return self.vocabulary.encode(self.reader.attributes(sentences))

    @cached_property
    def _scorer(self) -> Any:
        return self.features.scorer(self.weights)

    def heaviest(self, k: int) -> Iterator[tuple[str, list[tuple[float, str]]]]:
        """For each label, the k attributes that weigh most for or against it, and their weights."""
        order = self.weights.abs().argsort(descending=True, stable=True)
        order = order[self.weights[order] != 0]
        label_of = self.features.labels[order]
        owner = self.features.owners
        for number, label in enumerate(self.labels):
            chosen = order[label_of == number][:k]
            names = self.vocabulary.names.take(pa.array(owner[chosen].numpy())).to_pylist()
            yield label, list(zip(self.weights[chosen].tolist(), names, strict=True))

    def describe(self) -> dict[str, Any]:
        return {"labels": list(self.labels)}

    def tensors(self) -> dict[str, Tensor]:
        content, offsets = _packed(self.vocabulary.names)
        return {
            "names": content,
            "name_offsets": offsets,
            "pairs": self.features.pairs,
            "labels": self.features.labels,
            "weights": self.weights,
            "transitions": self.transitions,
        }

    @staticmethod
    def restore(
        reader: Reader, described: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> FeatureCRF:
        """The field that `describe` and `tensors` told of.

        Raises:
            CatenaError, KeyError, TypeError, ValueError: when they are damaged.
        """
        labels = tuple(described["labels"])
        vocabulary = AttributeVocabulary(_unpacked(tensors["names"], tensors["name_offsets"]))
        features = StateFeatures(tensors["pairs"], tensors["labels"], len(labels))
        return FeatureCRF(
            reader, labels, vocabulary, features, tensors["weights"], tensors["transitions"]
        )


def without_zeros(
    vocabulary: AttributeVocabulary, features: StateFeatures, weights: Tensor
) -> tuple[AttributeVocabulary, StateFeatures, Tensor]:
    """Only the features that weigh something, and only the attributes that have some."""
    kept = weights != 0
    sizes = torch.bincount(features.owners[kept], minlength=features.attributes)
    if bool(kept.all()) and bool(sizes.all()):
        return vocabulary, features, weights.clone()
    names = vocabulary.names.filter(pa.array((sizes > 0).numpy()))
    pairs = torch.cat([sizes.new_zeros(1), sizes[sizes > 0].cumsum(0)])
    left = StateFeatures(pairs, features.labels[kept], features.width)
    return AttributeVocabulary(names), left, weights[kept]


def lengths_of(sentences: Sequence[Sentence]) -> Tensor:
    return torch.tensor([len(sentence) for sentence in sentences], dtype=torch.int64)


def _packed(names: pa.Array) -> tuple[Tensor, Tensor]:
    """Strings as bytes, uint8 `[m]`, and where each begins, int64 `[u + 1]`."""
    encoded = [name.encode() for name in names.to_pylist()]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    content = np.frombuffer(b"".join(encoded), np.uint8).copy()
    return torch.from_numpy(content), torch.from_numpy(offsets)


def _unpacked(content: Tensor, offsets: Tensor) -> pa.Array:
    """The strings that `_packed` packed.

    Raises:
        CatenaError, ValueError: when these are not strings.
    """
    if (content.dtype, offsets.dtype) != (torch.uint8, torch.int64) or not len(offsets):
        raise CatenaError("names must be bytes beside their offsets")
    buffers = [pa.py_buffer(part.contiguous().numpy()) for part in (offsets, content)]
    names = pa.LargeStringArray.from_buffers(len(offsets) - 1, *buffers)
    names.validate(full=True)
    return names.cast(TEXT)
