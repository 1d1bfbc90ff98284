"""Files of tokens as a tagger takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import accumulate, chain

from catena.cli.given import Given, picked
from catena.errors import CatenaError
from catena.formats import TokenFile
from catena.formats.conll import CONLLU, UNUSED, label_of, tokens_in
from catena.formats.crfsuite import LabelledSteps, read_crfsuite
from catena.formats.labelled import JSON
from catena.formats.options import ErrorPolicy, Options
from catena.formats.source import STDIN, open_sources
from catena.formats.token_lines import TokenLines, token_lines
from catena.formats.token_tables import TokenTable, token_table
from catena.tasks.reader import Sentence

FORM = "form"
TABLES = (".csv", ".parquet")  # never a token a line, as .tsv may be
OBJECT = b'{"'  # how JSON lines begin

Tokens = TokenFile | TokenLines | TokenTable


@dataclass(frozen=True)
class TokenReading:
    """The options that say how files of tokens are read."""

    columns: str | None = None
    encoding: str | None = None
    errors: ErrorPolicy | None = None
    group_by: str | None = None
    order_by: str | None = None

    @classmethod
    def of(cls, given: Given) -> TokenReading:
        """As the command line says."""
        return cls(**picked(given, [field.name for field in fields(cls)]))

    def read(self, source: str) -> Tokens:
        """One file: a table where its sentences are told apart by a column, JSON lines, or tokens
        a line.

        Raises:
            CatenaError: for a table without --group-by, and for all that can be wrong with a file.
        """
        opened = open_sources([source])[0]
        if self.group_by is not None:
            return token_table(opened, self.columns, self._options())
        if self.order_by is not None:
            raise CatenaError("--order-by needs --group-by, which tells sentences apart")
        if opened.suffix in TABLES:
            raise CatenaError(
                f"{opened.name}: a {opened.suffix} is a table; name the column that tells its "
                "sentences apart with --group-by"
            )
        if opened.suffix in JSON or (source == STDIN and opened.raw.lstrip().startswith(OBJECT)):
            return token_lines(opened, self.columns, self._options())
        return tokens_in(opened, self.columns, self._options())

    def read_as(self, source: str, learned: Sequence[str]) -> Tokens:
        """One file with the columns that a model learned from; that of labels may be missing.

        Raises:
            CatenaError: when the file has more or fewer columns and the caller named none.
        """
        file = self.read(source)
        return file if self.columns is not None else file.named(learned)

    def _options(self) -> Options:
        return Options(
            encoding=self.encoding,
            errors=self.errors,
            group_by=self.group_by,
            order_by=self.order_by,
        )


def read_labelled(files: Sequence[Tokens], learned: Sequence[str]) -> Corpus:
    """The sentences of several files and their labels.

    Args:
        learned: the columns that a model learned from, or is to learn from.

    Raises:
        CatenaError: when a file has not those that are read, and at a token without a label.
    """
    label, names = label_of(learned), inputs(learned)
    labels = list(chain.from_iterable(file.labels(label) for file in files))
    read = list(chain.from_iterable(sentences(file, names) for file in files))
    return Corpus(list(files), read, labels)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Labelled sentences of one or several files."""

    files: list[Tokens]
    sentences: list[Sentence]
    labels: list[list[str]]

    @property
    def name(self) -> str:
        """Of the files."""
        return ", ".join(file.name for file in self.files)

    def place(self, sentence: int, token: int) -> str:
        """Where a token stands, both numbers from 0: the file and the line."""
        ends = list(accumulate(len(file) for file in self.files))
        which = next(i for i, end in enumerate(ends) if sentence < end)
        file = self.files[which]
        return file.place(sentence - ends[which] + len(file), token)


@dataclass(frozen=True, eq=False)
class AttributeCorpus:
    """Labelled steps of CRFsuite's data, for a tagger whose tokens are attributes."""

    files: list[tuple[str, LabelledSteps]]

    @property
    def name(self) -> str:
        """Of the files."""
        return ", ".join(name for name, _ in self.files)

    @property
    def sentences(self) -> list[Sentence]:
        """The attributes of steps."""
        return list(chain.from_iterable(file.by_sequence(file.steps()) for _, file in self.files))

    @property
    def labels(self) -> list[list[str]]:
        """Of every step."""
        return list(chain.from_iterable(file.by_sequence(file.labels) for _, file in self.files))

    def place(self, sentence: int, token: int) -> str:
        """Where a step stands, both numbers from 0: the file and the line."""
        for _, file in self.files:
            if sentence < len(file.lengths):
                return file.where(int(file.lengths[:sentence].sum()) + token)
            sentence -= len(file.lengths)
        raise IndexError(sentence)


def read_attributes(sources: Sequence[str], reading: TokenReading) -> AttributeCorpus:
    """CRFsuite's data.

    Raises:
        CatenaError: when the options name what such data has not, and where a line is damaged.
    """
    for name, value in vars(reading).items():
        if value is not None:
            raise CatenaError(
                f"--{name} is for files of columns; this tagger reads attributes, as CRFsuite "
                "writes them"
            )
    return AttributeCorpus([(source, read_crfsuite(source)) for source in sources])


def inputs(columns: Sequence[str]) -> list[str]:
    """The columns that a tagger reads, the word first: all but the labels; of CoNLL-U the word.

    Raises:
        CatenaError: when there is none.
    """
    if tuple(columns) == CONLLU:
        return [FORM]
    label = label_of(columns)
    used = [name for name in columns if name not in (UNUSED, label)]
    if not used:
        raise CatenaError(
            f"--columns {','.join(columns)}: beside the label {label!r} there is no column to read"
        )
    return sorted(used, key=lambda name: name != FORM)


def sentences(file: Tokens, names: Sequence[str]) -> list[Sentence]:
    """Words, or tuples of columns where there are several."""
    columns = [file.column(name) for name in names]
    if len(columns) == 1:
        return list(columns[0])
    return [list(zip(*rows, strict=True)) for rows in zip(*columns, strict=True)]
