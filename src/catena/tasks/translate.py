"""Translator: one sequence in, another out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from catena.constraints import Constraint
from catena.errors import CatenaError
from catena.kinds import of_kind
from catena.ladder import RUNGS, Recurrent, Rung
from catena.ladder.rung import fraction, whole
from catena.learn import Gradient, History, Progress, Run
from catena.learn.device import device_named
from catena.learn.objective import Pairs
from catena.save import (
    learner_from,
    load_module,
    pack,
    restoring,
    rung_facts,
    save_model,
    task_facts,
)
from catena.scheduled import ScheduledSampling
from catena.search import Beam
from catena.sequences import Sequences, ranges
from catena.space import Space, Symbols
from catena.tasks.attention_plot import draw
from catena.tasks.class_learning import seeded
from catena.tasks.encoder_decoder import EncoderDecoder, Looking, encoder_decoder
from catena.tasks.estimator import Estimator
from catena.tasks.language import Language
from catena.tasks.writing import (
    Written,
    automata,
    beam_of,
    found,
    keep_languages,
    kept_languages,
    languages_beside,
    metrics,
    scores,
    texts_of,
    together,
)

TASK = "translate"
# Lines of more symbols are named when they are translated: hardly a sentence is that long.
LIMIT = 1000
Pair = tuple[str, str]


class LongSource(UserWarning):
    """A line of more symbols than there should be.

    Args:
        line: its number, from 1.
        symbols: how many it has.
        limit: how many it may have.
        truncated: whether the rest was left out.
    """

    def __init__(self, line: int, symbols: int, limit: int, truncated: bool) -> None:
        self.line, self.symbols, self.limit, self.truncated = line, symbols, limit, truncated
        done = f"cut off after {limit}" if truncated else "translated whole"
        super().__init__(f"line {line} has {symbols} symbols, more than {limit}: {done}")


class Alignment(NamedTuple):
    """What a target was read off its source by.

    Args:
        source, target: the symbols of both.
        weights: `[target + 1, source]`, how much each prediction, that of the end last, attended to
            each symbol of the source; rows sum to 1.
    """

    source: list[str]
    target: list[str]
    weights: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """How good translations are.

    Args:
        bleu, chrf: of the translations beside the references, 0 to 100, by sacreBLEU.
        signatures: what sacreBLEU says of how either was computed.
        perplexity: of a symbol of the references, the ends among them.
        sentences: how many there are.
    """

    bleu: float
    chrf: float
    signatures: dict[str, str]
    perplexity: float
    sentences: int


class Translator(Estimator):
    """Translates lines of text, learned from pairs of them.

    An encoder reads the source, a decoder writes the target symbol by symbol, and attention shows
    it what of the source matters now.

    Args:
        rung: of the encoder, e.g. `LSTM(units=256, bidirectional=True, dropout=0.3)`.
        decoder: its rung; the encoder's, from one end, unless given. `tied` shares its table of
            symbols with its head, and with the encoder where `joint`.
        looking: how the decoder looks back at the source.
        smoothing: the share of probability that learning spreads over all symbols alike.
        unit: what lines are cut into: subwords by "bpe" or "unigram", "word" or "char".
        vocabulary: how many subwords.
        joint: one vocabulary for both sides.
        minimum: words and characters that occur less often are unknown.
        scheduled: how much of what the decoder is fed while learning is its own; nothing unless
            given.
        learner: the `Gradient` that finds θ. An update is computed from batch · span symbols.
        seed: owns every random draw of `fit`.

    After `fit`: `source_`, `target_`, `model_`, `learner_`, `history_`, and `ratio_`: how many
    symbols of target a symbol of source becomes.

    >>> from catena import GRU, Gradient, Translator
    >>> pairs = [("a b", "b a"), ("b c", "c b"), ("c a", "a c")]
    >>> learner = Gradient(epochs=60, rate=0.02)
    >>> model = Translator(GRU(units=16), unit="word", smoothing=0.0, learner=learner).fit(pairs)
    >>> model.translate(["a b", "", "c a"])
    ['b a', '', 'a c']
    """

    def __init__(
        self,
        rung: Rung,
        *,
        decoder: Rung | None = None,
        looking: Looking = Looking(),  # noqa: B008 (it is frozen)
        smoothing: float = 0.1,
        unit: str = "bpe",
        vocabulary: int = 8000,
        joint: bool = False,
        minimum: int = 1,
        scheduled: ScheduledSampling | None = None,
        learner: Gradient | None = None,
        seed: int = 0,
    ) -> None:
        self.rung, self.decoder, self.looking = rung, decoder, looking
        self.smoothing, self.unit, self.vocabulary = smoothing, unit, vocabulary
        self.joint, self.minimum, self.scheduled = joint, minimum, scheduled
        self.learner, self.seed = learner, seed

    # -- learning ---------------------------------------------------------------------------

    def fit(
        self,
        pairs: Iterable[Pair],
        valid: Iterable[Pair] | None = None,
        *,
        report: Callable[[Progress], None] = lambda progress: None,
        checkpoint: Path | None = None,
        resume: bool = False,
    ) -> Translator:
        """Learn from (source, target) pairs.

        Args:
            valid: held-out pairs that say when to stop and what to keep.
            report, checkpoint, resume: as in `Generator.fit`.

        Raises:
            CatenaError: when there is nothing to learn from, or the rungs do not go together.
            Interrupted: after Ctrl-C, once the work so far has been kept.
        """
        self._begin()
        fraction("smoothing", self.smoothing)
        whole("vocabulary", self.vocabulary, 1)
        sources, targets = _sides(pairs)
        kept = languages_beside(checkpoint)
        self.source_, self.target_ = self._languages(sources, targets, kept if resume else None)
        self.learner_ = self.learner or Gradient()
        device = device_named(self.learner_.device)
        model = seeded(self.seed, lambda: self._network(self.source_, self.target_))
        model.scheduled = self.scheduled
        budget = self.learner_.batch * self.learner_.span

        def objective(sides: tuple[list[str], list[str]], budget: int) -> Pairs:
            encoded = self.source_.encode(sides[0]), self.target_.encode(sides[1])
            return Pairs(model, encoded[0].to(device), encoded[1].to(device), budget)

        train = objective((sources, targets), budget)
        held_out = None if valid is None else objective(_sides(valid), 4 * budget)
        keep_languages(kept, self.source_, self.target_)
        run = Run(self.seed, report, checkpoint, resume, self._job())
        self.history_ = self.learner_.descend(model, train, held_out, run)
        self.model_ = model.to("cpu").eval()
        read, written = self.source_.encode(sources).total, self.target_.encode(targets).total
        self.ratio_ = written / max(1, read)
        if kept is not None:
            kept.unlink(missing_ok=True)
        return self._end()

    # -- using ------------------------------------------------------------------------------

    def translate(
        self,
        lines: Sequence[str],
        how: int | Beam = 5,
        *,
        limit: int = LIMIT,
        truncate: bool = False,
        constraint: Constraint | Sequence[Constraint | None] | None = None,
    ) -> list[str]:
        """The best translation of each line; of an empty line, an empty one.

        Args:
            how: the width of the beam, or all options of the search. A width alone ranks by the
                average of a symbol and is not exact.
            limit: a line of more symbols is named by a warning (`LongSource`) ...
            truncate: ... and translated whole, or only its first `limit` symbols.
            constraint: what a translation must obey (`catena.constraints`), one for all lines or
                one for each; not asked of the empty translation of an empty line.
        """
        every = self.candidates(lines, how, limit=limit, truncate=truncate, constraint=constraint)
        return [own[0].text if own else "" for own in every]

    def candidates(
        self,
        lines: Sequence[str],
        how: int | Beam = 5,
        begin: Sequence[str] | None = None,
        *,
        limit: int = LIMIT,
        truncate: bool = False,
        constraint: Constraint | Sequence[Constraint | None] | None = None,
    ) -> list[list[Written]]:
        """The translations that the search found for each line, best first.

        Where the search may come upon ⟨unk⟩, the text has in its place what most attention was on
        in the source; log-probabilities are of ⟨unk⟩.

        Args:
            begin: what each translation is to begin with; log-probabilities are of what follows.
            limit, truncate, constraint: as in `translate`.

        Raises:
            CatenaError: for a text where a list of lines is needed, and for a constraint that no
                translation can obey.
        """
        model, lines = self._model(), texts_of(lines, "line")
        sources = _limited(self.source_.encode(lines), limit, truncate)
        prompts, usual = self._prompts(lines, begin), self.ratio_ * sources.lengths

        def origin(line: int) -> list[str]:
            return self.source_.written(lines[line])

        forms = automata(self.target_.space, constraint, len(lines))
        return found(model, self.target_, sources, prompts, usual, beam_of(how), origin, forms)

    def score(self, pairs: Iterable[Pair]) -> np.ndarray:
        """log p of each target, its end included, given its source, in nats: `[n]` float64.

        A target is cut into symbols as training cut it; a translation by subwords may have been put
        together of others.
        """
        return scores(self._model(), *self._encode(pairs)).numpy()

    @torch.no_grad()
    def align(self, pairs: Iterable[Pair]) -> list[Alignment]:
        """What each symbol of the targets was read off their sources by."""
        sources, targets = self._encode(pairs)
        aligned: list[Alignment] = [Alignment([], [], np.zeros((0, 0)))] * len(sources)
        for rows in together(sources.lengths + targets.lengths):
            weights = self._model().weights(sources[rows], targets[rows])
            for row, own in zip(rows.tolist(), weights, strict=True):
                source, target = sources[row], targets[row]
                names = self.source_.symbols(source), self.target_.symbols(target)
                aligned[row] = Alignment(*names, own[:, : len(source)].numpy())
        return aligned

    def draw(self, path: str | Path, pairs: Iterable[Pair]) -> None:
        """Write a picture of what `align` finds, a panel for each pair. The path ends in .png, .svg
        or .pdf.

        Raises:
            CatenaError: where there is no pair, and for a format that cannot be written.
        """
        draw(Path(path), self.align(pairs))

    # -- measuring --------------------------------------------------------------------------

    def perplexity(self, pairs: Iterable[Pair]) -> float:
        """Of a symbol of the targets, the ends among them."""
        pairs = list(pairs)
        targets = _sides(pairs)[1]
        symbols = self.target_.encode(targets).total + len(targets)
        return math.exp(-float(self.score(pairs).sum()) / max(1, symbols))

    def evaluate(
        self,
        pairs: Iterable[Pair],
        how: int | Beam = 5,
        *,
        tokenize: str | None = None,
        limit: int = LIMIT,
        truncate: bool = False,
    ) -> Evaluation:
        """How good the translations of the sources are, beside the targets.

        Args:
            tokenize: how sacreBLEU cuts words, such as "zh" for Chinese; "13a" unless given.
            limit, truncate: as in `translate`; the perplexity is of whole sources.

        Raises:
            CatenaError: where sacreBLEU is not installed, or knows no such way.
        """
        pairs = list(pairs)
        metrics("translations", tokenize)  # before the work, not after it
        texts = self.translate(_sides(pairs)[0], how, limit=limit, truncate=truncate)
        return self.judged(pairs, texts, tokenize)

    def judged(
        self, pairs: Sequence[Pair], texts: Sequence[str], tokenize: str | None = None
    ) -> Evaluation:
        """How good texts that were found for the sources are, beside the targets.

        Args:
            tokenize: how sacreBLEU cuts words, such as "zh" for Chinese; "13a" unless given.

        Raises:
            CatenaError: where sacreBLEU is not installed.
        """
        targets = _sides(pairs)[1]
        bleu_of, chrf_of = metrics("translations")
        bleu, chrf = bleu_of(tokenize=tokenize), chrf_of()
        return Evaluation(
            bleu=bleu.corpus_score(texts, [targets]).score,
            chrf=chrf.corpus_score(texts, [targets]).score,
            signatures={"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())},
            perplexity=self.perplexity(pairs),
            sentences=len(pairs),
        )

    # -- keeping ----------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the fitted model to one file."""
        self._check_unchanged()
        facts = {"kind": TASK, **self.facts()}
        save_model(
            Path(path), self._model(), pack(self.rung, self.target_.space, self.learner_, facts)
        )

    def facts(self) -> dict[str, Any]:
        """All that a file holds of it beside the rung, the learner and the tensors, as JSON; see
        `restored`."""
        plain = ("smoothing", "unit", "vocabulary", "joint", "minimum", "seed")
        return {
            **{name: getattr(self, name) for name in plain},
            "decoder": None if self.decoder is None else rung_facts(self.decoder),
            "looking": asdict(self.looking),
            "scheduled": None if self.scheduled is None else asdict(self.scheduled),
            "source": self.source_.describe(),
            "target": self.target_.describe(),
            "ratio": self.ratio_,
            "history": asdict(self.history_),
        }

    # -- inside -----------------------------------------------------------------------------

    def _languages(
        self, sources: list[str], targets: list[str], kept: Path | None
    ) -> tuple[Language, Language]:
        """Those of a run that is gone on with, if it kept any."""
        if (both := kept_languages(kept)) is not None:
            return both[0], both[1]
        if not any(map(str.strip, sources)) or not any(map(str.strip, targets)):
            raise CatenaError(
                "all sources or all targets are empty: there is nothing to learn from"
            )
        options = (self.unit, self.vocabulary, self.minimum)
        if self.joint:
            both = Language.learn([*sources, *targets], *options)
            return both, both
        return Language.learn(sources, *options), Language.learn(targets, *options)

    def _network(self, source: Language, target: Language) -> EncoderDecoder:
        decoder = self.decoder or _one_way(self.rung)
        spaces = source.space, target.space
        return encoder_decoder(self.rung, decoder, *spaces, self.looking, self.smoothing)

    def _job(self) -> dict[str, Any]:
        decoder = None if self.decoder is None else rung_facts(self.decoder)
        looking = asdict(self.looking)
        scheduled = None if self.scheduled is None else asdict(self.scheduled)
        parts = {"decoder": decoder, "looking": looking, "scheduled": scheduled}
        return {"rung": rung_facts(self.rung), **parts}

    def _prompts(self, lines: Sequence[str], begin: Sequence[str] | None) -> Sequences:
        if begin is None:
            return self.target_.none(len(lines))
        if len(begin) != len(lines):
            raise CatenaError(f"{len(lines)} lines, but {len(begin)} beginnings: give each its own")
        return self.target_.encode(texts_of(begin, "beginning"))

    def _encode(self, pairs: Iterable[Pair]) -> tuple[Sequences, Sequences]:
        self._model()
        sources, targets = _sides(pairs)
        return self.source_.encode(sources), self.target_.encode(targets)

    def _model(self) -> EncoderDecoder:
        self._check_fitted()
        return self.model_

    def _restored(self, path: Path) -> Translator:
        return load(path, self.rung)


def _one_way(rung: Rung) -> Rung:
    return replace(rung, bidirectional=False) if isinstance(rung, Recurrent) else rung


def _limited(sources: Sequences, limit: int, truncate: bool) -> Sequences:
    """Sources, cut off where that is asked for; those that are too long are named by warnings."""
    whole("limit", limit, 1)
    for row in (sources.lengths > limit).nonzero().flatten().tolist():
        longer = LongSource(row + 1, int(sources.lengths[row]), limit, truncate)
        warnings.warn(longer, stacklevel=3)
    if not truncate:
        return sources
    kept = sources.lengths.clamp(max=limit)
    return Sequences(sources.values[ranges(sources.offsets[:-1], kept)], kept)


def _sides(pairs: Iterable[Pair]) -> tuple[list[str], list[str]]:
    """Sources and targets of pairs.

    Raises:
        CatenaError: at the first that is no pair of texts.
    """
    sources: list[str] = []
    targets: list[str] = []
    for i, pair in enumerate(pairs):
        if isinstance(pair, str) or len(pair) != 2 or not all(isinstance(p, str) for p in pair):
            raise CatenaError(f"pair {i + 1} is {pair!r}, not two texts", sequence=i)
        sources.append(pair[0])
        targets.append(pair[1])
    return sources, targets


def load(path: str | Path, rung: Rung | None = None) -> Translator:
    """A fitted Translator from its file.

    Args:
        rung: needed for a Custom rung as the encoder, whose code no file holds.

    Raises:
        CatenaError: when the file is damaged, foreign, newer, or of another task.
    """
    path = Path(path)
    task_facts(path, TASK)
    return restored(path, rung, lambda task: task)


def restored(
    path: Path, rung: Rung | None, facts_in: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> Translator:
    """The Translator in the file of a task that uses one.

    Args:
        rung: as in `load`.
        facts_in: its `facts`, from those of the task.
    """
    model, rung, facts = load_module(
        path, lambda rung, space, task: _module(rung, space, facts_in(task)), rung
    )
    with restoring(path):
        task = facts_in(facts["task"])
        made = _translator(rung, task)
        made.learner = learner_from(facts["learner"])  # type: ignore[assignment]
        made.history_ = History(**task["history"])
    made.model_, made.learner_ = model, made.learner  # type: ignore[assignment]
    return made._end()


def _module(rung: Rung, space: Space, task: Mapping[str, Any]) -> EncoderDecoder:
    made = _translator(rung, task)
    if not isinstance(space, Symbols) or space != made.target_.space:
        raise ValueError("its two descriptions of the target's symbols differ")
    return made._network(made.source_, made.target_)


def _translator(rung: Rung, task: Mapping[str, Any]) -> Translator:
    """A Translator of what a file holds, still without its network."""
    decoder = task["decoder"]
    made = Translator(
        rung,
        decoder=None if decoder is None else of_kind(RUNGS, decoder, "rung"),
        looking=Looking(**task["looking"]),
        scheduled=None if task["scheduled"] is None else ScheduledSampling(**task["scheduled"]),
        smoothing=task["smoothing"],
        unit=task["unit"],
        vocabulary=task["vocabulary"],
        joint=task["joint"],
        minimum=task["minimum"],
        seed=task["seed"],
    )
    made.source_ = Language.from_description(task["source"])
    made.target_ = Language.from_description(task["target"])
    made.ratio_ = float(task["ratio"])
    return made
