"""Running a recurrence over a ragged batch: the only loop over given observations.

The scan owns lengths, direction, truncation and carried state, so that no model needs to. What is
not given yet is drawn step by step by `catena.search`. The module is not called `scan`: the public
name `catena.scan` loads on demand, and importing a module of that name would take its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
from torch import Tensor

from catena.kernels.registry import find
from catena.layout import Layout
from catena.recurrence import Recurrence, Scannable, State, select
from catena.sequences import Sequences, ranges


class Scanned(NamedTuple):
    """What a scan leaves behind.

    Args:
        features: what was read after each step, `[total, *features]` over the input's lengths.
        state: each sequence's last state, in the caller's order; of an empty one, its first.
    """

    features: Sequences
    state: State


def scan(
    recurrence: Scannable,
    inputs: Sequences,
    state: State | None = None,
    *,
    reverse: bool = False,
    backend: str | None = None,
) -> Scanned:
    """Run a recurrence over every sequence of a batch.

    Args:
        recurrence: anything with `start`, `step` and `read`.
        inputs: what `step` takes, one a step; sequences may be in any order and of any length.
        state: where each sequence starts, `[n, ...]`; `recurrence.start(n)` unless given.
        reverse: run each sequence from its own end to its beginning. The features stay beside the
            observations they were read at.
        backend: a kernel by name; without one, the fastest that is registered (see
            `catena.kernels.explain`).

    Raises:
        CatenaError: when the requested backend cannot scan this recurrence.

    >>> from catena.recurrence import FromFunction
    >>> total = FromFunction(lambda s, x, theta: (s[0] + x,), state=[()])
    >>> scanned = scan(total, Sequences.from_list([[1.0, 2.0, 3.0], [], [5.0]]))
    >>> scanned.features.to_list()[0].tolist(), scanned.state[0].tolist()
    ([1.0, 3.0, 6.0], [6.0, 0.0, 5.0])
    """
    layout = Layout(inputs.lengths)
    state = recurrence.start(len(inputs)) if state is None else state
    packed, sorted_state = layout.pack(inputs.values), select(state, layout.order)
    if reverse:
        packed = packed.index_select(0, layout.reversal.to(packed.device))
    features, last = run(recurrence, packed, layout, sorted_state, backend)
    if reverse:
        features = features.index_select(0, layout.reversal.to(features.device))
    return Scanned(inputs.with_values(layout.unpack(features)), select(last, layout.inverse))


def run(
    recurrence: Scannable,
    inputs: Tensor,
    layout: Layout,
    state: State,
    backend: str | None = None,
) -> tuple[Tensor, State]:
    """Scan inputs that are time-major already: what wrappers call, layer after layer."""
    kernel = find(recurrence, backend)
    if kernel is None:
        return reference(cast(Recurrence, recurrence), inputs, layout, state)
    return kernel(recurrence, inputs, layout, state)


def reference(
    recurrence: Recurrence, inputs: Tensor, layout: Layout, state: State
) -> tuple[Tensor, State]:
    """The loop over time. Rows whose sequence has ended are left behind, not computed.

    Args:
        inputs: `[total, *event]`, time-major.
        state: `[n, ...]`, longest sequence first.
    """
    features, ended, live = [], [], state
    for x in inputs.split(layout.batch_sizes.tolist()):
        if len(x) < len(live[0]):
            ended.append(tuple(part[len(x) :] for part in live))
            live = tuple(part[: len(x)] for part in live)
        live = recurrence.step(live, x)
        features.append(recurrence.read(live))
    pieces = [live, *reversed(ended)]
    last = tuple(torch.cat(parts) for parts in zip(*pieces, strict=True))
    return (torch.cat(features) if features else recurrence.read(state)[:0]), last


def spans(sequences: Sequences, span: int) -> Iterator[tuple[Sequences, Tensor]]:
    """Cut a batch along time, for truncated back-propagation and for long inputs.

    Yields pieces of at most `span` steps, each holding the same sequences in the same order (those
    that have ended are there with length 0), so that the state of one is the start of the next;
    beside each piece, `[n]`, whether the sequence's end lies in it.

    >>> batch = Sequences.from_list([[1, 2, 3], [4]])
    >>> for piece, ends in spans(batch, 2):
    ...     print([row.tolist() for row in piece], ends.tolist())
    [[1, 2], [4]] [False, True]
    [[3], []] [True, False]
    """
    longest = int(sequences.lengths.max()) if len(sequences) else 0
    if longest <= span:
        yield sequences, torch.ones(len(sequences), dtype=torch.bool)
        return
    for begin in range(0, longest, span):
        lengths = (sequences.lengths - begin).clamp(0, span)
        rows = ranges(sequences.offsets[:-1] + begin, lengths)
        remaining = sequences.lengths - begin
        ends = (remaining <= span) & ((remaining > 0) | (begin == 0))
        yield Sequences(sequences.values[rows.to(sequences.values.device)], lengths), ends
