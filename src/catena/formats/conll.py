"""Files of tokens: one a line, its columns side by side, sentences apart by empty lines.

    CoNLL-2000   form pos chunk, by single spaces
    CoNLL-2003   form pos chunk entity, and -DOCSTART- lines between documents
    CoNLL-U      ten columns by tabs; comments (#), multiword tokens (1-2), empty nodes (1.1)
    TSV          form and label by a tab, or whatever columns the caller names

The lines are kept as they are, so that a file whose labels are replaced is the same in every other
byte: comments, empty lines, the blanks between columns, the ends of lines.

Source: universaldependencies.org/format.html for CoNLL-U.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from catena.errors import CatenaError
from catena.formats.options import ErrorPolicy, Options
from catena.formats.source import BOM, Source, decode, open_sources

CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
USUAL = {
    1: ("form",),
    2: ("form", "label"),
    3: ("form", "pos", "label"),
    4: ("form", "pos", "chunk", "label"),
}
UNUSED = "_"  # a column without a use; in a cell of CoNLL-U, no value
DOCUMENT = "-DOCSTART-"
CELL = re.compile(r"[^ \t\r\n]+")
TABBED_CELL = re.compile(r"[^\t\r\n]+")
TOKEN_ID = re.compile(r"[1-9]\d*")
OTHER_ID = re.compile(r"\d+\.\d+|\d+-\d+")


@dataclass(frozen=True)
class Style:
    """How the cells of a line are told apart.

    Args:
        tabbed: by one tab each; otherwise by blanks, however many.
        conllu: as in CoNLL-U, where a line may be a comment, a multiword token or an empty node.
    """

    tabbed: bool
    conllu: bool = False

    def cells(self, line: str) -> list[str]:
        """What stands in each column."""
        body = line.removesuffix("\r")
        if self.tabbed:
            return body.split("\t")
        # Single spaces are the rule, and splitting there is several times as fast.
        cells = body.split(" ")
        return CELL.findall(body) if "" in cells or "\t" in body else cells

    def put(self, line: str, at: int, value: str) -> str:
        """The line with another value in column `at`, or behind the last where that is not one."""
        body = line.removesuffix("\r")
        end = line[len(body) :]
        if self.tabbed:
            cells = body.split("\t")
            return "\t".join([*cells[:at], value, *cells[at + 1 :]]) + end
        found = list(CELL.finditer(body))
        if at == len(found):
            gap = "\t" if "\t" in body else " "
            return f"{body}{gap}{value}{end}"
        return line[: found[at].start()] + value + line[found[at].end() :]

    def fits(self, value: str) -> bool:
        """Whether a value can stand in a cell."""
        pattern = TABBED_CELL if self.tabbed else CELL
        return pattern.fullmatch(value) is not None


@dataclass(frozen=True, eq=False)
class TokenFile:
    """The tokens of one file, and every line of it.

    Args:
        name: the file, for messages.
        columns: the name of each column; `_` is one without a use.
        style: how lines are cut into cells.
        encoding: how the file's bytes are read.
        lines: the whole file, cut at line feeds.
        rows: for each sentence, the numbers of its tokens' lines, from 0.
        documents: the numbers of the -DOCSTART- lines.
    """

    name: str
    columns: tuple[str, ...]
    style: Style
    encoding: str
    lines: list[str] = field(repr=False)
    rows: list[list[int]] = field(repr=False)
    documents: list[int] = field(repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def label(self) -> str:
        """The column of labels."""
        return label_of(self.columns)

    def place(self, sentence: int, token: int = 0) -> str:
        """Where a token stands, both numbers from 0: the file and the line."""
        return f"{self.name}, line {self.rows[sentence][token] + 1}"

    def blocks(self) -> Iterator[tuple[int | None, list[int]]]:
        """The numbers of the lines that stand together, and which sentence they hold: its tokens
        and what stands among and around them, as comments and multiword tokens do; None where
        there is no token, as in a -DOCSTART- line."""
        owner = {line: i for i, rows in enumerate(self.rows) for line in rows}
        documents, block = set(self.documents), []
        for number, line in enumerate([*self.lines, ""]):
            apart = number in documents
            if block and (apart or not line or line.isspace()):
                yield next((owner[one] for one in block if one in owner), None), block
                block = []
            if apart:
                yield None, [number]
            elif line and not line.isspace():
                block.append(number)

    def named(self, columns: Sequence[str]) -> TokenFile:
        """The same with these names of columns, that of labels only where there are so many.

        Raises:
            CatenaError: when it has more or fewer columns.
        """
        rest = tuple(name for name in columns if name != label_of(columns))
        for names in (tuple(columns), rest):
            if len(names) == len(self.columns):
                return replace(self, columns=names)
        raise CatenaError(
            f"{self.name}: {len(self.columns)} columns, where the model learned from "
            f"{','.join(columns)}; name them in their order with --columns, _ where one has no use"
        )

    def column(self, name: str) -> list[list[str]]:
        """One column, a list for each sentence.

        Raises:
            CatenaError: when there is no such column.
        """
        if name not in self.columns or name == UNUSED:
            raise CatenaError(
                f"{self.name}: there is no column {name!r} (there are: {', '.join(self.columns)}); "
                "name them in their order with --columns"
            )
        at, cells, lines = self.columns.index(name), self.style.cells, self.lines
        return [[cells(lines[line])[at] for line in rows] for rows in self.rows]

    def labels(self, name: str | None = None) -> list[list[str]]:
        """The column of labels, or another one, once every token is known to have a value.

        Raises:
            CatenaError: at the first token without one.
        """
        wanted = self.label if name is None else name
        labels = self.column(wanted)
        missing = {"", UNUSED} if self.style.conllu else {""}
        for i, sentence in enumerate(labels):
            if missing.isdisjoint(sentence):
                continue
            step = next(step for step, label in enumerate(sentence) if label in missing)
            raise CatenaError(
                f"{self.place(i, step)}: no label in column {wanted!r}; write one, or leave the "
                "sentence out",
                i,
                step,
            )
        return labels

    def replaced(self, values: Sequence[Sequence[str]], name: str | None = None) -> bytes:
        """The file as `with_column` makes it; raises likewise."""
        return self.encoded("\n".join(self.with_column(values, name).lines))

    def with_column(self, values: Sequence[Sequence[str]], name: str | None = None) -> TokenFile:
        """The file with other values in one column, by default that of labels, and every other
        byte as it was. A column that the file does not have is put behind the last.

        Raises:
            CatenaError: when a sentence has more or fewer values than tokens, a value does not fit
                into a cell or the encoding, or CoNLL-U would get an eleventh column.
        """
        wanted = self.label if name is None else name
        at = self._place_of(wanted)
        lines = self.lines.copy()
        for line, value in self._beside(values):
            lines[line] = self.style.put(lines[line], at, value)
        if at < len(self.columns):
            return replace(self, lines=lines)
        for line in self.documents:
            lines[line] = self.style.put(lines[line], at, "O")
        return replace(self, lines=lines, columns=(*self.columns, wanted))

    def _place_of(self, name: str) -> int:
        if name in self.columns and name != UNUSED:
            return self.columns.index(name)
        if self.style.conllu:
            raise CatenaError(
                f"{self.name}: CoNLL-U has no column {name!r}; choose one of {', '.join(CONLLU)}"
            )
        return len(self.columns)

    def _beside(self, values: Sequence[Sequence[str]]) -> Iterator[tuple[int, str]]:
        """The number of each token's line, and its value."""
        if len(values) != len(self):
            raise CatenaError(f"{self.name} has {len(self)} sentences, not {len(values)}")
        for i, (rows, sentence) in enumerate(zip(self.rows, values, strict=True)):
            if len(sentence) != len(rows):
                raise CatenaError(
                    f"{self.place(i)}: a sentence of {len(rows)} tokens, but {len(sentence)} values"
                )
            for step, (line, value) in enumerate(zip(rows, sentence, strict=True)):
                if not self.style.fits(value):
                    raise CatenaError(f"{self.place(i, step)}: {value!r} does not fit into a cell")
                yield line, value

    def encoded(self, text: str) -> bytes:
        """Text as bytes of the file's encoding; raises where that has not all characters."""
        try:
            return text.encode(self.encoding)
        except UnicodeEncodeError as error:
            raise CatenaError(
                f"{self.name}: {text[error.start]!r} cannot be written as {self.encoding}; "
                "convert the file to utf-8"
            ) from error


def label_of(columns: Sequence[str]) -> str:
    """The column of labels: `label`, or in CoNLL-U `upos`, else the last."""
    return next((name for name in ("label", "upos") if name in columns), columns[-1])


def read_tokens(
    source: str | Path,
    *,
    columns: str | Sequence[str] | None = None,
    encoding: str | None = None,
    errors: ErrorPolicy | None = None,
) -> TokenFile:
    """Read a file of tokens, compressed (.xz, .gz) or not; `-` is standard input.

    It is CoNLL-U where its suffix is .conllu or its first token looks like it. Otherwise columns
    are separated by tabs where the first token has one, else by blanks, and `#` begins no comment:
    it is a token of CoNLL-2000.

    Args:
        columns: their names in order, as `form,pos,label`; `_` for one without a use. None: the
            names of CoNLL-U; else form, then pos and chunk where there are so many, and at last
            label.
        encoding, errors: how bytes become characters (utf-8, strict).

    Raises:
        CatenaError: with the file and the line, when a token has more or fewer columns than the
            first or than are named, when CoNLL-U's first column is no number, at a stray carriage
            return, and when there is no token at all.
    """
    return tokens_in(open_sources([source])[0], columns, Options(encoding=encoding, errors=errors))


def tokens_in(opened: Source, columns: str | Sequence[str] | None, options: Options) -> TokenFile:
    """The tokens of one file; raises as `read_tokens` does."""
    lines = decode(opened, options).split("\n")
    _check_ends(opened.name, lines)
    first = next((i for i, line in enumerate(lines) if _is_token(line, opened.suffix)), None)
    if first is None:
        raise CatenaError(f"{opened.name}: no tokens; there is nothing to read")
    style = _style(opened, lines[first])
    names = _names(opened.name, columns, lines[first], first, style)
    rows, documents = _sentences(opened.name, lines, style, len(names))
    marked = opened.raw.startswith(BOM.encode())
    written = "utf-8-sig" if marked else options.encoding or "utf-8"
    return TokenFile(opened.name, names, style, written, lines, rows, documents)


def _check_ends(name: str, lines: list[str]) -> None:
    """Refuse a carriage return that does not stand before a line feed: a cell could not hold it."""
    wrong = next((i for i, line in enumerate(lines) if "\r" in line[:-1]), None)
    if wrong is not None:
        raise CatenaError(
            f"{name}, line {wrong + 1}: a carriage return inside the line; end lines with "
            "line feeds"
        )


def _is_token(line: str, suffix: str) -> bool:
    """Whether the first such line shows what the file is."""
    comment = line.startswith("#") and (suffix == ".conllu" or "\t" not in line)
    return bool(line.strip()) and not comment and not line.startswith(DOCUMENT)


def _style(source: Source, token: str) -> Style:
    cells = Style(tabbed=True).cells(token)
    looks = len(cells) == len(CONLLU) and _is_id(cells[0])
    conllu = source.suffix == ".conllu" or looks
    return Style(tabbed=conllu or source.suffix == ".tsv" or "\t" in token, conllu=conllu)


def _is_id(cell: str) -> bool:
    return TOKEN_ID.fullmatch(cell) is not None or OTHER_ID.fullmatch(cell) is not None


def _names(
    name: str, columns: str | Sequence[str] | None, token: str, line: int, style: Style
) -> tuple[str, ...]:
    """The columns' names, as many as the first token has columns."""
    count = len(style.cells(token))
    if columns is None:
        middle = tuple(f"column {i}" for i in range(2, count))
        return CONLLU if style.conllu else USUAL.get(count, ("form", *middle, "label"))
    names = tuple(columns.split(",") if isinstance(columns, str) else columns)
    names = tuple(part.strip() for part in names)
    used = [part for part in names if part != UNUSED]
    if "" in names or len(set(used)) < len(used) or not used:
        raise CatenaError(
            f"--columns {','.join(names)}: give each column another name, _ where it has no use"
        )
    if len(names) != count:
        raise CatenaError(
            f"{name}, line {line + 1}: {count} columns, but --columns names {len(names)} "
            f"({', '.join(names)}); name each, _ where it has no use"
        )
    return names


def _sentences(
    name: str, lines: list[str], style: Style, width: int
) -> tuple[list[list[int]], list[int]]:
    """The numbers of the lines of each sentence's tokens, and of those that begin documents."""
    rows: list[list[int]] = [[]]
    documents: list[int] = []
    for number, line in enumerate(lines):
        if not line or line.isspace():
            rows.append([])
        elif style.conllu and line[0] == "#":
            continue
        elif line.startswith(DOCUMENT):
            documents.append(number)
            rows.append([])
        elif _counts(name, number, style.cells(line), style, width):
            rows[-1].append(number)
    return [row for row in rows if row], documents


def _counts(name: str, number: int, cells: list[str], style: Style, width: int) -> bool:
    """Whether a line is a token to be labelled, and not a multiword token or an empty node.

    Raises:
        CatenaError: when it has not as many columns as it must.
    """
    if len(cells) != width:
        raise CatenaError(
            f"{name}, line {number + 1}: {_columns(len(cells))}, where {width} are expected; give "
            f"every token as many, and separate sentences by an empty line{_hint(cells, style)}"
        )
    if not style.conllu or TOKEN_ID.fullmatch(cells[0]):
        return True
    if OTHER_ID.fullmatch(cells[0]):
        return False
    raise CatenaError(
        f"{name}, line {number + 1}: {cells[0]!r} is no number of a token in CoNLL-U, which are "
        "such as 1, 1-2 and 1.1"
    )


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"


def _hint(cells: list[str], style: Style) -> str:
    """What may be behind a wrong number of columns."""
    if style.tabbed and len(cells) == 1 and len(CELL.findall(cells[0])) > 1:
        return " (this line has spaces where others have tabs)"
    return "" if style.tabbed or cells[0] != "#" else " (comments are for CoNLL-U, .conllu)"
