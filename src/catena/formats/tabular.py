"""Event tables from files: CSV and TSV, Parquet, JSON lines."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from catena.errors import CatenaError
from catena.formats.jsonlines import line_place, parse_json_lines
from catena.formats.numeric import NUMBER
from catena.formats.options import Options
from catena.formats.source import Source, decode
from catena.formats.table import Chosen, Table, choose

BLOCK = 1 << 24  # bytes that Arrow parses at a time; a row must fit


def read_csv(source: Source, options: Options) -> Table:
    """A table of cells as texts. An empty cell has no value; a quoted empty one is a text.

    The first row names the columns, except where the caller names none and all of it is numbers.

    Raises:
        CatenaError: at a row with more or fewer fields than the first, or a quote left open.
    """
    options.refuse(source.name, "a table", *_unwanted(options))
    text = decode(source, options)
    delimiter = _delimiter(source)
    first = _first_row(source.name, text, delimiter)
    named = options.names_columns or _is_header(source.name, first)
    names = first if named else [f"column {i + 1}" for i in range(len(first))]
    chosen = choose(source.name, names, options)
    rows = _parse_csv(source.name, text, delimiter, names, chosen)
    return Table(
        source.name,
        rows[1:] if named else rows,
        chosen,
        named,
        lambda row: _place(source.name, text, delimiter, row + named),
    )


def read_parquet(source: Source, options: Options) -> Table:
    """The chosen columns of a Parquet file, in the types it gives them."""
    options.refuse(source.name, "a table", "encoding", "errors", *_unwanted(options))
    file = _parquet(source)
    chosen = choose(source.name, file.schema_arrow.names, options)
    try:
        rows = file.read(columns=chosen.all).select(chosen.all)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(source, error) from error
    plain = pa.schema([(field.name, _plain(field.type)) for field in rows.schema])
    return Table(
        source.name, rows.cast(plain), chosen, True, lambda row: f"{source.name}, row {row + 1}"
    )


def read_frame(frame: Any, options: Options) -> Table:
    """The chosen columns of a frame: pandas, polars, Arrow, all that lends itself as Arrow.

    Raises:
        CatenaError: for what is no frame.
    """
    name = type(frame).__name__
    try:
        rows = pa.table(frame)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise CatenaError(
            f"a frame is needed (pandas, polars, Arrow), not {name} ({_brief(error)})"
        ) from error
    chosen = choose(name, rows.column_names, options)
    rows = rows.select(chosen.all)
    plain = pa.schema([(field.name, _plain(field.type)) for field in rows.schema])
    return Table(name, rows.cast(plain), chosen, True, lambda row: f"{name}, row {row + 1}")


def read_json_table(source: Source, options: Options) -> Table:
    """Objects, one event a line, as a table; a missing field has no value."""
    options.refuse(source.name, "a table", *_unwanted(options))
    records, lines = parse_json_lines(source, options)
    where = line_place(source.name, lines)
    if set(map(type, records)) != {dict}:
        odd = next(i for i, record in enumerate(records) if not isinstance(record, dict))
        raise CatenaError(f"{where(odd)}: an event must be an object with a field a column")
    names = list(dict.fromkeys(name for record in records[:1000] for name in record))
    chosen = choose(source.name, names, options)
    columns = {name: _json_column(records, name, where) for name in chosen.all}
    return Table(source.name, pa.table(columns), chosen, True, where)


def csv_names(source: Source, options: Options) -> list[str]:
    """The cells of the first row; raises as `read_csv` does."""
    return _first_row(source.name, decode(source, options), _delimiter(source))


def csv_cells(source: Source, options: Options) -> list[list[str]]:
    """All rows that are not empty, the first one too; raises as `read_csv` does."""
    text = decode(source, options)
    return [cells for _, cells in _rows(source.name, text, _delimiter(source))]


def parquet_names(source: Source, options: Options) -> list[str]:
    """What the columns are called; raises as `read_parquet` does."""
    return _parquet(source).schema_arrow.names


def label_column(table: Table) -> list[str]:
    """The label of every row, as a text.

    Raises:
        CatenaError: at the first row without one, and when the column holds fractions.
    """
    name = table.chosen.label
    assert name is not None
    column = table.column(name)
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        raise CatenaError(
            f"{table.name}, column {name!r}: holds {column.type}; labels are texts or whole "
            "numbers: convert it"
        )
    labels = column.cast(pa.string()).to_pylist()
    if not all(map(str.strip, labels)):
        row = next(i for i, label in enumerate(labels) if not label.strip())
        raise CatenaError(f"{table.at(row, name)}: no label; fill it in or leave the row out")
    return labels


def _unwanted(options: Options) -> list[str]:
    """A table grouped into sequences is no stream; one that is not, is one already."""
    grouped = ["stream"] if options.group_by is not None else []
    return grouped + (["unit"] if options.unit != "item" else [])


# -- CSV -----------------------------------------------------------------------------------


def _parse_csv(name: str, text: str, delimiter: str, names: list[str], chosen: Chosen) -> pa.Table:
    from pyarrow import csv as arrow_csv

    if text.count('"') % 2:
        _check_quotes(name, text, delimiter)
    wanted = [names.index(column) for column in chosen.all]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(text.encode()),
            arrow_csv.ReadOptions(
                column_names=[str(i) for i in range(len(names))], block_size=BLOCK
            ),
            arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values='"' in text),
            arrow_csv.ConvertOptions(
                include_columns=[str(i) for i in wanted],
                column_types={str(i): pa.large_string() for i in wanted},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, UnicodeError) as error:
        _check_widths(name, text, delimiter, len(names))
        raise CatenaError(f"{name}: not a table that can be read ({_brief(error)})") from error
    return table.rename_columns(chosen.all)


def _delimiter(source: Source) -> str:
    return "\t" if source.suffix == ".tsv" else ","


def _first_row(name: str, text: str, delimiter: str) -> list[str]:
    first = next(_rows(name, text, delimiter), None)
    if first is None:
        raise CatenaError(f"{name}: only empty lines; there is nothing to read")
    return first[1]


def _is_header(name: str, first: list[str]) -> bool:
    """Numbers only: a row. No numbers: names. Both: a fault that must not pass for names."""
    numbers = [cell for cell in first if re.match(NUMBER, cell)]
    if numbers and len(numbers) < len(first):
        text = next(cell for cell in first if not re.match(NUMBER, cell))
        raise CatenaError(
            f"{name}, line 1: {numbers[0]!r} is a number and {text!r} is not, so this is neither "
            "a row of numbers nor of names; mend it, or choose columns by name with --item"
        )
    return not numbers


def _rows(
    name: str, text: str, delimiter: str, strict: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of every row that is not empty, read slowly but with its place."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
    line = 1
    try:
        for fields in reader:
            if fields:
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise CatenaError(
            f"{name}, line {line}: a quote is opened and not rightly closed ({error}); close it, "
            'or write a quote inside a field twice ("")'
        ) from error


def _place(name: str, text: str, delimiter: str, row: int) -> str:
    lines = (line for line, _ in _rows(name, text, delimiter))
    return f"{name}, line {next(islice(lines, row, None))}"


def _check_widths(name: str, text: str, delimiter: str, expected: int) -> None:
    for line, fields in _rows(name, text, delimiter):
        if len(fields) != expected:
            raise CatenaError(
                f"{name}, line {line}: {len(fields)} fields, where line 1 has {expected}; mend "
                "the row (a field that holds a comma, tab or line break needs quotes)"
            )


def _check_quotes(name: str, text: str, delimiter: str) -> None:
    """Read to the end: an odd quote is a fault only where it opens a field that nothing closes."""
    deque(_rows(name, text, delimiter, strict=True), maxlen=0)


# -- Parquet and JSON ----------------------------------------------------------------------


def _parquet(source: Source) -> Any:
    """The opened file, its rows not yet read."""
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(pa.BufferReader(source.raw))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(source, error) from error


def _damaged(source: Source, error: BaseException) -> CatenaError:
    return CatenaError(
        f"{source.name}: not a Parquet file, or damaged or cut short ({_brief(error)}); "
        "write it again"
    )


def _plain(kind: pa.DataType) -> pa.DataType:
    """A dictionary's own values, views of texts as texts; other types as they are."""
    if str(kind) == "string_view":
        return pa.large_string()
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _json_column(records: list[dict[str, Any]], name: str, where: Callable[[int], str]) -> pa.Array:
    values = [record.get(name) for record in records]
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, UnicodeError, TypeError) as error:
        kinds = [type(value) for value in values]
        odd = next((i for i, kind in enumerate(kinds) if kind is not kinds[0]), 0)
        raise CatenaError(
            f"{where(odd)}, field {name!r}: {values[odd]!r} does not go with the lines before it; "
            "a field must hold texts only or numbers of at most 64 bits only"
        ) from error


def _brief(error: BaseException) -> str:
    return str(error).splitlines()[0].strip().removesuffix(".")[:200]
