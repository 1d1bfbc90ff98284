"""Which items of a piece of sessions are read, in time-major order, and what each predicts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from catena.layout import Layout


class SessionSteps(NamedTuple):
    """Places are among the items of the piece, `[total]`, one session after the other.

    An item that ends its session is followed by nothing, so that it is not read: it is only
    predicted.

    Args:
        layout: of what is read, session by session.
        read: `[read]`, the items that are read, time-major.
        slots: `[m]`, which of them predict; None where all do.
        targets: `[m]`, the item that each of these predicts.
        begins: `[b]`, the first items of sessions that go on from the piece before, which their
            state predicts; and begun `[b]`, which sessions these are.
    """

    layout: Layout
    read: Tensor
    slots: Tensor | None
    targets: Tensor
    begins: Tensor
    begun: Tensor


def session_steps(lengths: Tensor, ends: Tensor, fresh: bool) -> SessionSteps:
    """What a piece of sessions asks for.

    Args:
        lengths: `[n]`, how many items of each session the piece has.
        ends: `[n]`, whether the session ends here.
        fresh: whether the sessions begin here.
    """
    count = lengths.numpy()
    starts = count.cumsum() - count
    layout = Layout(torch.from_numpy((count - ends.numpy()).clip(0)))
    reads = layout.lengths.numpy()
    owner = layout.order.numpy()[layout.rows.numpy()]
    read = layout.index.numpy() + (starts - (reads.cumsum() - reads))[owner]
    follows = read + 1 < (starts + count)[owner]
    all_follow = bool(follows.all())
    begun = np.empty(0, dtype=np.int64) if fresh else count.nonzero()[0]
    return SessionSteps(
        layout,
        torch.from_numpy(read),
        None if all_follow else torch.from_numpy(follows.nonzero()[0]),
        torch.from_numpy((read if all_follow else read[follows]) + 1),
        torch.from_numpy(starts[begun]),
        torch.from_numpy(begun),
    )
