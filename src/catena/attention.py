"""Attention: what matters now in a memory, over memories of any length.

    e_ts = score(q_t, k_s)
    a_ts = exp e_ts / Σ_s exp e_ts             over the memory's own steps
    c_t  = Σ_s a_ts v_s

    dot         q · m_s                                             v_s = m_s
    general     q · U m_s                                           v_s = m_s
    additive    w · tanh(W q + U m_s + b)                           v_s = m_s
    multi-head  (W q) · (U m_s) / √d, in each head                  v_s = V m_s

With coverage, k_s is k_s + n_ts u in place of the key (q, U m_s): n_ts is how much of step s was
attended to before t.

Sources: additive, Bahdanau et al. (2015); dot and general, Luong et al. (2015); multi-head, Vaswani
et al. (2017); coverage, Tu et al. (2016). The context of a memory of length 0 is zero.

Memories and queries stay ragged outside. Inside they are laid in rectangles for matrix products:
memories of like length share one, a memory's queries come in rows of at most `TILE`, and what is
padded gets a weight of exactly 0. A rectangle holds at most `SLACK` times its real steps, so the
longest memory of a batch costs the others nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from catena.errors import CatenaError
from catena.kernels import looking
from catena.kernels.looking import Memories
from catena.sequences import Sequences, ranges

ATTENTIONS = ("dot", "general", "additive", "multi-head")
# A memory joins a rectangle as long as that is at most so many times what is real in it ...
SLACK = 1.25
# ... or holds so few steps that another product would cost more than the padding.
SMALL = 512
TILE = 32
# Up to so many queries a memory, each is worked on by itself.
FEW = 8


class Attended(NamedTuple):
    """What queries get.

    Args:
        context: `[m, width]`.
        weights: `[m, longest]`, how much each step of its memory counts for a query, the mean over
            heads; 0 beyond the memory's end.
    """

    context: Tensor
    weights: Tensor


def attention_for(
    name: str, queries: int, memory: int, heads: int = 4, coverage: bool = False
) -> Attention:
    """An attention by its name.

    Args:
        queries, memory: how wide a query and a step of memory are.
        heads: of multi-head attention; the width of a query is shared among them.
        coverage: whether what was attended to before changes the scores.

    Raises:
        CatenaError: for widths that do not go together, and a name that there is not.
    """
    if name == "additive":
        return Additive(queries, memory, coverage)
    if name == "multi-head":
        return MultiHead(queries, memory, heads, coverage)
    if name in ("dot", "general"):
        return Multiplicative(queries, memory, name == "general", coverage)
    raise CatenaError(f"attention must be one of {', '.join(ATTENTIONS)}, not {name!r}")


class Multiplicative(nn.Module):
    """The product of a query and a step of memory, through a matrix or without.

    Of all kinds alike: `memory` makes of features `[total, width]` over n sequences what queries
    will meet; a call gives queries `[m, width]` their contexts, each over the memory `owner [m]`
    (on the CPU), and where there is coverage takes `covered [m, longest]`: how much each step was
    attended to before.
    """

    def __init__(self, queries: int, memory: int, general: bool, coverage: bool = False) -> None:
        super().__init__()
        if not general and queries != memory:
            raise CatenaError(
                f"dot attention needs queries and memory of one width, not {queries} and {memory}; "
                "choose general"
            )
        self.width = memory
        self.key = nn.Linear(memory, queries, bias=False) if general else nn.Identity()
        self.seen = _coverage_vector(1, queries, coverage)

    def memory(self, features: Sequences) -> Memory:
        return _remembered(self.key(features.values), features)

    def forward(
        self, queries: Tensor, owner: Tensor, memory: Memory, covered: Tensor | None = None
    ) -> Attended:
        return _by_products(self.seen, queries[:, None], owner, memory, covered)


class MultiHead(nn.Module):
    """Several products side by side, each over its own projection of queries and memory."""

    def __init__(self, queries: int, memory: int, heads: int, coverage: bool = False) -> None:
        super().__init__()
        if heads < 1 or queries % heads:
            raise CatenaError(f"a width of {queries} cannot be shared among {heads} heads")
        self.width, self.heads = queries, heads
        self.query = nn.Linear(queries, queries)
        self.key, self.value = nn.Linear(memory, queries), nn.Linear(memory, queries)
        self.seen = _coverage_vector(heads, queries // heads, coverage)

    def memory(self, features: Sequences) -> Memory:
        keys, values = self.key(features.values), self.value(features.values)
        return Memory(self._cut(keys), self._cut(values), features.lengths)

    def forward(
        self, queries: Tensor, owner: Tensor, memory: Memory, covered: Tensor | None = None
    ) -> Attended:
        scaled = self.query(queries) / math.sqrt(self.width // self.heads)
        return _by_products(self.seen, self._cut(scaled), owner, memory, covered)

    def _cut(self, values: Tensor) -> Tensor:
        return values.unflatten(1, (self.heads, -1))


class Additive(nn.Module):
    """A small network of a query and a step of memory."""

    def __init__(self, queries: int, memory: int, coverage: bool = False) -> None:
        super().__init__()
        self.width = memory
        self.query = nn.Linear(queries, queries)
        self.key = nn.Linear(memory, queries, bias=False)
        self.score = nn.Linear(queries, 1, bias=False)
        self.seen = _coverage_vector(1, queries, coverage)

    def memory(self, features: Sequences) -> Memory:
        return _remembered(self.key(features.values), features)

    def forward(
        self, queries: Tensor, owner: Tensor, memory: Memory, covered: Tensor | None = None
    ) -> Attended:
        return attend(self._scores, self.query(queries)[:, None], owner, memory, covered)

    def _scores(self, queries: Tensor, keys: Tensor, covered: Tensor | None) -> Tensor:
        both = queries[:, :, :, None] + keys[:, :, None]
        if self.seen is not None and covered is not None:
            both = both + covered[:, None, :, :, None] * self.seen[:, None, None]
        return self.score(torch.tanh(both)).squeeze(-1)


Attention = Multiplicative | MultiHead | Additive


class Memory:
    """Ragged memories, laid in rectangles once for all the queries that will come.

    Args:
        keys, values: `[total, heads, width]` each.
        lengths: `[n]`, on the CPU.
    """

    def __init__(self, keys: Tensor, values: Tensor, lengths: Tensor) -> None:
        self.values, self.lengths = values, lengths
        self.longest = int(lengths.max()) if len(lengths) else 0
        starts = lengths.cumsum(0) - lengths
        self.block = torch.full_like(lengths, -1)
        self.place = torch.zeros_like(lengths)
        self.blocks: list[_Block] = []
        for number, members in enumerate(alike(lengths)):
            self.block[members] = number
            self.place[members] = torch.arange(len(members))
            self.blocks.append(_Block.of(keys, values, starts[members], lengths[members]))
        self._sizes = keys.shape[1], keys.shape[2], values.shape[2]

    @cached_property
    def places(self) -> Memories:
        """Where they lie in the memory of the processor."""
        heads, width, shown = self._sizes
        keys, values, pitch = (torch.zeros_like(self.lengths) for _ in range(3))
        for number, laid in enumerate(self.blocks):
            own = self.block == number
            place, pitch[own] = self.place[own], laid.keys.shape[2]
            keys[own] = _addresses(laid.keys, place)
            values[own] = _addresses(laid.values, place)
        return Memories(keys, values, self.lengths, pitch, heads, width, shown, self.longest)


def _addresses(laid: Tensor, members: Tensor) -> Tensor:
    return laid.data_ptr() + members * (laid.stride(0) * laid.element_size())


@dataclass(frozen=True)
class _Block:
    """Memories of like length.

    Args:
        keys, values: `[members, heads, longest, width]`, zero where padded.
        real: `[members, longest]`.
    """

    keys: Tensor
    values: Tensor
    real: Tensor

    @staticmethod
    def of(keys: Tensor, values: Tensor, starts: Tensor, lengths: Tensor) -> _Block:
        count, longest = len(lengths), int(lengths.max())
        rows = ranges(starts, lengths).to(keys.device)
        places = ranges(torch.arange(count) * longest, lengths).to(keys.device)
        real = torch.arange(longest) < lengths[:, None]

        def laid(ragged: Tensor) -> Tensor:
            flat = put(take(ragged, rows), places, count * longest)
            return flat.unflatten(0, (count, longest)).transpose(1, 2).contiguous()

        return _Block(laid(keys), laid(values), real.to(keys.device))

    def chosen(self, members: Tensor) -> _Block:
        """The memories of some members, one as often as it is named."""
        if len(members) == len(self.real) and torch.equal(members, torch.arange(len(members))):
            return self
        members = members.to(self.keys.device)
        return _Block(*(part.index_select(0, members) for part in (*self._tensors, self.real)))

    @property
    def _tensors(self) -> tuple[Tensor, Tensor]:
        return self.keys, self.values


def alike(lengths: Tensor) -> list[Tensor]:
    """Which sequences may share a rectangle: all that are not empty, the longest first.

    >>> [group.tolist() for group in alike(torch.tensor([900, 0, 1000, 3, 2]))]
    [[2, 0], [3, 4]]
    """
    order = torch.argsort(lengths, descending=True, stable=True)
    sizes = lengths[order].tolist()
    groups: list[Tensor] = []
    begin, real = 0, 0
    for place, size in enumerate(sizes):
        area = sizes[begin] * (place - begin + 1)
        if not size or (place > begin and area > SMALL and area > SLACK * (real + size)):
            groups.append(order[begin:place])
            begin, real = place, 0
        if not size:
            break
        real += size
    else:
        groups.append(order[begin:])
    return [group for group in groups if len(group)]


class _Tiles(NamedTuple):
    """Queries in rows of `size`, each row over one memory.

    Args:
        members: `[tiles]`, the memory of each row.
        slot: `[m]`, where each query stands among the rows' `tiles · size` places.
    """

    members: Tensor
    slot: Tensor
    size: int


def _tiles(member: Tensor) -> _Tiles:
    counts = torch.bincount(member)
    size = min(int(counts.max()), TILE)
    rows = (counts + size - 1) // size
    order = torch.argsort(member, stable=True)
    rank = torch.empty_like(member)
    rank[order] = ranges(torch.zeros_like(counts), counts)
    first = rows.cumsum(0) - rows
    return _Tiles(torch.repeat_interleave(rows), first[member] * size + rank, size)


def attend(
    scores: Any, queries: Tensor, owner: Tensor, memory: Memory, covered: Tensor | None = None
) -> Attended:
    """Attention with any way to score.

    Args:
        scores: from queries `[tiles, heads, rows, width]`, keys `[tiles, heads, steps, width]` and
            what is covered `[tiles, rows, steps]` (or None) to `[tiles, heads, rows, steps]`.
        queries: `[m, heads, width]`.
        owner: `[m]`, on the CPU: which memory each query is about.
        covered: `[m, longest]`.
    """
    block = memory.block[owner]
    heads, width = memory.values.shape[1:]
    context = queries.new_zeros(len(queries), heads * width)
    weights = queries.new_zeros(len(queries), memory.longest)
    for number, laid in enumerate(memory.blocks):
        mine = (block == number).nonzero().squeeze(1)
        if not len(mine):
            continue
        tiles, rows = _tiles(memory.place[owner[mine]]), mine.to(queries.device)
        laid, steps = laid.chosen(tiles.members), laid.real.shape[1]
        seen = None if covered is None else take(covered[:, :steps], rows)
        own, shares = _in_block(scores, take(queries, rows), laid, tiles, seen)
        if len(mine) == len(queries):
            return Attended(own, nn.functional.pad(shares, (0, memory.longest - steps)))
        context = context + put(own, rows, len(queries))
        shares = nn.functional.pad(shares, (0, memory.longest - steps))
        weights = weights + put(shares, rows, len(queries))
    return Attended(context, weights)


def _in_block(
    scores: Any, queries: Tensor, laid: _Block, tiles: _Tiles, covered: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Contexts `[m, heads · width]` and weights `[m, steps]` of queries in one rectangle."""
    count, slot = len(tiles.members), tiles.slot.to(queries.device)

    def laid_out(ragged: Tensor) -> Tensor:
        return put(ragged, slot, count * tiles.size).unflatten(0, (count, tiles.size))

    seen = None if covered is None else laid_out(covered)
    e = scores(laid_out(queries).transpose(1, 2), laid.keys, seen)
    a = e.masked_fill(~laid.real[:, None, None, :], -math.inf).softmax(-1)
    context = (a @ laid.values).transpose(1, 2).flatten(2).flatten(0, 1)
    return take(context, slot), take(a.mean(1).flatten(0, 1), slot)


def _by_products(
    seen: Tensor | None, queries: Tensor, owner: Tensor, memory: Memory, covered: Tensor | None
) -> Attended:
    """Attention whose scores are products, in the way that suits so many queries."""
    few = len(queries) <= FEW * len(memory.lengths)
    if seen is None and few and _is_native(queries) and _is_native(memory.values):
        return Attended(*looking.attend(queries, owner, memory.places))
    return attend(_products(seen), queries, owner, memory, covered)


def _is_native(part: Tensor) -> bool:
    return part.is_cpu and part.dtype == torch.float32 and not torch.is_grad_enabled()


def _products(seen: Tensor | None) -> Any:
    """Scores that are products; n_ts q · u is added where there is coverage."""

    def scores(queries: Tensor, keys: Tensor, covered: Tensor | None) -> Tensor:
        e = queries @ keys.transpose(2, 3)
        if seen is None or covered is None:
            return e
        return e + (queries * seen[:, None]).sum(-1, keepdim=True) * covered[:, None]

    return scores


def _remembered(keys: Tensor, features: Sequences) -> Memory:
    """What queries meet: keys `[total, queries]`, and the features themselves."""
    return Memory(keys[:, None], features.values[:, None], features.lengths)


def _coverage_vector(heads: int, width: int, coverage: bool) -> nn.Parameter | None:
    """u, `[heads, width]`; it begins at 0: attention as it is without coverage."""
    return nn.Parameter(torch.zeros(heads, width)) if coverage else None


def take(values: Tensor, rows: Tensor) -> Tensor:
    """`values[rows]`, where no row is taken twice: its gradient need not add anything up."""
    return _Take.apply(values, rows)  # type: ignore[return-value]


def put(values: Tensor, rows: Tensor, count: int) -> Tensor:
    """`[count, ...]`, zero but for `values` in its rows, each named once: the inverse of `take`."""
    return _Put.apply(values, rows, count)  # type: ignore[return-value]


class _Take(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, rows: Tensor) -> Tensor:
        ctx.count = len(values)
        ctx.save_for_backward(rows)
        return values.index_select(0, rows)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return put(grad, ctx.saved_tensors[0], ctx.count), None


class _Put(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, rows: Tensor, count: int) -> Tensor:
        ctx.save_for_backward(rows)
        laid = values.new_zeros(count, *values.shape[1:])
        laid[rows] = values
        return laid

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return take(grad, ctx.saved_tensors[0]), None, None
