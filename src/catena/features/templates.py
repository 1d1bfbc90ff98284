r"""Templates: which columns of which steps around a step become its attributes.

A template file is CRF++'s or Wapiti's, one template a line:

    U01:%x[-1,0]          the word before: column 0 (counted from 0), one row up
    U02:%x[0,0]/%x[0,1]   the word and its second column, in one attribute
    U03:%X[0,0]           the word in small letters (Wapiti)
    U04:%m[0,0,"\u\l*"]   what a pattern finds in the word (Wapiti)
    U05:%t[0,0,"\d"]      whether a pattern finds anything: "true" or "false" (Wapiti)
    U06:%x[@1,0]          the first word of the sequence; @-1: the last one (Wapiti)
    B                     pairs of labels that follow each other
    *                     a literal attribute for every step, and pairs of labels (Wapiti)
    # a comment

Beyond the ends of a sequence stand the words _B-1, _B-2, ... and _B+1, _B+2, ...
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from catena.errors import CatenaError
from catena.features.patterns import compile_pattern

MACRO = re.compile(r'%([xXtTmM])\[\s*(@?)(-?\d+)\s*,\s*(\d+)\s*(?:,\s*"((?:[^"\\]|\\.)*)"\s*)?\]')
LONGEST_REACH = 10_000


@dataclass(frozen=True)
class Cell:
    """One column of one step near by.

    Args:
        row: how many steps on; negative: back. Where it is fixed, which step of the sequence: from
            1, or from its end, which is -1.
        column: which column, from 0.
        lower: in small letters.
        find: read only what this regular expression finds in it.
        test: read only whether it finds anything.
        fixed: whether all steps of a sequence read the same row.
    """

    row: int
    column: int
    lower: bool = False
    find: re.Pattern[str] | None = None
    test: bool = False
    fixed: bool = False


@dataclass(frozen=True)
class Template:
    """One attribute of a step: texts and cells, one after the other.

    Args:
        pieces: what is joined.
        place: where the template was written, for messages.
        at: which steps of a sequence have it.
    """

    pieces: tuple[str | Cell, ...]
    place: str
    at: Literal["all", "first", "last"] = "all"

    @property
    def cells(self) -> list[Cell]:
        return [piece for piece in self.pieces if isinstance(piece, Cell)]


@dataclass(frozen=True)
class Templates:
    """All templates of a model.

    Args:
        items: the attributes of a step, in their order.
        pairs: whether pairs of labels that follow each other have weights.
        edges: beyond the ends of a sequence, "mark" reads _B-1, _B+1 and so on, as CRF++ does;
            "skip" leaves an attribute out, as CRFsuite's examples do.
    """

    items: tuple[Template, ...]
    pairs: bool = True
    edges: Literal["mark", "skip"] = "mark"


def templates_of_fields(
    templates: Sequence[Sequence[tuple[str, int]]],
    fields: Sequence[str],
    ends: tuple[str, str] | None = ("__BOS__", "__EOS__"),
) -> Templates:
    """Templates as CRFsuite's examples write them: tuples of (field, row).

    The attribute of (("w", -1), ("w", 0)) is "w[-1]|w[0]=the|dog"; it is left out where a row lies
    beyond the sequence.

    Args:
        fields: the names of the columns, from the first.
        ends: attributes of a sequence's first and last step; None: there are none.

    Raises:
        CatenaError: when a template names a field that there is not.
    """
    items = [_of_fields(template, fields) for template in templates]
    first, last = ends or ("", "")
    if ends is not None:
        items.append(Template((first,), f"the attribute {first}", "first"))
        items.append(Template((last,), f"the attribute {last}", "last"))
    return Templates(tuple(items), edges="skip")


def _of_fields(template: Sequence[tuple[str, int]], fields: Sequence[str]) -> Template:
    name = "|".join(f"{field}[{row}]" for field, row in template)
    pieces: list[str | Cell] = [f"{name}="]
    for i, (field, row) in enumerate(template):
        if field not in fields:
            raise CatenaError(
                f"template {name}: there is no field {field}; the fields are {', '.join(fields)}"
            )
        pieces += ["|"] * (i > 0) + [Cell(row, fields.index(field))]
    return Template(tuple(pieces), f"template {name}")


def parse_templates(text: str, name: str) -> Templates:
    """The templates of a file's text.

    Args:
        name: the file's name, for messages.

    Raises:
        CatenaError: at a line that is no template, with the file and the line.
    """
    items, pairs = [], False
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        place = f"{name}, line {number}"
        kind = line[0]
        if kind not in "UuBb*":
            raise CatenaError(f"{place}: {line!r} is no template; templates start with U, B or *")
        template = Template(_pieces(line, place), place)
        pairs = pairs or kind in "Bb*"
        if kind in "Bb*" and template.cells:
            raise CatenaError(
                f"{place}: {line!r} would give each pair of labels a weight of its own for every "
                "word, which this model has not: a pair of labels weighs the same everywhere; "
                f"write {'U' + line[1:]!r} for labels beside the word, and 'B' for pairs of labels"
            )
        if kind in "Uu*":
            items.append(template)
    if not items and not pairs:
        raise CatenaError(f"{name}: only empty lines and comments; there is no template")
    return Templates(tuple(items), pairs)


def _pieces(line: str, place: str) -> tuple[str | Cell, ...]:
    pieces: list[str | Cell] = []
    end = 0
    for macro in MACRO.finditer(line):
        pieces += [line[end : macro.start()], _cell(macro, place)]
        end = macro.end()
    pieces.append(line[end:])
    for piece in pieces:
        if isinstance(piece, str) and "%" in piece:
            raise CatenaError(
                f"{place}: {piece[piece.index('%') :]!r} is no macro; write %x[row,column], or "
                '%t[row,column,"pattern"] and %m[row,column,"pattern"]; a row is a number, such as '
                "-1, or @1 for the first row of the sequence and @-1 for the last"
            )
    return tuple(piece for piece in pieces if piece != "")


def _cell(macro: re.Match[str], place: str) -> Cell:
    kind, fixed, pattern = macro[1], macro[2] == "@", macro[5]
    row, column = int(macro[3]), int(macro[4])
    if (kind in "xX") != (pattern is None):
        raise CatenaError(
            f'{place}: {macro[0]}: %t and %m have a pattern, as in %t[0,0,"\\u"], and %x has none'
        )
    if abs(row) > LONGEST_REACH:
        raise CatenaError(f"{place}: {macro[0]}: a row is at most {LONGEST_REACH} steps away")
    if fixed and row == 0:
        raise CatenaError(f"{place}: {macro[0]}: rows after @ count from 1, or back from -1")
    find = None if pattern is None else compile_pattern(pattern, place)
    return Cell(row, column, kind.isupper(), find, kind in "tT", fixed)
