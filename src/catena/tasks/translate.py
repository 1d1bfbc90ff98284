"""Translator: one sequence in, another out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from catena.container import write_atomically
from catena.errors import CatenaError
from catena.ladder import RUNGS, Recurrent, Rung
from catena.ladder.rung import fraction, one_of, whole
from catena.learn import Gradient, History, Progress, Run
from catena.learn.device import device_named
from catena.learn.objective import Pairs
from catena.model import groups
from catena.save import (
    learner_from,
    load_module,
    pack,
    restoring,
    rung_facts,
    save_model,
    task_facts,
)
from catena.search import Beam, Hypothesis, beam
from catena.sequences import Sequences
from catena.space import Space, Symbols
from catena.tasks.attention_plot import draw
from catena.tasks.class_learning import seeded
from catena.tasks.encoder_decoder import EncoderDecoder, Looking, encoder_decoder
from catena.tasks.estimator import Estimator
from catena.tasks.language import Language

TASK = "translate"
# Sources are read and searched in batches of about so many symbols.
TOGETHER = 1024
# A translation is cut off when it is this much longer than its source lets expect: so many times
# the usual length, and so many symbols more.
STRETCH, SPARE = 2.0, 10

Pair = tuple[str, str]


class Translation(NamedTuple):
    """A translation that was found.

    Args:
        text: what it says.
        log_prob: of it given its source, in nats.
        score: what it was ranked by; see `catena.search.Beam`.
    """

    text: str
    log_prob: float
    score: float


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
        learner: Gradient | None = None,
        seed: int = 0,
    ) -> None:
        self.rung, self.decoder, self.looking = rung, decoder, looking
        self.smoothing, self.unit, self.vocabulary = smoothing, unit, vocabulary
        self.joint, self.minimum, self.learner, self.seed = joint, minimum, learner, seed

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
        kept = None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}.symbols")
        self.source_, self.target_ = self._languages(sources, targets, kept if resume else None)
        self.learner_ = self.learner or Gradient()
        device = device_named(self.learner_.device)
        model = seeded(self.seed, lambda: self._network(self.source_, self.target_))
        budget = self.learner_.batch * self.learner_.span

        def objective(sides: tuple[list[str], list[str]], budget: int) -> Pairs:
            encoded = self.source_.encode(sides[0]), self.target_.encode(sides[1])
            return Pairs(model, encoded[0].to(device), encoded[1].to(device), budget)

        train = objective((sources, targets), budget)
        held_out = None if valid is None else objective(_sides(valid), 4 * budget)
        _keep(kept, self.source_, self.target_)
        run = Run(self.seed, report, checkpoint, resume, self._job())
        self.history_ = self.learner_.descend(model, train, held_out, run)
        self.model_ = model.to("cpu").eval()
        read, written = self.source_.encode(sources).total, self.target_.encode(targets).total
        self.ratio_ = written / max(1, read)
        if kept is not None:
            kept.unlink(missing_ok=True)
        return self._end()

    # -- using ------------------------------------------------------------------------------

    def translate(self, lines: Sequence[str], how: int | Beam = 5) -> list[str]:
        """The best translation of each line; of an empty line, an empty one.

        Args:
            how: the width of the beam, or all options of the search. A width alone ranks by the
                average of a symbol and stops once so many translations have ended.
        """
        return [found[0].text if found else "" for found in self.candidates(lines, how)]

    @torch.no_grad()
    def candidates(
        self, lines: Sequence[str], how: int | Beam = 5, begin: Sequence[str] | None = None
    ) -> list[list[Translation]]:
        """The translations that the search found for each line, best first.

        Args:
            begin: what each translation is to begin with; log-probabilities are of what follows.

        Raises:
            CatenaError: for a text where a list of lines is needed.
        """
        model, sources = self._model(), self.source_.encode(_lines(lines))
        how = beam_of(how)
        prompts = self._prompts(lines, begin)
        found: list[list[Translation]] = [[] for _ in lines]
        order = torch.argsort(sources.lengths, stable=True)
        filled = order[sources.lengths[order] > 0]
        for rows in groups(sources.lengths[filled].tolist(), TOGETHER):
            chosen = filled[rows]
            given = model.given(sources[chosen], tracking=how.coverage_penalty > 0)
            limits = self._limits(sources.lengths[chosen], how)
            hypotheses = beam(given, prompts[chosen], how, limits)
            for line, own in zip(chosen.tolist(), hypotheses, strict=True):
                found[line] = [self._translation(prompts[line], one) for one in own]
        for line in (sources.lengths == 0).nonzero().flatten().tolist():
            found[line] = [Translation("", 0.0, 0.0)]
        return found

    @torch.no_grad()
    def score(self, pairs: Iterable[Pair]) -> np.ndarray:
        """log p of each target, its end included, given its source, in nats: `[n]` float64.

        A target is cut into symbols as training cut it; a translation by subwords may have been put
        together of others.
        """
        sources, targets = self._encode(pairs)
        totals = torch.zeros(len(sources), dtype=torch.float64)
        for rows in self._together(sources, targets):
            log_prob = self._model().log_prob(sources[rows], targets[rows])
            totals[rows] = torch.stack([row.double().sum() for row in log_prob])
        return totals.numpy()

    @torch.no_grad()
    def align(self, pairs: Iterable[Pair]) -> list[Alignment]:
        """What each symbol of the targets was read off their sources by."""
        sources, targets = self._encode(pairs)
        found: list[Alignment] = [Alignment([], [], np.zeros((0, 0)))] * len(sources)
        for rows in self._together(sources, targets):
            weights = self._model().weights(sources[rows], targets[rows])
            for row, own in zip(rows.tolist(), weights, strict=True):
                source, target = sources[row], targets[row]
                names = self.source_.symbols(source), self.target_.symbols(target)
                found[row] = Alignment(*names, own[:, : len(source)].numpy())
        return found

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

    def evaluate(self, pairs: Iterable[Pair], how: int | Beam = 5) -> Evaluation:
        """How good the translations of the sources are, beside the targets.

        Raises:
            CatenaError: where sacreBLEU is not installed.
        """
        pairs = list(pairs)
        sources, _ = _sides(pairs)
        metrics(None)  # before the work, not after it
        return self.judged(pairs, self.translate(sources, how))

    def judged(
        self, pairs: Sequence[Pair], found: Sequence[str], tokenize: str | None = None
    ) -> Evaluation:
        """How good texts that were found for the sources are, beside the targets.

        Args:
            tokenize: how sacreBLEU cuts words, such as "zh" for Chinese; "13a" unless given.

        Raises:
            CatenaError: where sacreBLEU is not installed, or knows no such way.
        """
        _, targets = _sides(pairs)
        bleu, chrf = metrics(tokenize)
        return Evaluation(
            bleu=bleu.corpus_score(found, [targets]).score,
            chrf=chrf.corpus_score(found, [targets]).score,
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
            "source": self.source_.describe(),
            "target": self.target_.describe(),
            "ratio": self.ratio_,
            "history": asdict(self.history_),
        }

    # -- inside -----------------------------------------------------------------------------

    def _languages(
        self, sources: list[str], targets: list[str], kept: Path | None
    ) -> tuple[Language, Language]:
        """Those of a run that is gone on with, if it kept any: learning a unigram model twice does
        not give the same bits."""
        if kept is not None and kept.exists():
            source, target = map(Language.from_description, json.loads(kept.read_text("utf-8")))
            return source, target
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
        return {"rung": rung_facts(self.rung), "decoder": decoder, "looking": looking}

    def _limits(self, lengths: torch.Tensor, how: Beam) -> torch.Tensor:
        """`[n]`, where translations of sources of these lengths are cut off."""
        usual = (STRETCH * self.ratio_ * lengths).long() + SPARE
        return usual.clamp(how.min_length, how.max_length)

    def _prompts(self, lines: Sequence[str], begin: Sequence[str] | None) -> Sequences:
        if begin is None:
            return self.target_.none(len(lines))
        if len(begin) != len(lines):
            raise CatenaError(f"{len(lines)} lines, but {len(begin)} beginnings: give each its own")
        return self.target_.encode(_lines(begin))

    def _translation(self, prompt: torch.Tensor, found: Hypothesis) -> Translation:
        text = self.target_.decode(torch.cat([prompt, found.numbers]))
        return Translation(text, found.log_prob, found.score)

    def _encode(self, pairs: Iterable[Pair]) -> tuple[Sequences, Sequences]:
        self._model()
        sources, targets = _sides(pairs)
        return self.source_.encode(sources), self.target_.encode(targets)

    def _together(self, sources: Sequences, targets: Sequences) -> list[torch.Tensor]:
        """Pairs of like length, in batches."""
        sizes = sources.lengths + targets.lengths
        order = torch.argsort(sizes, stable=True)
        return [order[rows] for rows in groups(sizes[order].tolist(), 4 * TOGETHER)]

    def _model(self) -> EncoderDecoder:
        self._check_fitted()
        return self.model_

    def _restored(self, path: Path) -> Translator:
        return load(path, self.rung)


def _keep(path: Path | None, *languages: Language) -> None:
    """Write languages beside the checkpoint of the run that learned them."""
    if path is not None:
        described = [language.describe() for language in languages]
        write_atomically(path, json.dumps(described).encode("ascii"))


def beam_of(how: int | Beam) -> Beam:
    """The options of a search, or of one of this width."""
    return how if isinstance(how, Beam) else Beam(how, length_penalty=1.0, exact=False)


def _one_way(rung: Rung) -> Rung:
    return replace(rung, bidirectional=False) if isinstance(rung, Recurrent) else rung


def _lines(lines: Sequence[str]) -> list[str]:
    """Lines, if that is what they are."""
    if isinstance(lines, str):
        raise CatenaError("give a list of lines, not one text")
    rows = list(lines)
    for i, row in enumerate(rows):
        if not isinstance(row, str):
            raise CatenaError(f"line {i + 1} is {row!r}, not a text", sequence=i)
    return rows


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


def metrics(tokenize: str | None) -> tuple[Any, Any]:
    """sacreBLEU's BLEU and chrF.

    Args:
        tokenize: how BLEU cuts words; "13a" unless given.

    Raises:
        CatenaError: where it is not installed, or knows no such way.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise CatenaError(
            "evaluating translations needs sacreBLEU: pip install 'catena[translate]'"
        ) from error
    if tokenize is not None:
        one_of("tokenize", tokenize, tuple(BLEU.TOKENIZERS))
    return BLEU(tokenize=tokenize), CHRF()


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
        decoder=None if decoder is None else _rung(decoder),
        looking=Looking(**task["looking"]),
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


def _rung(described: Mapping[str, Any]) -> Rung:
    return RUNGS[described["kind"]](**{k: v for k, v in described.items() if k != "kind"})
