"""Spans as tags: IOB1, IOB2, IOBES and BILOU, what each allows, and how the invalid is read.

A tag is `O`, outside of every span, or a prefix and a label, `B-NP`. Spans do not overlap. How the
four schemes write a span of one token, one of three, and one that touches another of its label:

    IOB1    I           I I I        I I B       B where the span before has the same label
    IOB2    B           B I I        B I B       every span begins with B
    IOBES   S           B I E        B E S       the last token is E, a single one S
    BILOU   U           B I L        B L U       the same with L and U

In all four, whether a tag may follow another depends on these two alone, so validity fits into a
matrix, which is what a CRF needs. In IOB1 every sequence is valid: a B where I would do means the
same, and the files of CoNLL-2003 have some.

Source: Ramshaw and Marcus 1995 (IOB1); Tjong Kim Sang and Veenstra 1999 (representations);
Ratinov and Roth 2009 (BILOU); conlleval, Tjong Kim Sang 2004 (the lenient reading).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from catena.errors import CatenaError

if TYPE_CHECKING:
    from torch import Tensor

SchemeName = Literal["IOB1", "IOB2", "IOBES", "BILOU"]

OUTSIDE = "O"
OPENING = {"B", "S", "U"}  # always the first token of a span
CLOSING = {"E", "L", "S", "U"}  # always the last one
PREFIXES = OPENING | CLOSING | {"I"}


class Span(NamedTuple):
    """Tokens `start` to `end`, the latter not included, and their label."""

    start: int
    end: int
    label: str


class Tag(NamedTuple):
    """A prefix and a label; the prefix is `O` and the label empty outside of all spans."""

    prefix: str
    label: str


class Invalid(NamedTuple):
    """A tag that cannot stand where it does: its place from 0, or the length where the end is at
    fault, and what is wrong."""

    step: int
    reason: str


@dataclass(frozen=True)
class Scheme:
    """How one scheme writes spans.

    Args:
        name: as the user writes it.
        single, first, inside, last: the prefixes of a span's only, first, inner and last token.
        joining: prefixes that stand only behind an open span of the same label.
        closes: whether a span is complete only with its last token marked.
    """

    name: SchemeName
    single: str
    first: str
    inside: str
    last: str
    joining: frozenset[str]
    closes: bool

    @property
    def prefixes(self) -> set[str]:
        """All that the scheme writes before a label."""
        return {"B", self.single, self.first, self.inside, self.last}

    def follows(self, before: Tag, after: Tag) -> bool:
        """Whether `after` may stand behind `before`; the outside stands before the first token
        and behind the last."""
        is_open = before.prefix in ("B", "I")
        if after.prefix in self.joining:
            return is_open and before.label == after.label
        return not (self.closes and is_open)


SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme("IOB1", "I", "I", "I", "I", frozenset(), closes=False),
        Scheme("IOB2", "B", "B", "I", "I", frozenset("I"), closes=False),
        Scheme("IOBES", "S", "B", "I", "E", frozenset("IE"), closes=True),
        Scheme("BILOU", "U", "B", "I", "L", frozenset("IL"), closes=True),
    )
}
NOTHING = Tag(OUTSIDE, "")


def scheme_of(name: str) -> Scheme:
    """The scheme of that name.

    Raises:
        CatenaError: when there is none.
    """
    if name not in SCHEMES:
        raise CatenaError(f"scheme must be one of {', '.join(get_args(SchemeName))}, not {name!r}")
    return SCHEMES[name]


@lru_cache(1 << 12)
def parse(tag: str) -> Tag:
    """The prefix and the label; a label may itself hold hyphens, and may be missing.

    Raises:
        CatenaError: when the text is no tag of any scheme.

    >>> parse("B-X-Y"), parse("O")
    (Tag(prefix='B', label='X-Y'), Tag(prefix='O', label=''))
    """
    if tag == OUTSIDE:
        return NOTHING
    if not is_tag(tag):
        raise CatenaError(
            f"{tag!r} is no tag of a span: that is O, or one of {', '.join(sorted(PREFIXES))}, a "
            "hyphen and a label, such as B-NP"
        )
    prefix, _, label = tag.partition("-")
    return Tag(prefix, label)


def is_tag(text: str) -> bool:
    """Whether the text is a tag of any scheme."""
    return text == OUTSIDE or text.partition("-")[0] in PREFIXES


# -- reading ------------------------------------------------------------------------------------


def spans(tags: Iterable[str]) -> list[Span]:
    """The spans of a sequence of tags in any scheme, in order, read as conlleval reads them.

    Nothing is invalid here. A span begins at B, S or U, where the label changes, and at any other
    tag behind O, E, L, S or U; it ends before the next one, before O, and behind E, L, S and U.
    conlleval itself knows IOB only; IOBES is read as seqeval's default does, BILOU likewise.

    Raises:
        CatenaError: at something that is no tag.

    >>> spans(["I-PER", "I-LOC", "O", "B-ORG", "I-ORG"])
    [Span(start=0, end=1, label='PER'), Span(start=1, end=2, label='LOC'),
     Span(start=3, end=5, label='ORG')]
    """
    return _read(tags, lambda before, after: after.prefix != OUTSIDE, lambda last, after: True)


def strict_spans(tags: Iterable[str], scheme: str) -> list[Span]:
    """Only the spans that are written as the scheme demands, as seqeval's strict mode has it; what
    remains of others is outside.

    In IOB1 a span begins with I, or with B right behind a tag of the same label. Any other B
    begins none, and a span whose last tag is B does not count before a B of another label.

    Raises:
        CatenaError: at a tag that the scheme does not have.

    >>> strict_spans(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"], "IOB1")
    [Span(start=1, end=2, label='PER'), Span(start=3, end=4, label='LOC'),
     Span(start=4, end=5, label='LOC')]
    """
    strict = scheme_of(scheme)

    def opens(before: Tag, after: Tag) -> bool:
        return after.prefix in OPENING

    def complete(last: Tag, after: Tag) -> bool:
        return not strict.closes or last.prefix in CLOSING

    rules = (_opens_iob1, _complete_iob1) if strict.name == "IOB1" else (opens, complete)
    return _read(_own(tags, strict), *rules)


def _opens_iob1(before: Tag, after: Tag) -> bool:
    joined = NOTHING not in (before, after) and before.label == after.label
    return after.prefix == "I" or joined


def _complete_iob1(last: Tag, after: Tag) -> bool:
    return (last.prefix, after.prefix) != ("B", "B") or last.label == after.label


def _read(
    tags: Iterable[str], opens: Callable[[Tag, Tag], bool], complete: Callable[[Tag, Tag], bool]
) -> list[Span]:
    """Spans that begin where `opens` says, by the tag before and the first one, and that `complete`
    accepts by their last tag and the one behind it."""
    found: list[Span] = []
    before, start, step = NOTHING, -1, -1
    for step, after in enumerate(map(parse, tags)):
        if start >= 0 and not _continues(before, after):
            if complete(before, after):
                found.append(Span(start, step, before.label))
            start = -1
        if start < 0 and opens(before, after):
            start = step
        before = after
    if start >= 0 and complete(before, NOTHING):
        found.append(Span(start, step + 1, before.label))
    return found


def _continues(before: Tag, after: Tag) -> bool:
    """Whether the second tag belongs to the span of the first."""
    return (
        before.prefix not in CLOSING
        and after.prefix not in OPENING
        and after.prefix != OUTSIDE
        and before.label == after.label
    )


def _own(tags: Iterable[str], scheme: Scheme) -> Iterable[str]:
    """The tags as they are, once each is one of the scheme's."""
    for step, tag in enumerate(tags):
        if tag != OUTSIDE and parse(tag).prefix not in scheme.prefixes:
            raise CatenaError(f"token {step + 1}: {scheme.name} has no tag {tag!r}", step=step)
        yield tag


# -- writing ------------------------------------------------------------------------------------


def tags_of(found: Iterable[Span], length: int, scheme: str) -> list[str]:
    """The tags of a sequence of that length with these spans.

    Raises:
        CatenaError: when spans overlap, are empty, or reach beyond the sequence.

    >>> tags_of([Span(0, 2, "PER"), Span(2, 3, "PER")], 4, "IOB1")
    ['I-PER', 'I-PER', 'B-PER', 'O']
    """
    writes = scheme_of(scheme)
    tags, before = [OUTSIDE] * length, Span(-1, -1, "")
    for span in sorted(found):
        if not max(before.end, 0) <= span.start < span.end <= length:
            raise CatenaError(f"{span} is empty, overlaps {before} or leaves the {length} tokens")
        tags[span.start : span.end] = _written(span, before, writes)
        before = span
    return tags


def _written(span: Span, before: Span, scheme: Scheme) -> list[str]:
    length = span.end - span.start
    if length == 1:
        prefixes = [scheme.single]
    else:
        prefixes = [scheme.first, *[scheme.inside] * (length - 2), scheme.last]
    if scheme.name == "IOB1" and (before.end, before.label) == (span.start, span.label):
        prefixes[0] = "B"
    return [f"{prefix}-{span.label}" if span.label else prefix for prefix in prefixes]


def convert(tags: Sequence[str], source: str, target: str) -> list[str]:
    """The same spans in another scheme. Nothing is lost: converting back gives the same tags, but
    for a B of IOB1 where I would do.

    Raises:
        CatenaError: at the first tag that is invalid in the source scheme; `repair` mends it.

    >>> convert(["I-PER", "I-PER", "B-PER", "O"], "IOB1", "IOBES")
    ['B-PER', 'E-PER', 'S-PER', 'O']
    """
    check([tags], source)
    return repair(tags, target)


def repair(tags: Sequence[str], scheme: str) -> list[str]:
    """Valid tags of the scheme with the spans that conlleval reads in these.

    >>> repair(["O", "I-NP", "I-NP", "I-VP"], "IOB2")
    ['O', 'B-NP', 'I-NP', 'B-VP']
    """
    return tags_of(spans(tags), len(tags), scheme)


# -- validity -----------------------------------------------------------------------------------


def first_invalid(tags: Sequence[str], scheme: str) -> Invalid | None:
    """The first place where a sequence breaks the rules of the scheme; None where it does not."""
    rules = scheme_of(scheme)
    before, name = NOTHING, "the beginning"
    for step, tag in enumerate(tags):
        try:
            after = parse(tag)
        except CatenaError as error:
            return Invalid(step, str(error))
        if tag != OUTSIDE and after.prefix not in rules.prefixes:
            return Invalid(step, f"{rules.name} has no tag {tag!r}")
        if not rules.follows(before, after):
            return Invalid(step, f"{tag!r} cannot follow {name} in {rules.name}")
        before, name = after, repr(tag)
    if not rules.follows(before, NOTHING):
        return Invalid(len(tags), f"{name} cannot be the last tag in {rules.name}")
    return None


def may_be_valid(sets: Sequence[Collection[str]], scheme: str) -> bool:
    """Whether a valid sequence takes one tag of each set.

    Raises:
        CatenaError: at what is no tag.

    >>> may_be_valid([{"O", "B-NP"}, {"I-NP"}], "IOB2"), may_be_valid([{"O"}, {"I-NP"}], "IOB2")
    (True, False)
    """
    rules = scheme_of(scheme)
    before = {NOTHING}
    for tags in sets:
        after = {parse(tag) for tag in _own(tags, rules)}
        before = {tag for tag in after if any(rules.follows(one, tag) for one in before)}
    return any(rules.follows(tag, NOTHING) for tag in before)


def check(
    sequences: Iterable[Sequence[str]],
    scheme: str,
    place: Callable[[int, int], str] | None = None,
) -> None:
    """Raise at the first invalid tag of several sequences.

    Args:
        place: sequence, token -> where that stands, for the message.

    Raises:
        CatenaError: with the sequence and the step, that of the last token where the end of the
            sequence is at fault.
    """
    for i, tags in enumerate(sequences):
        wrong = first_invalid(tags, scheme)
        if wrong is not None:
            step = min(wrong.step, len(tags) - 1)
            where = place(i, step) if place else f"sequence {i + 1}, token {step + 1}"
            raise CatenaError(
                f"{where}: {wrong.reason}; catena.schemes.repair, on the command line --repair, "
                "reads the spans as conlleval does and writes valid tags",
                sequence=i,
                step=step,
            )


def mark_spans(labels: Iterable[str]) -> bool:
    """Whether labels are tags of spans. Fewer that are none beside them, slips of the data, do not
    make another task of it.

    >>> mark_spans(["B-NP", "I-NP", "O", "NP?"]), mark_spans(["DET", "NOUN"])
    (True, False)
    """
    names = set(labels) - {OUTSIDE}
    odd = set(odd_labels(names))
    # A lone letter among other labels is one of them, such as a stage of sleep.
    tags = {name for name in names - odd if not odd or "-" in name}
    return len(tags) > len(odd)


def odd_labels(labels: Iterable[str]) -> list[str]:
    """Those that are no tags of spans, sorted."""
    return sorted(label for label in set(labels) if not is_tag(label))


def as_tags(sequences: Iterable[Sequence[str]], scheme: str | None = None) -> list[list[str]]:
    """The labels, those that are no tags (of the scheme) outside of all spans."""
    prefixes = PREFIXES if scheme is None else scheme_of(scheme).prefixes
    rows = [list(row) for row in sequences]
    own = {tag for tag in set(chain.from_iterable(rows)) if tag.partition("-")[0] in prefixes}
    return [[tag if tag in own else OUTSIDE for tag in row] for row in rows]


def detect(sequences: Iterable[Sequence[str]]) -> SchemeName | None:
    """The scheme that tags are written in; None where they are not tags of spans, such as parts
    of speech, or mark no span.

    L or U make it BILOU, E or S IOBES. It is IOB1 where more spans begin with I than with B.
    """
    rows = [list(tags) for tags in sequences]
    try:
        prefixes = {parse(tag).prefix for tag in set(chain.from_iterable(rows))} - {OUTSIDE}
    except CatenaError:
        return None
    if not prefixes:
        return None
    if prefixes & {"L", "U"}:
        return "BILOU"
    if prefixes & {"E", "S"}:
        return "IOBES"
    begun = Counter(parse(tags[span.start]).prefix for tags in rows for span in spans(tags))
    return "IOB1" if begun["I"] > begun["B"] else "IOB2"


class Constraints(NamedTuple):
    """What a scheme allows, for L labels: `transitions [L, L]` bool, from row to column; `start`
    and `end [L]` bool, what may come first and last."""

    transitions: Tensor
    start: Tensor
    end: Tensor

    def possible(self, longest: int) -> list[bool]:
        """Whether a sequence of each length, from 0 to `longest`, has a valid path."""
        found, reached = [True], self.start
        for _ in range(longest):
            found.append(bool((reached & self.end).any()))
            reached = (self.transitions & reached[:, None]).any(0)
        return found


def constraints(labels: Sequence[str], scheme: str) -> Constraints:
    """The scheme's rules for these labels, in their order.

    Raises:
        CatenaError: at a label that is no tag of the scheme.

    >>> constraints(["O", "B-NP", "I-NP"], "IOB2").transitions.tolist()
    [[True, True, False], [True, True, True], [True, True, True]]
    """
    import torch

    rules = scheme_of(scheme)
    tags = [parse(tag) for tag in _own(labels, rules)]
    allowed = [[rules.follows(before, after) for after in tags] for before in tags]
    return Constraints(
        torch.tensor(allowed, dtype=torch.bool).reshape(len(tags), len(tags)),
        torch.tensor([rules.follows(NOTHING, tag) for tag in tags], dtype=torch.bool),
        torch.tensor([rules.follows(tag, NOTHING) for tag in tags], dtype=torch.bool),
    )
