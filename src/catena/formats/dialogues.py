"""Dialogues: turns of a conversation, in order.

plain text        a turn a line; an empty line ends the dialogue
tab-separated     a dialogue a line, its turns between tabs: pairs, where there are two
JSON lines        ["...", "..."], or an object with such a list under `turns` or `dialogue`; a turn
                  may be {"speaker": "...", "text": "..."}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from catena.errors import CatenaError
from catena.formats.data import Place, joined_place
from catena.formats.jsonlines import line_place, parse_json_lines
from catena.formats.options import ErrorPolicy, Options
from catena.formats.source import Source, decode, open_sources
from catena.formats.text import lines_of
from catena.tasks.turns import Turn

FIELDS = ("turns", "dialogue")


@dataclass(frozen=True, eq=False)
class Dialogues:
    """Dialogues as they were read.

    Args:
        name: the file or files, for people.
        turns: of each dialogue, in order.
        where: dialogue number -> where it came from.
    """

    name: str
    turns: list[list[Turn]] = field(repr=False)
    where: Place = field(repr=False)

    def __len__(self) -> int:
        return len(self.turns)

    def place(self, i: int) -> str:
        """Where dialogue i (from 0) came from: a file, and the line in it where it begins."""
        return self.where(i)


class _Part(NamedTuple):
    """The dialogues of one file, and the line that each begins in."""

    turns: list[list[Turn]]
    where: Place


def read_dialogues(
    sources: str | Path | Sequence[str | Path],
    *,
    encoding: str | None = None,
    errors: ErrorPolicy | None = None,
) -> Dialogues:
    """Read dialogues.

    The suffix says what a file is, after .xz or .gz: .jsonl (.ndjson, .json), .tsv; every other
    file is plain text. Standard input is JSON lines where it begins with a bracket or a brace.

    Args:
        sources: one or more files; their dialogues follow one another.
        encoding, errors: how bytes become characters (utf-8, strict).

    Raises:
        CatenaError: for all that can be wrong with a file, with its name, line and remedy.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "talk.txt"
    >>> _ = path.write_text("Hello\\nHi!\\n\\nWho is there?\\nMe.\\nWho?\\n")
    >>> [[turn.text for turn in turns] for turns in read_dialogues(path).turns]
    [['Hello', 'Hi!'], ['Who is there?', 'Me.', 'Who?']]
    """
    options = Options(encoding=encoding, errors=errors)
    opened = open_sources([sources] if isinstance(sources, (str, Path)) else sources)
    parts = [_reader(source)(source, options) for source in opened]
    return Dialogues(
        ", ".join(source.name for source in opened),
        list(chain.from_iterable(part.turns for part in parts)),
        joined_place([len(part.turns) for part in parts], [part.where for part in parts]),
    )


def _reader(source: Source) -> Callable[[Source, Options], _Part]:
    """How a file is read.

    Raises:
        CatenaError: for a kind of file that holds no dialogues.
    """
    if source.suffix in (".csv", ".npy", ".ts", ".parquet", ".yml", ".yaml"):
        raise CatenaError(
            f"{source.name}: no dialogues are read from {source.suffix}; write them as JSON lines, "
            "a list of turns a line, or as plain text, a turn a line and an empty line after each "
            "dialogue"
        )
    piped = source.name == "standard input" and source.raw.lstrip()[:1] in (b"[", b"{")
    return _of_json if piped else READERS.get(source.suffix, _of_text)


def _of_text(source: Source, options: Options) -> _Part:
    turns: list[list[Turn]] = []
    begins: list[int] = []
    going = False
    for number, line in enumerate(lines_of(_text(source, options)), 1):
        if line.strip() and not going:
            turns.append([])
            begins.append(number)
        if going := bool(line.strip()):
            turns[-1].append(Turn(line.strip()))
    return _some(source, turns, begins)


def _of_tabs(source: Source, options: Options) -> _Part:
    turns: list[list[Turn]] = []
    numbers: list[int] = []
    for number, line in enumerate(lines_of(_text(source, options)), 1):
        if not line.strip():
            continue
        texts = line.split("\t")
        if len(texts) == 1:
            raise CatenaError(
                f"{source.name}, line {number}: no tab; write turn<TAB>turn, or a turn a line in a "
                "file named .txt"
            )
        place = f"{source.name}, line {number}"
        turns.append([_said(text, None, f"{place}, field {k}") for k, text in enumerate(texts, 1)])
        numbers.append(number)
    return _some(source, turns, numbers)


def _of_json(source: Source, options: Options) -> _Part:
    records, lines = parse_json_lines(source, options)
    where = line_place(source.name, lines)
    turns = [
        [_turn(one, f"{where(i)}, turn {k}") for k, one in enumerate(_listed(record, where(i)), 1)]
        for i, record in enumerate(records)
    ]
    return _some(source, turns, lines)


def _listed(record: Any, place: str) -> list[Any]:
    """The list of turns in the value of a line.

    Raises:
        CatenaError: where there is none.
    """
    if isinstance(record, dict):
        record = next((record[name] for name in FIELDS if name in record), None)
    if not isinstance(record, list):
        raise CatenaError(
            f"{place}: not a list of turns, nor an object with one under {' or '.join(FIELDS)}"
        )
    return record


def _turn(value: Any, place: str) -> Turn:
    if not isinstance(value, dict):
        return _said(value, None, place)
    if "text" not in value:
        raise CatenaError(f"{place}: no field text (there are: {', '.join(value) or 'none'})")
    speaker = value.get("speaker")
    if speaker is not None and not isinstance(speaker, str):
        raise CatenaError(f"{place}: the speaker {speaker!r} is not a text")
    return _said(value["text"], speaker, place)


def _said(text: Any, speaker: str | None, place: str) -> Turn:
    """A turn.

    Raises:
        CatenaError: where there is no text, an empty one, or one that no file can hold.
    """
    if not isinstance(text, str):
        raise CatenaError(f"{place}: {text!r} is not a text")
    if not text.strip():
        raise CatenaError(f"{place}: empty; a turn says something: leave it out")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CatenaError(f"{place}: {text[error.start]!r} is half a character; mend it") from error
    return Turn(text, speaker)


def _some(source: Source, turns: list[list[Turn]], lines: Sequence[int]) -> _Part:
    if not turns:
        raise CatenaError(f"{source.name}: only empty lines; there is nothing to read")
    return _Part(turns, line_place(source.name, lines))


def _text(source: Source, options: Options) -> str:
    return decode(source, options).replace("\r\n", "\n")


READERS: dict[str, Callable[[Source, Options], _Part]] = {
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), _of_json),
    ".tsv": _of_tabs,
}
