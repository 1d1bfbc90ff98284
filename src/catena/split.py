"""Train, validation and test: cut once, the same for every model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.sequences import Sequences
from catena.space import Unit

TEST = 0.1
VALID = 0.05


class Split(NamedTuple):
    """Three parts of the same data, in the data's own form.

    Args:
        rule: how they were cut, in words.
    """

    train: Any
    valid: Any
    test: Any
    rule: str


def split(
    data: Any,
    seed: int = 0,
    test: float = TEST,
    valid: float = VALID,
    unit: Unit | None = None,
) -> Split:
    """Hold data out.

    One long sequence is cut by position: the test part is the end and the validation part the
    beginning, so that training leads right up to what is tested. (Were the validation part in
    between, the test part would begin in a play, or a day, that no model has seen any of.) Many
    sequences are drawn without regard to their order.

    Args:
        data: a text, a list of sequences, or `Sequences`.
        test, valid: shares of the observations or of the sequences.
        unit: "word" cuts a text only where a word ends.

    Raises:
        CatenaError: when there is too little to cut into three.

    >>> train, valid, test, rule = split("abcdefghijklmnopqrst")
    >>> valid, train, test
    ('a', 'bcdefghijklmnopqr', 'st')
    """
    if isinstance(data, str):
        return _by_position(data, test, valid, unit)
    if len(data) == 1:
        return _split_one(data, test, valid, unit)
    return _by_sequence(data, seed, test, valid)


def split_labelled(
    X: Any,
    y: Sequence[Any],
    seed: int = 0,
    valid: tuple[Any, Any] | None = None,
    test: tuple[Any, Any] | None = None,
) -> Split:
    """Hold out labelled sequences: parts are pairs (X, y).

    Each label is held out in proportion, as far as there are enough of it; one that only a single
    sequence has is learned from. (Labels of steps are of no account in this.)

    Args:
        X: a list of sequences, or `Sequences`.
        y: a label, or a list of labels, for each.
        valid, test: parts that were given; all that is given here is then cut among the others.

    Raises:
        CatenaError: when there is too little to cut.

    >>> parts = split_labelled(list("abcdefghij"), [1] * 5 + [2] * 5)
    >>> [len(labels) for _, labels in parts[:3]]
    [7, 1, 2]
    >>> sorted(parts.test[1])
    [1, 2]
    """
    places, parts, said = _places(y, seed), [], []
    for name, every, first, given in (("validation", 10, 4, valid), ("test", 5, 2, test)):
        part = (places % every == first) & (places >= 0)
        if given is None and not part.any():
            raise CatenaError(
                f"{len(y)} labelled sequences are too few to be cut into train, validation and "
                "test parts"
            )
        parts.append(part if given is None else torch.zeros_like(part))
        said.append(f"{1 / every:.0%} {name}" if given is None else f"the {name} part as given")
    held_out, tested = parts
    train = _pair(X, y, ~(held_out | tested))
    return Split(
        train,
        valid or _pair(X, y, held_out),
        test or _pair(X, y, tested),
        f"by sequence, drawn with seed {seed}: {', '.join(reversed(said))}",
    )


def split_by_end(
    sessions: Sequence[Any],
    ends: np.ndarray,
    test: float = TEST,
    valid: float = VALID,
    starts: np.ndarray | None = None,
) -> Split:
    """Hold out the sessions that ended last, so that nothing learned from is later than what is
    tested.

    A session lies whole where its last event does, and those that end at the same moment lie
    together: every event of the training part is earlier than the last event of every session of
    the validation part, and each of those earlier than that of every test session.

    With `starts` every event of a part is earlier than every event of the next: a session that
    begins in one part and ends in another is left out, and the rule says how many are.

    Args:
        ends: `[n]`, when each session ended, in any unit.
        test, valid: shares of the sessions, at least; more where many end at the same moment.
        starts: `[n]`, when each session began, in the same unit.

    Raises:
        CatenaError: when nothing is left for a part.

    >>> split_by_end(["a", "b", "c", "d"], np.array([4, 1, 3, 2]), test=0.25, valid=0.25)[:3]
    (['b', 'd'], ['c'], ['a'])
    """
    starts = ends if starts is None else starts
    for name, times in ("ends", ends), ("starts", starts):
        if len(times) != len(sessions):
            raise CatenaError(f"{len(sessions)} sessions, but the {name} of {len(times)}")
    held_valid, held_test = _sizes(len(sessions), test, valid, "sessions")
    in_order = np.sort(ends)
    earlier = int((in_order < in_order[len(ends) - held_test]).sum())
    earliest = int((in_order < in_order[max(0, earlier - held_valid)]).sum())
    # What is held out begins after the last event of the parts before it; no part may be empty.
    later, late = (starts > in_order[max(0, count - 1)] for count in (earliest, earlier))
    rule = f"by the end of each session: the last {test:.0%} test, {valid:.0%} before it validation"
    inside = ends < in_order[earliest], later & (ends < in_order[earlier]), late
    parts = [[sessions[i] for i in part.nonzero()[0].tolist()] for part in inside]
    if not all(parts):
        raise CatenaError(
            "too many sessions end at the same moment, or last too long, to cut between them: "
            "nothing would be left of a part; give finer times, other shares or the parts"
        )
    if astride := len(sessions) - sum(map(len, parts)):
        rule += f"; left out {astride:,} that reach from one part into another"
    return Split(*parts, rule=rule)


def beginning(sequences: Sequences, observations: int) -> Sequences:
    """The first so many observations, the last sequence among them cut short.

    >>> beginning(Sequences.from_list([[1, 2], [3, 4], [5]]), 3).to_list()
    [tensor([1, 2]), tensor([3])]
    """
    if sequences.total <= observations:
        return sequences
    starts = sequences.offsets[:-1]
    lengths = torch.minimum(sequences.lengths, observations - starts)[starts < observations]
    return Sequences(sequences.values[:observations], lengths)


def _places(y: Sequence[Any], seed: int) -> Tensor:
    """`[n]`: the place of each sequence in a random order, one label after the other; -1 for the
    only one of its label."""
    kinds = [label if isinstance(label, (str, int)) else None for label in y]
    times, first = Counter(kinds), {kind: i for i, kind in enumerate(dict.fromkeys(kinds))}
    drawn = torch.randperm(len(kinds), generator=torch.Generator().manual_seed(seed)).tolist()
    several = [i for i in drawn if times[kinds[i]] > 1]
    places = torch.full((len(kinds),), -1)
    places[sorted(several, key=lambda i: first[kinds[i]])] = torch.arange(len(several))
    return places


def _pair(X: Any, y: Sequence[Any], part: Tensor) -> tuple[Any, list[Any]]:
    chosen = part.nonzero().squeeze(1)
    return _pick(X, chosen), [y[i] for i in chosen.tolist()]


def _split_one(data: Any, test: float, valid: float, unit: Unit | None) -> Split:
    parts = _by_position(data[0], test, valid, unit)
    if isinstance(data, Sequences):
        wrap = [Sequences.from_list([part]) for part in parts[:3]]
    else:
        wrap = [[part] for part in parts[:3]]
    return Split(*wrap, rule=parts.rule)


def _by_position(sequence: Any, test: float, valid: float, unit: Unit | None) -> Split:
    held_valid, held_test = _sizes(len(sequence), test, valid, "observations")
    begin, end = held_valid, len(sequence) - held_test
    if unit == "word" and isinstance(sequence, str):
        begin, end = _word_end(sequence, begin), _word_end(sequence, end)
    rule = f"by position: the last {test:.0%} for the test, the first {valid:.0%} for validation"
    return Split(sequence[begin:end], sequence[:begin], sequence[end:], rule)


def _word_end(text: str, place: int) -> int:
    """The first white space from a place on."""
    return next((i for i in range(place, len(text)) if text[i].isspace()), len(text))


def _by_sequence(data: Any, seed: int, test: float, valid: float) -> Split:
    held_valid, held_test = _sizes(len(data), test, valid, "sequences")
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    cuts = (len(data) - held_test - held_valid, len(data) - held_test)
    # Within a part the original order is kept: nothing depends on it, and it is easier to follow.
    parts = [_pick(data, part.sort().values) for part in order.tensor_split(cuts)]
    rule = f"by sequence, drawn with seed {seed}: {test:.0%} test, {valid:.0%} validation"
    return Split(*parts, rule=rule)


def _sizes(count: int, test: float, valid: float, what: str) -> tuple[int, int]:
    if count < 3:
        raise CatenaError(f"{count} {what} cannot be cut into train, validation and test parts")
    return max(1, round(count * valid)), max(1, round(count * test))


def _pick(data: Any, chosen: Tensor) -> Any:
    return data[chosen] if isinstance(data, Sequences) else [data[i] for i in chosen.tolist()]
