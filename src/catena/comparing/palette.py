"""One colour a row, the same in every plot.

Hues are those of Okabe and Ito (2008), which people with any kind of colour vision can tell apart,
darkened where they are too faint for lines on white. Counting is grey and a kind of network keeps
its hue; where a kind has several rows, the later ones, which remember more, are the stronger.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from catena.comparing.result import Row

PAPER = ("#ffffff", "#16181b")  # what the colours stand on: light, dark
_HUES = {
    "Markov": ("#555e69", "#b8c1cc"),
    "independent": ("#555e69", "#b8c1cc"),
    "majority": ("#555e69", "#b8c1cc"),
    "HMM": ("#00845f", "#2fc79a"),
    "Window": ("#c98a00", "#f0b429"),
    "RNN": ("#3a9bd6", "#8fd3ff"),
    "GRU": ("#0060a0", "#3f8fe0"),
    "LSTM": ("#cc4e00", "#ff8a4c"),
    "BiLSTM": ("#8f2d00", "#ffb48c"),
    "CRF": ("#6a4fb3", "#b7a1f0"),
}
_OTHER = ("#a34d86", "#e39ac6")
_FADE = 0.55  # how far the faintest of a kind is from its hue to the paper


@dataclass(frozen=True)
class Colour:
    """A colour on light and on dark paper, as `#rrggbb`."""

    light: str
    dark: str


def colours(rows: Sequence[Row]) -> list[Colour]:
    """The colours of the rows, in their order."""
    kinds = [_kind(row) for row in rows]
    return [
        _faded(kind, _FADE * kinds[place + 1 :].count(kind) / max(1, kinds.count(kind) - 1))
        for place, kind in enumerate(kinds)
    ]


def _kind(row: Row) -> str:
    """The kind of rung, by its label: "Markov" of "Markov-2"."""
    found = re.match(r"\w+", row.label)
    return found[0] if found and found[0] in _HUES else ""


def _faded(kind: str, part: float) -> Colour:
    pairs = zip(_HUES.get(kind, _OTHER), PAPER, strict=True)
    return Colour(*(_mixed(hue, paper, part) for hue, paper in pairs))


def _mixed(colour: str, other: str, part: float) -> str:
    pairs = zip(bytes.fromhex(colour[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + bytes(round(a + (b - a) * part) for a, b in pairs).hex()
