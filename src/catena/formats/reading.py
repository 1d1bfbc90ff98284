"""`read`: from what the user named to sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from catena.formats.data import Data, SpaceKind, concatenate
from catena.formats.events import sequences_of
from catena.formats.jsonlines import read_json_lines
from catena.formats.numeric import MAGIC as NPY
from catena.formats.numeric import read_npy
from catena.formats.options import ErrorPolicy, Options
from catena.formats.source import Source, open_sources
from catena.formats.table import Table, stack
from catena.formats.tabular import read_csv, read_json_table, read_parquet
from catena.formats.text import read_text
from catena.space import Unit

TABLES: dict[str, Callable[[Source, Options], Table]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".jsonl": read_json_table,
    ".ndjson": read_json_table,
    ".json": read_json_table,
    ".parquet": read_parquet,
}
SEQUENCES: dict[str, Callable[[Source, Options], Data]] = {
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json_lines,
    ".npy": read_npy,
}


def read(
    sources: str | Path | Sequence[str | Path],
    *,
    stream: bool | None = None,
    unit: Unit | None = None,
    encoding: str | None = None,
    errors: ErrorPolicy | None = None,
    group_by: str | None = None,
    order_by: str | None = None,
    item: str | None = None,
    space: SpaceKind | None = None,
) -> Data:
    """Read sequences from bundled sets, files and standard input.

    The suffix says what a file is, after .xz or .gz: .csv and .tsv, .jsonl (.ndjson, .json: one
    JSON value a line), .parquet, .npy; every other file is plain text. Standard input has no
    suffix: it is known by its first bytes where it is compressed, Parquet or .npy; it is a table
    where an option for tables is given (of JSON where it begins with a brace); else it is text.
    A bare name of a bundled set is that set; `./name` is a file.

    Args:
        sources: one or more; their sequences follow one another.
        stream: a text file is one long sequence in which the line break is a symbol, rather than
            a sequence a line. None: as the bundled set has it, else False.
        unit: what symbols texts are made of: `char` (the default), `word` or `byte`.
        encoding, errors: how bytes become characters (utf-8, strict).
        group_by: the column whose values name the sequences; a value that occurs in several
            files is one sequence. Without it a whole table is one sequence.
        order_by: the column that orders the events of a sequence, by size or as text; equals
            stay in the order of the file.
        item: the column of symbols, or one or several ("a,b,c") of measurements; in JSON lines
            the field that holds the sequence (a line is an event rather than a sequence where
            group_by, order_by or several columns are given).
        space: `vectors`, `bits` or `counts` read numbers as such even where they could be
            symbols; `symbols` the other way round.

    Raises:
        CatenaError: for all that can be wrong with a file, with its name, line and remedy.

    >>> read("faithful").sequences
    Sequences(1 sequences, 272 observations of shape (2,), float64)
    """
    options = Options(stream, unit, encoding, errors, group_by, order_by, item, space)
    opened = open_sources([sources] if isinstance(sources, (str, Path)) else sources)
    if group_by is not None:
        return sequences_of(stack([read_table(source, options) for source in opened]), options)
    return concatenate([_sequences(source, options) for source in opened])


def read_table(source: Source, options: Options) -> Table:
    """The chosen columns of one file of events."""
    kind = _kind(source, options)
    if kind not in TABLES:
        # These refuse the options for tables, each with its own reason.
        SEQUENCES.get(kind, read_text)(source, options)
    return TABLES[kind](source, options)


def _sequences(source: Source, options: Options) -> Data:
    kind = _kind(source, options)
    if kind in TABLES and (kind not in SEQUENCES or _names_events(options)):
        return sequences_of(read_table(source, options), options)
    return SEQUENCES.get(kind, read_text)(source, options)


def _names_events(options: Options) -> bool:
    """Whether JSON lines are single events, to be ordered or made of several columns."""
    return options.order_by is not None or "," in (options.item or "")


def _kind(source: Source, options: Options) -> str:
    """The suffix, or for standard input the one it should have had."""
    if source.suffix or source.name != "standard input":
        return source.suffix
    if source.raw.startswith(b"PAR1"):
        return ".parquet"
    if source.raw.startswith(NPY):
        return ".npy"
    if options.names_columns or options.measures:
        return ".jsonl" if source.raw.lstrip()[:1] in (b"{", b"[") else ".csv"
    return ""
