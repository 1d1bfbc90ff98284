"""Generator: what comes next, how surprising was this, and more of the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from catena.automaton import Automaton
from catena.constraints import Constraint
from catena.errors import CatenaError
from catena.ladder import Rung
from catena.learn import History, Learner, Progress, Run, learner_for
from catena.model import SequenceModel
from catena.save import (
    learner_from,
    load_model,
    pack,
    restoring,
    rung_facts,
    save_model,
    task_facts,
)
from catena.scanning import scan
from catena.search import Beam, Sampling, beam, sample
from catena.sequences import Sequences, check_sequence
from catena.space import END, Space, Symbols, Unit, UnknownPolicy, Vectors, as_sequences, is_pair
from catena.tasks.estimator import Estimator, weights_of
from catena.tasks.stream import Stream

TASK = "generate"
NATS_A_BIT = math.log(2.0)


@dataclass(frozen=True)
class Evaluation:
    """How well a model predicts some data.

    Args:
        bits_per_symbol: mean surprise of a symbol, the end of a sequence counted where the space
            predicts it; for numeric spaces, of an observation's density.
        perplexity: 2 to the power of the bits.
        log_likelihood: nats, of all the data.
        symbols: how many predictions that were, ends included.
        sequences: how many sequences.
        unknown: how many of the symbols are outside the vocabulary and were read as ⟨unk⟩.
        bits_per_character: for words, over the characters of the text with one space after each
            word, or the line break that stands there; None otherwise, and where a word is unknown:
            a model that need not spell it out cannot be compared with one that must.
    """

    bits_per_symbol: float
    perplexity: float
    log_likelihood: float
    symbols: int
    sequences: int
    unknown: int
    bits_per_character: float | None = None


class Generator(Estimator):
    """A model of what comes next, over any rung.

    Args:
        rung: the kind of model, e.g. `LSTM(units=256)`.
        space: what an observation is; learned from the data unless given.
        unit: what a text is cut into: "char", "word" or "byte".
        unknown: what happens to symbols not seen in training: "replace" or "error".
        minimum: symbols that occur less often count as unknown.
        learner: how θ is found; the rung's own way unless given.
        seed: owns every random draw of `fit`.

    After `fit`: `space_`, `model_`, `learner_`, `history_`.

    Data is a text (one long stream, whose end is not predicted), a list of texts, a list of lists
    of items, a list of arrays, an (X, lengths) pair, or `Sequences`; a list may as well be a column
    of NumPy, pandas, Polars or Arrow. `["home", "search"]` is two texts, cut into characters; one
    sequence of two items is `[["home", "search"]]`.

    >>> from catena import Generator, Markov
    >>> model = Generator(Markov(order=1, smoothing="none")).fit(["abab", "ab"])
    >>> model.next("a")
    [('b', 1.0)]
    """

    def __init__(
        self,
        rung: Rung,
        *,
        space: Space | None = None,
        unit: Unit = "char",
        unknown: UnknownPolicy = "replace",
        minimum: int = 1,
        learner: Learner | None = None,
        seed: int = 0,
    ) -> None:
        self.rung, self.space = rung, space
        self.unit: Unit = unit
        self.unknown: UnknownPolicy = unknown
        self.minimum, self.learner, self.seed = minimum, learner, seed

    # -- learning ---------------------------------------------------------------------------

    def fit(
        self,
        data: Any,
        valid: Any = None,
        *,
        sample_weight: Any = None,
        report: Callable[[Progress], None] = lambda progress: None,
        checkpoint: Path | None = None,
        resume: bool = False,
    ) -> Generator:
        """Learn from data.

        Args:
            valid: held-out data that says when to stop and what to keep.
            sample_weight: `[n]`, what each sequence counts: 2 is as good as having it twice. For
                counting and EM.
            report: is told of the progress.
            checkpoint: where unfinished work is kept; `resume` goes on from it.

        Raises:
            CatenaError: when the data does not fit the space or the rung.
            Interrupted: after Ctrl-C, once the work so far has been kept.
        """
        self._begin()
        self.space_ = self.space or learn_space(data, self.unit, self.unknown, self.minimum)
        self.learner_ = self.learner or learner_for(self.rung)()
        train, weights = self._encode(data), None
        if sample_weight is not None:
            weights = weights_of(sample_weight, len(train))
            train, weights = train[weights > 0], weights[weights > 0]
        held_out = None if valid is None else self._encode(valid)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            model = self.rung.build(self.space_)
        run = Run(self.seed, report, checkpoint, resume, rung_facts(self.rung))
        self.history_ = self.learner_.fit(model, train, held_out, run, weights)
        self.model_ = model.to("cpu").eval()
        return self._end()

    # -- measuring --------------------------------------------------------------------------

    def log_prob(self, data: Any) -> Sequences:
        """log p of every step (and end) in nats, `[total]` over each sequence."""
        return self._model().log_prob(self._encode(data))

    def evaluate(self, data: Any) -> Evaluation:
        """How well the model predicts some data."""
        model, encoded = self._model(), self._encode(data)
        return self.summarise(encoded, model.log_prob(encoded))

    def summarise(self, encoded: Sequences, log_prob: Sequences) -> Evaluation:
        """An evaluation from log-probabilities that are there already."""
        total, count = float(log_prob.values.double().sum()), log_prob.total
        bits = -total / NATS_A_BIT / count if count else math.nan
        unknown = 0
        if isinstance(self.space_, Symbols) and self.space_.unknown_number is not None:
            unknown = int((encoded.values == self.space_.unknown_number).sum())
        return Evaluation(
            bits_per_symbol=bits,
            perplexity=math.inf if bits > 1000 else 2.0**bits,
            log_likelihood=total,
            symbols=count,
            sequences=len(encoded),
            unknown=unknown,
            bits_per_character=self._bits_per_character(encoded, total, unknown),
        )

    def score(self, data: Any, y: None = None) -> float:
        """Mean log-likelihood of a symbol in nats: higher is better, as scikit-learn has it."""
        return -self.bits(data) * NATS_A_BIT

    def bits(self, data: Any) -> float:
        """Mean surprise of a symbol in bits; the ends of sequences count."""
        return self.evaluate(data).bits_per_symbol

    def perplexity(self, data: Any) -> float:
        """2 to the power of the bits."""
        return self.evaluate(data).perplexity

    def surprise(self, sequence: Any) -> np.ndarray:
        """Bits of every step of one sequence, then of its end where that is predicted."""
        return -self.log_prob([sequence]).values.double().numpy() / NATS_A_BIT

    def encode(self, data: Any) -> np.ndarray:
        """What the state shows after each sequence, `[n, features]`."""
        model, encoded = self._model(), self._encode(data)
        with torch.no_grad():
            shown = model.read(scan(model, encoded).state)
        return shown.flatten(1).numpy()

    # -- going on ---------------------------------------------------------------------------

    def next(self, prefix: Any = None, k: int | None = None) -> list[tuple[Any, float]]:
        """The k likeliest next symbols after a prefix with their probabilities, best first.

        The end of the sequence is shown as ⟨end⟩. Symbols of probability 0 are left out.
        For numeric spaces see `next_distribution`.
        """
        space, distribution = self._symbols("next"), self.next_distribution(prefix)
        p = distribution.probs[0].double()  # type: ignore[attr-defined]
        values, order = p.sort(descending=True, stable=True)
        chosen = order[values > 0][:k].tolist()
        return [(_item(space, number), float(p[number])) for number in chosen]

    @torch.no_grad()
    def next_distribution(self, prefix: Any = None) -> Distribution:
        """p(next observation given a prefix), batch shape `[1]`."""
        model = self._model()
        return model.next(scan(model, self._prompts(prefix, 1)).state)

    def sample(
        self,
        n: int = 1,
        prompt: Any = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float = 0.0,
        min_length: int = 0,
        max_length: int = 1000,
        constraint: Constraint | None = None,
        seed: int = 0,
    ) -> list[Any]:
        """n sequences drawn from the model, each beginning with the prompt.

        Lengths do not count the prompt. See `catena.search` for the order of the filters.

        Args:
            constraint: what each sequence must obey, the prompt included; see
                `catena.constraints`.
        """
        how = Sampling(temperature, top_k, top_p, min_length, max_length, min_p)
        prompts, automaton = self._prompts(prompt, n), self._automaton(constraint)
        generator = torch.Generator().manual_seed(seed)
        drawn = sample(self._model(), prompts, how, generator, automaton)
        return [self._show(prompt, *pair) for pair in zip(prompts, drawn, strict=True)]

    def beam(
        self,
        prompt: Any = None,
        width: int = 5,
        *,
        min_length: int = 0,
        max_length: int = 1000,
        length_penalty: float = 0.0,
        constraint: Constraint | None = None,
    ) -> list[tuple[Any, float]]:
        """The likeliest sequences that begin with the prompt, with the log-probability of their
        continuation in nats, best first. Under a constraint, only what obeys it, which may be
        nothing where the model gives probability 0 to all that does."""
        prompts = self._prompts(prompt, 1)
        how = Beam(width, min_length, max_length, length_penalty)
        (found,) = beam(self._model(), prompts, how, constraint=self._automaton(constraint))
        return [(self._show(prompt, prompts[0], h.numbers), h.log_prob) for h in found]

    def stream(self, stored: bytes | None = None) -> Stream:
        """An object that takes one observation at a time; `stored` restores an earlier one."""
        return Stream(self._model(), stored)

    # -- keeping ----------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        self._check_unchanged()
        task = {"kind": TASK, **self.facts()}
        save_model(Path(path), self._model(), pack(self.rung, self.space_, self.learner_, task))

    def facts(self) -> dict[str, Any]:
        """What `restored` needs, beside the rung, the space and the learner."""
        own = {name: getattr(self, name) for name in ("unit", "unknown", "minimum", "seed")}
        return {**own, "learned_space": self.space is None, "history": asdict(self.history_)}

    # -- inside -----------------------------------------------------------------------------

    def _model(self) -> SequenceModel:
        self._check_fitted()
        return self.model_

    def _restored(self, path: Path) -> Generator:
        return load(path, self.rung)

    def _symbols(self, what: str) -> Symbols:
        self._model()
        if not isinstance(self.space_, Symbols):
            raise CatenaError(
                f"{what} needs symbols; this model's space is {type(self.space_).__name__}"
            )
        return self.space_

    def _automaton(self, constraint: Constraint | None) -> Automaton | None:
        return None if constraint is None else constraint.automaton(self._symbols("a constraint"))

    def _encode(self, data: Any) -> Sequences:
        return encode(self.space_, data, numbered=self.space is not None)

    def _prompts(self, prompt: Any, n: int) -> Sequences:
        if n < 0:
            raise CatenaError(f"the number of sequences must be at least 0, not {n}")
        self._model()
        if prompt is None:
            values = torch.zeros(0, *self.space_.event, dtype=self._dtype())
            return Sequences(values, torch.zeros(n, dtype=torch.int64))
        one = self._encode([prompt])
        return one[torch.zeros(n, dtype=torch.int64)]

    def _dtype(self) -> torch.dtype:
        return torch.int64 if isinstance(self.space_, Symbols) else torch.float64

    def _show(self, prompt: Any, encoded: Tensor, following: Tensor) -> Any:
        if isinstance(self.space_, Symbols):
            return self.space_.continued([] if prompt is None else prompt, following)
        return torch.cat([encoded, following]).numpy()

    def _bits_per_character(self, encoded: Sequences, total: float, unknown: int) -> float | None:
        space = self.space_
        if not isinstance(space, Symbols) or space.unit != "word" or not encoded.total or unknown:
            return None
        return -total / NATS_A_BIT / _characters(space, encoded)


def _item(space: Symbols, number: int) -> Any:
    return END if number == space.end_number else space.items[number]


def _characters(space: Symbols, encoded: Sequences) -> int:
    """The length of a text of words, each followed by a space or by the word that is a line break,
    which takes the place of the space."""
    sizes = torch.tensor([len(str(item)) + (item != "\n") for item in space.items])
    breaks = torch.tensor([item == "\n" for item in space.items])[encoded.values]
    first = torch.zeros_like(breaks)
    first[encoded.offsets[:-1][encoded.lengths > 0]] = True
    replaced = breaks[1:] & ~breaks[:-1] & ~first[1:]
    return int(sizes[encoded.values].sum()) - int(replaced.sum())


def learn_space(
    data: Any, unit: Unit = "char", unknown: UnknownPolicy = "replace", minimum: int = 1
) -> Space:
    """The space that data comes from: text and items are symbols, real numbers vectors.

    Raises:
        CatenaError: when there is no data to tell from.
    """
    data = _unpacked(data)
    if isinstance(data, str):
        return Symbols.learn([data], unit, unknown, end=False, minimum=minimum)
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], (str, bytes)):
        return Symbols.learn(data, unit, unknown, minimum=minimum)
    if _holds_items(data):
        stored = isinstance(data, Sequences) or is_pair(data)
        rows = as_sequences(data).to_list() if stored else data
        return Symbols.learn(rows, "item", unknown, minimum=minimum)
    return Vectors.learn(as_sequences(data))


def _holds_items(data: Any) -> bool:
    """Whether the observations are strings or integers."""
    if isinstance(data, Sequences) or is_pair(data):
        values = as_sequences(data).values
        return values.dim() == 1 and not values.is_floating_point()
    for row in data:
        check_sequence(row)
    kinds = set().union(*map(_kinds, data))
    if not kinds:
        raise CatenaError("all sequences are empty: there is nothing to learn from")
    whole = all(issubclass(kind, (int, np.integer, np.bool_)) for kind in kinds)
    return whole or any(issubclass(kind, str) for kind in kinds)


def _kinds(row: Any) -> set[type]:
    """The types of a row's observations."""
    if not len(row):
        return set()
    if isinstance(row, (np.ndarray, Tensor)) and row.ndim > 1:
        return {type(row)}
    if isinstance(row, Tensor):
        return {float if row.is_floating_point() else int}
    if isinstance(row, np.ndarray) and row.dtype != object:
        return {row.dtype.type}
    return set(map(type, row))


def encode(space: Space, data: Any, numbered: bool) -> Sequences:
    """Data, in any of the forms that `Generator` takes, as a space numbers it.

    Args:
        numbered: whether `Sequences` of whole numbers are the space's own numbers of its symbols,
            as where the caller made the space, and not symbols that it was learned from.
    """
    data = _unpacked(data)
    if isinstance(data, Sequences) and isinstance(space, Symbols) and numbered:
        return _checked(data, space)
    if isinstance(data, str):
        data = [data]
    elif isinstance(space, Symbols) and (isinstance(data, Sequences) or is_pair(data)):
        data = as_sequences(data).to_list()
    return space.encode(data)


def _unpacked(data: Any) -> Any:
    """A column of sequences as a list, whether NumPy, pandas, Polars or Arrow holds it.

    Raises:
        CatenaError: for a table.
    """
    if isinstance(data, Sequences):
        return data
    if hasattr(data, "columns") or hasattr(data, "tocsr"):
        raise CatenaError(
            f"a {type(data).__name__} is a table, dense or sparse, and says not where a sequence "
            "begins: give the column that has a sequence in each row, or a list of arrays"
        )
    if not hasattr(data, "__len__"):
        raise CatenaError(f"data must be a list or an array of sequences, not {data!r}")
    if isinstance(data, np.ndarray) and data.dtype.kind in "UO":
        return data.tolist()
    for name in ("to_pylist", "to_list"):
        if hasattr(data, name):
            return getattr(data, name)()
    return data


def _checked(data: Sequences, space: Symbols) -> Sequences:
    """Numbers of the caller's own space, if that is what they are."""
    values = data.values
    if values.dim() != 1 or values.is_floating_point() or values.dtype == torch.bool:
        raise CatenaError(f"symbols must be whole numbers, not {data!r}")
    outside = ((values < 0) | (values >= len(space.items))).nonzero()
    if len(outside):
        raise CatenaError(
            f"observation {int(outside[0]) + 1} is {int(values[outside[0]])}, but the space "
            f"numbers its symbols from 0 to {len(space.items) - 1}"
        )
    return data.with_values(values.long())


def load(path: str | Path, rung: Rung | None = None) -> Generator:
    """A fitted Generator from its file.

    Args:
        rung: needed for a Custom rung, whose code no file holds.

    Raises:
        CatenaError: when the file is damaged, foreign, newer, or of another task.
    """
    path = Path(path)
    task_facts(path, TASK)
    return restored(path, rung, lambda task: task)


def restored(
    path: Path, rung: Rung | None, part: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> Generator:
    """The Generator in a file, which may be a part of another task.

    Args:
        part: what `Generator.facts` said, of the facts of the task.

    Raises:
        CatenaError: when the file is damaged, foreign or newer.
    """
    model, rung, facts = load_model(path, rung)
    with restoring(path):
        task = part(facts["task"])
        made = Generator(
            rung,
            space=None if task["learned_space"] else model.space,
            unit=task["unit"],
            unknown=task["unknown"],
            minimum=task["minimum"],
            learner=learner_from(facts["learner"]),
            seed=task["seed"],
        )
        made.history_ = History(**task["history"])
    made.space_, made.model_, made.learner_ = model.space, model, made.learner  # type: ignore[assignment]
    return made._end()
