"""Texts written from sources, whatever those are: found by search, scored and measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from catena.automaton import Automaton, longer
from catena.constraints import Constraint
from catena.container import write_atomically
from catena.errors import CatenaError
from catena.ladder.rung import one_of
from catena.model import groups
from catena.search import Beam, beam
from catena.sequences import Sequences
from catena.space import Symbols
from catena.tasks.encoder_decoder import EncoderDecoder
from catena.tasks.language import Language

# Sources are read and searched in batches of about so many steps.
TOGETHER = 1024
# A text is cut off when it is this much longer than is to be expected: so many times the usual
# length, and so many symbols more.
STRETCH, SPARE = 2.0, 10


class Written(NamedTuple):
    """A text that was found.

    Args:
        text: what it says.
        log_prob: of it given its source, in nats.
        score: what it was ranked by; see `catena.search.Beam`.
    """

    text: str
    log_prob: float
    score: float


def beam_of(how: int | Beam) -> Beam:
    """The options of a search, or of one of this width."""
    return how if isinstance(how, Beam) else Beam(how, length_penalty=1.0, exact=False)


def limits(usual: Tensor, how: Beam) -> Tensor:
    """`[n]`, where texts whose usual lengths are these are cut off."""
    return ((STRETCH * usual).long() + SPARE).clamp(how.min_length, how.max_length)


@torch.no_grad()
def found(
    model: EncoderDecoder,
    language: Language,
    sources: Sequences,
    prompts: Sequences,
    usual: Tensor,
    how: Beam,
    origin: Callable[[int], list[str]] | None = None,
    constraints: Sequence[Automaton] | None = None,
) -> list[list[Written]]:
    """The texts that the search found for each source, best first; of an empty source, an empty
    one.

    Args:
        prompts: what each text begins with.
        usual: `[n]`, how long such a text usually is.
        origin: of a source by its number, what stands in it for each step. Where the search allows
            ⟨unk⟩, what the decoder attended to most is written in its place.
        constraints: `[n]`, what each text must be; where it needs more symbols than usual, it may
            have them.
    """
    texts: list[list[Written]] = [[Written("", 0.0, 0.0)] for _ in range(len(sources))]
    order = torch.argsort(sources.lengths, stable=True)
    filled = order[sources.lengths[order] > 0]
    for rows in groups(sources.lengths[filled].tolist(), TOGETHER):
        chosen = filled[rows]
        given = model.given(sources[chosen], tracking=how.coverage_penalty > 0)
        most, own = limits(usual[chosen], how), None
        if constraints is not None:
            own = [constraints[row] for row in chosen.tolist()]
            needed = torch.tensor([int(automaton.distance[0]) for automaton in own])
            most = most.maximum(needed.clamp(max=how.max_length))
        try:
            hypotheses = beam(given, prompts[chosen], how, most, own)
        except CatenaError as error:
            raise _of_source(error, chosen) from error
        for row, every in zip(chosen.tolist(), hypotheses, strict=True):
            begin = prompts[row]
            numbers = [torch.cat([begin, one.numbers]) for one in every]
            names = [language.symbols(text) for text in numbers]
            if how.unknown and origin is not None:
                _fill(names, numbers, language, origin(row), model, sources[torch.tensor([row])])
            texts[row] = [
                Written(language.join(name), one.log_prob, one.score)
                for name, one in zip(names, every, strict=True)
            ]
    return texts


def _of_source(error: CatenaError, chosen: Tensor) -> CatenaError:
    """The same, told of the source by its own number and not by its place among those `chosen`."""
    if error.sequence is None:
        return error
    return CatenaError(str(error), int(chosen[error.sequence]), error.step)


def automata(
    space: Symbols, constraint: Constraint | Sequence[Constraint | None] | None, texts: int
) -> list[Automaton] | None:
    """What each of so many texts must be.

    Args:
        constraint: one for all, or one for each; None for a text that may be any.

    Raises:
        CatenaError: where there is not one for each.
    """
    if constraint is None:
        return None
    if not isinstance(constraint, Sequence):
        return [constraint.automaton(space)] * texts
    if len(constraint) != texts:
        raise CatenaError(f"{texts} lines, but {len(constraint)} constraints: give each its own")
    return [_own(space, one, row) for row, one in enumerate(constraint)]


def _own(space: Symbols, constraint: Constraint | None, row: int) -> Automaton:
    try:
        return longer(space, 0) if constraint is None else constraint.automaton(space)
    except CatenaError as error:
        raise CatenaError(str(error), row, error.step) from error


def _fill(
    names: list[list[str]],
    numbers: list[Tensor],
    language: Language,
    origin: list[str],
    model: EncoderDecoder,
    source: Sequences,
) -> None:
    """Write what stands in the source in place of ⟨unk⟩, into the symbols of the texts found."""
    unknown = language.space.unknown_number
    holes = [place for place, text in enumerate(numbers) if bool((text == unknown).any())]
    if not holes:
        return
    again = Sequences.concatenate([source] * len(holes))
    weights = model.weights(again, Sequences.from_list([numbers[place] for place in holes]))
    for place, own in zip(holes, weights, strict=True):
        # The last prediction is that of the end.
        for step, most in enumerate(own[:-1].argmax(1).tolist()):
            if numbers[place][step] == unknown:
                names[place][step] = origin[most]


@torch.no_grad()
def scores(
    model: EncoderDecoder, sources: Sequences, targets: Sequences, owner: Tensor | None = None
) -> Tensor:
    """log p of each target, its end included, given its source, in nats: `[n]` float64.

    Args:
        owner: as in `catena.learn.objective.Pairs`.
    """
    owner = torch.arange(len(sources)) if owner is None else owner
    totals = torch.zeros(len(targets), dtype=torch.float64)
    for rows in together(sources.lengths[owner] + targets.lengths):
        log_prob = model.log_prob(sources[owner[rows]], targets[rows])
        totals[rows] = torch.stack([row.double().sum() for row in log_prob])
    return totals


def together(sizes: Tensor) -> list[Tensor]:
    """Rows of like size, in batches."""
    order = torch.argsort(sizes, stable=True)
    return [order[rows] for rows in groups(sizes[order].tolist(), 4 * TOGETHER)]


# -- texts from outside ---------------------------------------------------------------------


def texts_of(lines: Sequence[str], what: str) -> list[str]:
    """Lines, if that is what they are.

    Args:
        what: the name of one of them, for the message.

    Raises:
        CatenaError: for a text where a list of them is needed, and at the first that is no text.
    """
    if isinstance(lines, str):
        raise CatenaError(f"give a list of {what}s, not one text")
    rows = list(lines)
    for i, row in enumerate(rows):
        if not isinstance(row, str):
            raise CatenaError(f"{what} {i + 1} is {row!r}, not a text", sequence=i)
    return rows


def metrics(task: str, tokenize: str | None = None) -> tuple[Any, Any]:
    """sacreBLEU's BLEU and chrF.

    Args:
        task: what is to be evaluated.
        tokenize: how it is to cut words; its own way unless given.

    Raises:
        CatenaError: where it is not installed, or knows no such way, or lacks what that needs.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise CatenaError(
            f"evaluating {task} needs sacreBLEU: pip install 'catena[translate]'"
        ) from error
    if tokenize is not None:
        one_of("tokenize", tokenize, tuple(BLEU.TOKENIZERS))
        try:
            BLEU(tokenize=tokenize)
        except (RuntimeError, ImportError, OSError) as error:  # what it needs is not there
            told = " ".join(str(error).split())
            raise CatenaError(f"sacreBLEU cannot tokenize by {tokenize}: {told}") from error
    return BLEU, CHRF


# -- what is kept ---------------------------------------------------------------------------


def languages_beside(checkpoint: Path | None) -> Path | None:
    """Where languages are kept beside the checkpoint of the run that learned them: learning a
    unigram model twice does not give the same bits."""
    return None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}.symbols")


def keep_languages(path: Path | None, *languages: Language) -> None:
    """Write them, if anywhere."""
    if path is not None:
        described = [language.describe() for language in languages]
        write_atomically(path, json.dumps(described).encode("ascii"))


def kept_languages(path: Path | None) -> list[Language] | None:
    """Those of a run that is gone on with, if it kept any."""
    if path is None or not path.exists():
        return None
    return [Language.from_description(one) for one in json.loads(path.read_text("utf-8"))]
