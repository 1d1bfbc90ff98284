"""From counts to the weights and backoffs of an n-gram table; the equations are in
`catena.ladder.markov`.

Each shares out all there is: Σ_w weight(c w) + backoff(c) = 1 in every context c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

# D(1), D(2), D(3 and more) where the counts of counts allow no estimate; lmplz falls back on the
# same.
FALLBACK = (0.5, 1.0, 1.5)


@dataclass(frozen=True)
class OrderCounts:
    """The n-grams whose contexts have one length.

    Args:
        length: of the contexts.
        context_keys, gram_keys: `[contexts]` and `[grams]`, sorted, as `catena.ngram` numbers them.
        context: `[grams]`, the number of each n-gram's context.
        raw: `[grams]`, how often each occurred.
        adjusted: `[grams]`, how many different symbols stood before it; raw where nothing longer
            was counted.
        full: `[contexts]`, whether nothing longer than this context is looked up.
    """

    length: int
    context_keys: Tensor
    gram_keys: Tensor
    context: Tensor
    raw: Tensor
    adjusted: Tensor
    full: Tensor

    def sums(self, values: Tensor) -> Tensor:
        """Sums of values `[grams]` over each context `[contexts]`, float64."""
        total = torch.zeros(len(self.context_keys), dtype=torch.float64)
        return total.index_add_(0, self.context, values.double())


class Shares(NamedTuple):
    """`weight [grams]`, `backoff [contexts]`, both float64, and what the user should know."""

    weight: Tensor
    backoff: Tensor
    note: str | None = None


def maximum_likelihood(counts: OrderCounts) -> Shares:
    """a = n / N, b = 0."""
    total = counts.sums(counts.raw)
    return Shares(counts.raw / total[counts.context], (total == 0).double())


def additive(counts: OrderCounts, alpha: float, outcomes: int) -> Shares:
    """a = n / (N + αV), b = αV / (N + αV), for the contexts that nothing longer is looked up for;
    the others pass on the uniform distribution as it is."""
    extra = alpha * outcomes
    total = counts.sums(counts.raw) + extra
    weight = torch.where(counts.full[counts.context], counts.raw / total[counts.context], 0.0)
    return Shares(weight, torch.where(counts.full, extra / total, 1.0))


def witten_bell(counts: OrderCounts) -> Shares:
    """a = n / (N + T), b = T / (N + T), in its interpolated form (Witten and Bell 1991)."""
    kinds = counts.sums(torch.ones_like(counts.raw))
    total = counts.sums(counts.raw) + kinds
    weight = counts.raw / total[counts.context]
    return Shares(weight, torch.where(total > 0, kinds / total, 1.0))


def modified_kneser_ney(counts: OrderCounts) -> Shares:
    """a = (m - D(m)) / M, b = Σ D(m) / M."""
    found, note = _discounts(counts.adjusted), None
    if found is None and len(counts.adjusted):
        note = (
            f"Kneser-Ney, {counts.length + 1}-grams: too little data to estimate the discounts; "
            f"used {', '.join(map(str, FALLBACK))} for counts of 1, 2, and 3 or more"
        )
    per_count = counts.adjusted.new_tensor([0.0, *(found or FALLBACK)], dtype=torch.float64)
    discount = per_count[counts.adjusted.clamp_max(3)]
    total = counts.sums(counts.adjusted)
    weight = (counts.adjusted - discount) / total[counts.context]
    return Shares(weight, torch.where(total > 0, counts.sums(discount) / total, 1.0), note)


def _discounts(adjusted: Tensor) -> tuple[float, ...] | None:
    """D(j) = j - (j + 1) n_1 / (n_1 + 2 n_2) n_{j+1} / n_j, where n_j is how many n-grams have the
    count j; None where that divides by zero or leaves (0, j]: with a discount of 0, nothing would
    be left for what was not seen."""
    n = torch.bincount(adjusted.clamp_max(5), minlength=5).tolist()
    if not (n[1] and n[2] and n[3]):
        return None
    share = n[1] / (n[1] + 2 * n[2])
    found = tuple(j - (j + 1) * share * n[j + 1] / n[j] for j in (1, 2, 3))
    return found if all(0 < d <= j for j, d in enumerate(found, 1)) else None


def smoothing(name: str, alpha: float, outcomes: int) -> Callable[[OrderCounts], Shares]:
    """The smoothing of that name, as a function of the counts of one order."""
    return {
        "none": maximum_likelihood,
        "add": lambda counts: additive(counts, alpha, outcomes),
        "witten_bell": witten_bell,
        "modified_kneser_ney": modified_kneser_ney,
    }[name]
