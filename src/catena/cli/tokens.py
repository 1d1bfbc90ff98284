"""Files of tokens as a tagger takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain

from catena.errors import CatenaError
from catena.formats import TokenFile, read_tokens
from catena.formats.conll import CONLLU, UNUSED, label_of
from catena.formats.crfsuite import LabelledSteps, read_crfsuite
from catena.formats.options import ErrorPolicy
from catena.tasks.reader import Sentence

FORM = "form"


@dataclass(frozen=True)
class TokenReading:
    """The options that say how files of tokens are read."""

    columns: str | None = None
    encoding: str | None = None
    errors: ErrorPolicy | None = None

    def read(self, source: str) -> TokenFile:
        """One file."""
        return read_tokens(source, **vars(self))

    def read_as(self, source: str, learned: Sequence[str]) -> TokenFile:
        """One file with the columns that a model learned from; that of labels may be missing.

        Raises:
            CatenaError: when the file has more or fewer columns and the caller named none.
        """
        file = self.read(source)
        if self.columns is not None:
            return file
        rest = tuple(name for name in learned if name != label_of(learned))
        for names in (tuple(learned), rest):
            if len(names) == len(file.columns):
                return replace(file, columns=names)
        raise CatenaError(
            f"{file.name}: {len(file.columns)} columns, where the model learned from "
            f"{','.join(learned)}; name them in their order with --columns, _ where one has no use"
        )


def read_labelled(files: Sequence[TokenFile], learned: Sequence[str]) -> Corpus:
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

    files: list[TokenFile]
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


def sentences(file: TokenFile, names: Sequence[str]) -> list[Sentence]:
    """Words, or tuples of columns where there are several."""
    columns = [file.column(name) for name in names]
    if len(columns) == 1:
        return list(columns[0])
    return [list(zip(*rows, strict=True)) for rows in zip(*columns, strict=True)]
