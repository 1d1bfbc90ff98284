"""How texts are sought, and shown, as the options say."""

from __future__ import annotations

from dataclasses import replace

from catena.cli.given import Given, picked
from catena.cli.options import OF_SEARCH
from catena.errors import CatenaError
from catena.search import Beam
from catena.tasks.writing import Written, beam_of

WIDTH = 5  # of the beam unless given
# A text is one field of one line.
FIELD = str.maketrans("\r\n", "  ")


def beam(given: Given) -> Beam:
    """The search that the options describe.

    Raises:
        CatenaError: for a beam of no width, and where more texts are asked for than are sought.
    """
    chosen = picked(given, OF_SEARCH)
    width = chosen.pop("beam", WIDTH)
    if width < 1:
        raise CatenaError(f"--beam must be at least 1, not {width}")
    how = replace(beam_of(width), **chosen)
    n_best = given.get("n_best")
    if n_best is not None and not 1 <= n_best <= how.width:
        raise CatenaError(f"--n-best must be from 1 to {how.width}, the width of --beam")
    return how


def ranked(name: str | int, texts: list[Written]) -> list[str]:
    """A line for each text: what it was written from, log p, its score and the text."""
    return [f"{name}\t{one.log_prob:.4f}\t{one.score:.4f}\t{one.text}" for one in texts]


def fields(found: list[Written]) -> list[Written]:
    """The texts, each on one line."""
    return [one._replace(text=one.text.translate(FIELD)) for one in found]
