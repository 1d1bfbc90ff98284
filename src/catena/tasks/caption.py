"""Captioner: a picture, or features of one, in; a sentence out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from catena.errors import CatenaError
from catena.ladder import Rung
from catena.ladder.neural import Recurrent
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
from catena.search import Beam
from catena.sequences import Sequences
from catena.space import Space, Symbols, Vectors
from catena.summary import Mean
from catena.tasks.class_learning import seeded
from catena.tasks.encoder_decoder import EncoderDecoder, Looking, decoder_over
from catena.tasks.estimator import Estimator
from catena.tasks.language import Language
from catena.tasks.regions import Convolution, Given, Pixels
from catena.tasks.sights import features_as_sequences, is_pictures, pictures_as_sequences
from catena.tasks.writing import (
    Written,
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

TASK = "caption"

# What a source is captioned with: one text, or several.
Captions = Sequence[str | Sequence[str]]


class Attended(NamedTuple):
    """What a caption was read off its source by.

    Args:
        symbols: of the caption.
        weights: how much each prediction, that of the end last, attended to each region:
            `[symbols + 1, grid, grid]` of a picture, `[symbols + 1, regions]` of features; those of
            a prediction sum to 1.
    """

    symbols: list[str]
    weights: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """How good captions are.

    Args:
        bleu: BLEU-1 to BLEU-4 of the captions beside all references, 0 to 100, by sacreBLEU.
        signatures: what sacreBLEU says of how each was computed.
        exact: the share of the captions that are one of their references.
        perplexity: of a symbol of the references, the ends among them.
        sources: how many there are.
    """

    bleu: list[float]
    signatures: list[str]
    exact: float
    perplexity: float
    sources: int


class Captioner(Estimator):
    """Says what is to be seen in a picture, learned from pictures with captions.

    A convolution makes of the picture a grid of regions, or its features are given; a decoder
    writes the caption symbol by symbol, and attention shows it which regions matter now (Xu et al.,
    Show, attend and tell, 2015).

    Args:
        rung: of the decoder, e.g. `LSTM(units=256, dropout=0.3, tied=True)`.
        convolution: what reads pictures; features do not need it.
        looking: how the decoder looks back at the regions.
        smoothing: the share of probability that learning spreads over all symbols alike.
        unit: what captions are cut into: subwords by "bpe" or "unigram", "word" or "char".
        vocabulary: how many subwords.
        minimum: words and characters that occur less often are unknown.
        learner: the `Gradient` that finds θ. An update is computed from batch · span steps: of each
            pair the symbols of its caption, or the rows of its picture where those are more.
        seed: owns every random draw of `fit`.

    Sources are picture files, an array of pictures `[n, height, width, 3]` of bytes, or features:
    `[n, d]`, `[n, regions, d]`, a list of `[regions, d]`, or `Sequences`.

    After `fit`: `language_`, `space_` (of the features; None of pictures), `model_`, `learner_`,
    `history_`, and `length_`: how many symbols a caption has on average.

    >>> import numpy as np
    >>> from catena import Captioner, Gradient, GRU
    >>> features = np.eye(3, dtype=np.float32)
    >>> captions = ["a cat", "a dog", "two birds"]
    >>> learner = Gradient(epochs=60, rate=0.02)
    >>> model = Captioner(GRU(units=16), unit="word", smoothing=0.0, learner=learner)
    >>> model.fit(features, captions).caption(features[[2, 0]])
    ['two birds', 'a cat']
    """

    def __init__(
        self,
        rung: Rung,
        *,
        convolution: Convolution = Convolution(),  # noqa: B008 (it is frozen)
        looking: Looking = Looking("additive"),  # noqa: B008
        smoothing: float = 0.1,
        unit: str = "bpe",
        vocabulary: int = 8000,
        minimum: int = 1,
        learner: Gradient | None = None,
        seed: int = 0,
    ) -> None:
        self.rung, self.convolution, self.looking = rung, convolution, looking
        self.smoothing, self.unit, self.vocabulary = smoothing, unit, vocabulary
        self.minimum, self.learner, self.seed = minimum, learner, seed

    # -- learning ---------------------------------------------------------------------------

    def fit(
        self,
        sources: Any,
        captions: Captions,
        valid: tuple[Any, Captions] | None = None,
        *,
        report: Callable[[Progress], None] = lambda progress: None,
        checkpoint: Path | None = None,
        resume: bool = False,
    ) -> Captioner:
        """Learn from sources and their captions, one or several of each.

        Args:
            valid: held-out sources and captions that say when to stop and what to keep.
            report, checkpoint, resume: as in `Generator.fit`.

        Raises:
            CatenaError: when there is nothing to learn from, sources and captions are not as many,
                a picture cannot be decoded, or the rung cannot decode.
            Interrupted: after Ctrl-C, once the work so far has been kept.
        """
        self._begin()
        fraction("smoothing", self.smoothing)
        whole("vocabulary", self.vocabulary, 1)
        self.space_ = None if is_pictures(sources) else _space(sources)
        texts, owner = _unfolded(captions)
        if not any(map(str.strip, texts)):
            raise CatenaError("all captions are empty: there is nothing to learn from")
        beside = languages_beside(checkpoint)
        self.language_ = self._language(texts, beside if resume else None)
        self.learner_ = self.learner or Gradient()
        device = device_named(self.learner_.device)
        model = seeded(self.seed, self._network)
        budget = self.learner_.batch * self.learner_.span

        def objective(sources: Any, captions: Captions, budget: int) -> Pairs:
            seen, targets, owner = self._coupled(sources, captions)
            return Pairs(model, seen.to(device), targets.to(device), budget, owner)

        train = objective(sources, captions, budget)
        held_out = None if valid is None else objective(*valid, 4 * budget)
        keep_languages(beside, self.language_)
        run = Run(self.seed, report, checkpoint, resume, self._job())
        self.history_ = self.learner_.descend(model, train, held_out, run)
        self.model_ = model.to("cpu").eval()
        self.length_ = (train.predictions - len(owner)) / len(owner)
        if beside is not None:
            beside.unlink(missing_ok=True)
        return self._end()

    # -- using ------------------------------------------------------------------------------

    def caption(self, sources: Any, how: int | Beam = 5) -> list[str]:
        """The best caption of each source; of features of no region, an empty one.

        Args:
            how: the width of the beam, or all options of the search. A width alone ranks by the
                average of a symbol and stops once so many captions have ended.
        """
        return [own[0].text if own else "" for own in self.candidates(sources, how)]

    def candidates(self, sources: Any, how: int | Beam = 5) -> list[list[Written]]:
        """The captions that the search found for each source, best first.

        Raises:
            CatenaError: for features of another width, or a picture that cannot be decoded.
        """
        model, seen = self._model(), self._seen(sources)
        prompts = self.language_.none(len(seen))
        usual = torch.full((len(seen),), self.length_, dtype=torch.float64)
        return found(model, self.language_, seen, prompts, usual, beam_of(how))

    def score(self, sources: Any, captions: Captions) -> list[np.ndarray]:
        """log p of each caption of each source, its end included, in nats: one array float64 for
        each source."""
        model = self._model()
        seen, targets, owner = self._coupled(sources, captions)
        totals = scores(model, seen, targets, owner)
        return [part.numpy() for part in totals.split(owner.bincount(minlength=len(seen)).tolist())]

    @torch.no_grad()
    def attend(self, sources: Any, captions: Sequence[str]) -> list[Attended]:
        """Which regions each symbol of the captions, one for each source, was read off."""
        model = self._model()
        seen, targets, _ = self._coupled(sources, texts_of(captions, "caption"))
        attended: list[Attended] = [Attended([], np.zeros((0, 0)))] * len(seen)
        for rows in together(seen.lengths + targets.lengths):
            weights = model.weights(seen[rows], targets[rows])
            for row, own in zip(rows.tolist(), weights, strict=True):
                symbols = self.language_.symbols(targets[row])
                attended[row] = Attended(symbols, self._laid_out(own, len(seen[row])))
        return attended

    def draw(self, path: str | Path, source: Any, caption: str | None = None) -> None:
        """Paint which parts of a picture its caption was read off, symbol by symbol.

        Args:
            path: of a .png, .svg or .pdf file.
            source: one picture, a file or `[height, width, 3]` of bytes.
            caption: the best one found, unless given.

        Raises:
            CatenaError: for a model of features, of which there is nothing to be painted.
        """
        from catena.tasks.overlay_plot import draw
        from catena.tasks.sights import read_picture

        self._check_fitted()
        if self.space_ is not None:
            raise CatenaError("attention is drawn over pictures; this model was fitted on features")
        picture = read_picture(source) if isinstance(source, (str, Path)) else np.asarray(source)
        text = self.caption(picture[None])[0] if caption is None else caption
        (attended,) = self.attend(picture[None], [text])
        draw(Path(path), picture, attended.symbols, attended.weights)

    # -- measuring --------------------------------------------------------------------------

    def evaluate(
        self,
        sources: Any,
        captions: Captions,
        how: int | Beam = 5,
        *,
        tokenize: str | None = None,
    ) -> Evaluation:
        """How good the captions found for the sources are, beside those given.

        Args:
            tokenize: how sacreBLEU cuts words, such as "zh" for Chinese; "13a" unless given.

        Raises:
            CatenaError: where sacreBLEU is not installed, or knows no such way.
        """
        model = self._model()
        bleu, _ = metrics("captions", tokenize)
        seen, targets, owner = self._coupled(sources, captions)
        references = [_several(own) for own in captions]
        texts = self.caption(sources, how)
        right = [text in own for text, own in zip(texts, references, strict=True)]
        total = float(scores(model, seen, targets, owner).sum())
        judges = [bleu(max_ngram_order=order, tokenize=tokenize) for order in (1, 2, 3, 4)]
        streams = _streams(references)
        return Evaluation(
            bleu=[judge.corpus_score(texts, streams).score for judge in judges],
            signatures=[str(judge.get_signature()) for judge in judges],
            exact=sum(right) / max(1, len(right)),
            perplexity=math.exp(-total / max(1, targets.total + len(targets))),
            sources=len(texts),
        )

    # -- keeping ----------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the fitted model to one file."""
        self._check_unchanged()
        plain = ("smoothing", "unit", "vocabulary", "minimum", "seed")
        task = {
            "kind": TASK,
            **{name: getattr(self, name) for name in plain},
            "convolution": self.convolution.describe(),
            "looking": asdict(self.looking),
            "features": None if self.space_ is None else self.space_.describe(),
            "language": self.language_.describe(),
            "length": self.length_,
            "history": asdict(self.history_),
        }
        facts = pack(self.rung, self.language_.space, self.learner_, task)
        save_model(Path(path), self._model(), facts)

    # -- inside -----------------------------------------------------------------------------

    def _language(self, texts: list[str], kept: Path | None) -> Language:
        if (languages := kept_languages(kept)) is not None:
            return languages[0]
        return Language.learn(texts, self.unit, self.vocabulary, self.minimum)

    def _network(self) -> EncoderDecoder:
        reads = Pixels(self.convolution) if self.space_ is None else self._given(self.space_)
        space = self.language_.space
        return decoder_over(reads, Mean(), self.rung, space, self.looking, self.smoothing)

    def _given(self, space: Vectors) -> Given:
        if not isinstance(self.rung, Recurrent):
            raise CatenaError(f"a decoder is an RNN, GRU or LSTM, not {self.rung!r}")
        return Given(space, self.rung.units, self.rung.dropout)

    def _job(self) -> dict[str, Any]:
        parts = {"convolution": self.convolution.describe(), "looking": asdict(self.looking)}
        return {"rung": rung_facts(self.rung), **parts}

    def _seen(self, sources: Any) -> Sequences:
        """Sources as the model reads them.

        Raises:
            CatenaError: for pictures where features were learned from and the other way round, and
                for features of another width.
        """
        pictures = self.space_ is None if _nothing(sources) else is_pictures(sources)
        if pictures != (self.space_ is None):
            names = ("features", "pictures") if self.space_ is None else ("pictures", "features")
            raise CatenaError(f"these are {names[0]}, but the model was fitted on {names[1]}")
        if self.space_ is None:
            return pictures_as_sequences(sources, self.convolution.size)
        dim = self.space_.dim
        if _nothing(sources):
            return Sequences(torch.zeros((0, dim)), torch.zeros(0, dtype=torch.int64))
        seen = features_as_sequences(sources)
        if seen.event[0] != dim:
            raise CatenaError(
                f"features of {seen.event[0]} numbers; the model was fitted on features of {dim}"
            )
        return seen

    def _coupled(
        self, sources: Any, captions: Captions
    ) -> tuple[Sequences, Sequences, torch.Tensor]:
        """Sources, the captions of all of them, and which source each caption is of."""
        seen = self._seen(sources)
        texts, owner = _unfolded(captions)
        if len(seen) != len(captions):
            raise CatenaError(
                f"{len(seen)} sources, but captions for {len(captions)}: give each source its own"
            )
        return seen, self.language_.encode(texts), owner

    def _laid_out(self, weights: torch.Tensor, regions: int) -> np.ndarray:
        """Weights `[predictions, longest]` as the regions lie."""
        if self.space_ is not None:
            return weights[:, :regions].numpy()
        grid = self.convolution.grid
        return weights.reshape(-1, grid, grid).numpy()

    def _model(self) -> EncoderDecoder:
        self._check_fitted()
        return self.model_

    def _restored(self, path: Path) -> Captioner:
        return load(path)


def _space(sources: Any) -> Vectors:
    seen = features_as_sequences(sources)
    return Vectors.learn(seen)


def _nothing(sources: Any) -> bool:
    return isinstance(sources, (list, tuple)) and not sources


def _several(own: str | Sequence[str]) -> list[str]:
    return [own] if isinstance(own, str) else list(own)


def _unfolded(captions: Captions) -> tuple[list[str], torch.Tensor]:
    """All captions one after the other, and which source each is of.

    Raises:
        CatenaError: at a source without captions, or with one that is no text.
    """
    if isinstance(captions, str):
        raise CatenaError("give a list of captions, not one text")
    texts: list[str] = []
    counts: list[int] = []
    for i, own in enumerate(captions):
        several = _several(own) if isinstance(own, Sequence) else [own]
        if not several or not all(isinstance(text, str) for text in several):
            raise CatenaError(f"caption {i + 1} is {own!r}, not a text or several", sequence=i)
        texts.extend(several)
        counts.append(len(several))
    return texts, torch.repeat_interleave(torch.tensor(counts, dtype=torch.int64))


def _streams(references: list[list[str]]) -> list[list[str | None]]:
    """The first reference of each source, then the second, ...; None where there is none."""
    most = max(map(len, references), default=1)
    return [[own[i] if i < len(own) else None for own in references] for i in range(most)]


def load(path: str | Path) -> Captioner:
    """A fitted Captioner from its file.

    Raises:
        CatenaError: when the file is damaged, foreign, newer, or of another task.
    """
    path = Path(path)
    task = task_facts(path, TASK)["task"]
    model, rung, facts = load_module(path, _module)
    with restoring(path):
        made = _captioner(rung, facts["task"])
        made.learner = learner_from(facts["learner"])  # type: ignore[assignment]
        made.history_ = History(**task["history"])
    made.model_, made.learner_ = model, made.learner  # type: ignore[assignment]
    return made._end()


def _module(rung: Rung, space: Space, task: Mapping[str, Any]) -> EncoderDecoder:
    made = _captioner(rung, task)
    if not isinstance(space, Symbols) or space != made.language_.space:
        raise ValueError("its two descriptions of the captions' symbols differ")
    return made._network()


def _captioner(rung: Rung, task: Mapping[str, Any]) -> Captioner:
    """A Captioner of what a file holds, still without its network."""
    plain = {name: task[name] for name in ("smoothing", "unit", "vocabulary", "minimum", "seed")}
    convolution, looking = Convolution(**task["convolution"]), Looking(**task["looking"])
    made = Captioner(rung, convolution=convolution, looking=looking, **plain)
    features = task["features"]
    made.space_ = None if features is None else Vectors.from_description(features)
    made.language_ = Language.from_description(task["language"])
    made.length_ = float(task["length"])
    return made
