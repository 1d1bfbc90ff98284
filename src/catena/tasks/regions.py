"""What a captioner looks at: the regions of pictures, or features that were found elsewhere.

A picture is a sequence of its rows, so that pictures are batched, shuffled and chosen as all
sequences are. A convolution makes of it a grid of regions, row after row of them:

    x^0 = (pixels - 1/2) / 1/4
    x^l = y + N(C(y)),  y = max(N(D x^{l-1}), 0)      D halves both sides, C is 3x3, N a group norm
    m_1..m_S = the last x^l, place by place           S = (side / 2^layers)²
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from catena.errors import CatenaError
from catena.ladder.neural import Embedding
from catena.ladder.rung import fraction, whole
from catena.sequences import Sequences
from catena.space import Vectors

# Channels are normalised in groups of so many: of one picture alone, never of its company.
GROUP = 8


@dataclass(frozen=True)
class Convolution:
    """How pictures become regions, learned from pixels together with the captions.

    Args:
        size: pictures are scaled to so many pixels on either side.
        widths: the channels of each layer; each halves both sides of the grid.
        dropout: the share of what the last layer shows that is dropped while learning.
        shift: while learning, a picture is moved by up to so many pixels up or down and to either
            side.

    Raises:
        CatenaError: for a value out of range.
    """

    size: int = 64
    widths: tuple[int, ...] = (32, 64, 128)
    dropout: float = 0.1
    shift: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        whole("size", self.size, 1)
        whole("shift", self.shift, 0)
        fraction("dropout", self.dropout)
        for width in self.widths:
            whole("a width", width, 1)
        if not self.widths or self.size % 2 ** len(self.widths):
            raise CatenaError(
                f"a size of {self.size} cannot be halved {len(self.widths)} times: choose a "
                f"multiple of {2 ** max(1, len(self.widths))}, or other widths"
            )

    def describe(self) -> dict[str, Any]:
        """Its options as JSON has them."""
        return asdict(self) | {"widths": list(self.widths)}

    @property
    def grid(self) -> int:
        """How many regions there are on either side."""
        return self.size // 2 ** len(self.widths)


class Pixels(nn.Module):
    """The regions of pictures."""

    def __init__(self, how: Convolution) -> None:
        super().__init__()
        self.how, self.width = how, how.widths[-1]
        self.layers = nn.Sequential(
            *(_Layer(*pair) for pair in zip((3, *how.widths), how.widths, strict=False))
        )
        self.dropout = nn.Dropout(how.dropout)

    def forward(self, sources: Sequences) -> Sequences:
        """Features `[n · grid², width]` of pictures `[n · size, size, 3]` of bytes."""
        size, count = self.how.size, len(sources)
        pictures = sources.values.reshape(count, size, size, 3)
        if self.training and self.how.shift:
            pictures = _shifted(pictures, self.how.shift)
        shown = self.layers(((pictures.float() / 255 - 0.5) / 0.25).permute(0, 3, 1, 2))
        regions = shown.permute(0, 2, 3, 1).reshape(-1, self.width)
        lengths = torch.full((count,), self.how.grid**2, dtype=torch.int64)
        return Sequences(self.dropout(regions), lengths)


class Given(nn.Module):
    """Features `[total, dim]` that were found elsewhere, centred, scaled and projected.

    Args:
        space: what they are.
        width: of what is shown.
        dropout: the share of it that is dropped while learning.
    """

    def __init__(self, space: Vectors, width: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.embed = Embedding(space, 0, 0.0, 0.0)
        self.linear = nn.Linear(space.dim, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, sources: Sequences) -> Sequences:
        shown = torch.tanh(self.linear(self.embed(sources.values)))
        return sources.with_values(self.dropout(shown))


class _Layer(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.keep = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.first = nn.GroupNorm(_groups(outputs), outputs)
        self.second = nn.GroupNorm(_groups(outputs), outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.first(self.down(x)))
        return y + self.second(self.keep(y))


def _groups(width: int) -> int:
    return width // GROUP if width % GROUP == 0 else 1


def _shifted(pictures: Tensor, most: int) -> Tensor:
    """Each picture `[n, size, size, 3]` moved by a number of pixels of its own either way; its
    edges are drawn out."""
    count, size = pictures.shape[:2]
    moves = torch.randint(-most, most + 1, (2, count, 1))
    rows, columns = ((torch.arange(size) + moves).clamp(0, size - 1)).to(pictures.device)
    which = torch.arange(count, device=pictures.device)[:, None, None]
    return pictures[which, rows[:, :, None], columns[:, None, :]]
