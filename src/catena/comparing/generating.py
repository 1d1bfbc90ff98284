"""The comparison of Generators: how well does each predict what comes next?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from catena.comparing import grid
from catena.comparing.bootstrap import Bootstrap, by_position
from catena.comparing.contest import Entry, Measured, Tell
from catena.comparing.figure import Figure
from catena.comparing.measure import Meter, count_parameters
from catena.comparing.result import Terms
from catena.comparing.tally import mean
from catena.errors import CatenaError
from catena.ladder import HMM, RUNGS, Markov, Rung
from catena.space import Space, Symbols, Unit, Vectors, as_sequences, is_pair
from catena.split import Split, beginning, split
from catena.tasks.generate import NATS_A_BIT, Generator, encode, learn_space

SAMPLE_LENGTH = 400
# The sizes of an HMM compete on this much of the data at most.
CHOOSING_OBSERVATIONS = 200_000
UNITS = {"char": "character", "word": "word", "byte": "byte", "item": "symbol"}
# Bits a symbol below which a difference is not worth paying for.
CLOSE = 0.02

DENSITY = (
    "The mean of −log₂ of the density that a model gave to each observation of the test part "
    "before seeing it. Fewer is better; below 0 is possible, since a density may be above 1, and "
    "only differences have a meaning of their own."
)
PROBABILITY = (
    "The mean of −log₂ of the probability that a model gave to each {} of the test part before "
    "seeing it; where sequences end, the end is predicted and counted too. Fewer is better: one "
    "bit fewer is twice the probability."
)
PERPLEXITY = Figure(
    "perplexity", "perplexity", "perplexity", "perplexity", "perplexity {}", "2 to that power.",
    digits=2,
)  # fmt: skip
CHARACTERS = Figure(
    "bits_per_character", "bits/character", "bits a character", "bits", "{} bits a character",
    "The same over the characters of the words, with one for the space or the line's end.",
)  # fmt: skip


class Generating:
    """Generators over one space, on the same three parts.

    Args:
        data: as `Generator.fit` takes it. parts: the same, already split.

    Raises:
        CatenaError: when the data cannot be split.
    """

    kinds = tuple(RUNGS)
    baselines = ("markov-1", "independent")
    unused = ()

    def __init__(
        self, data: Any, parts: Split | None, unit: Unit, space: Space | None, seed: int, name: str
    ) -> None:
        data = as_sequences(data) if is_pair(data) else data
        parts = parts or split(data, seed, unit=space.unit if isinstance(space, Symbols) else unit)
        own, self.space = space is not None, space or learn_space(parts.train, unit)
        self.train, self.valid, self.test = (encode(self.space, part, own) for part in parts[:3])
        if not self.test.total:
            raise CatenaError("the test part is empty: more data is needed")
        self.few = beginning(self.train, CHOOSING_OBSERVATIONS)
        self.seed, self.name, self.rule = seed, name, parts.rule
        self.sizes = (self.train.total, self.valid.total, self.test.total)
        ends = int(self.space.end_number is not None)
        self.bootstrap = Bootstrap(self.test.lengths + ends, seed)
        self.terms = self._terms()
        self.unfit = f"cannot model {type(self.space).__name__}: a Markov chain needs symbols"

    def _terms(self) -> Terms:
        return terms_of(self.space)

    def entries(self, kinds: Sequence[str]) -> list[Entry]:
        return grid.entries(kinds, self.space, self.train.total)

    def counted(self, rung: Rung) -> bool:
        return isinstance(rung, Markov)

    def fit(self, entry: Entry, rung: Rung, minutes: float, tell: Tell, short: bool) -> Generator:
        how = grid.learner(rung, minutes, self.train.total)
        model = Generator(rung, space=self.space, learner=how, seed=self.seed, **entry.options)
        # A pass of EM over all data can take longer than a candidate has.
        train = self.few if short and isinstance(rung, HMM) else self.train
        return model.fit(train, self.valid, report=tell)

    def judge(self, model: Generator) -> float:
        return model.bits(self.valid)

    def measure(self, model: Generator) -> Measured:
        with Meter() as meter:
            log_prob = model.log_prob(self.test)
        found = model.summarise(self.test, log_prob)
        bits = log_prob.with_values(-log_prob.values.double() / NATS_A_BIT)
        figures = {
            "bits": found.bits_per_symbol,
            "perplexity": found.perplexity,
            "bits_per_character": found.bits_per_character,
        }
        return Measured(
            figures=figures,
            tallies={"bits": mean(bits.values)},
            parameters=count_parameters(model.model_),
            speed=found.symbols / max(meter.seconds, 1e-9),
            curve=_curve(model),
            positions=by_position(bits),
            sample=self._sample(model),
        )

    def _sample(self, model: Generator) -> str | None:
        if not isinstance(self.space, Symbols):
            return None
        how = {"temperature": 0.8, "max_length": SAMPLE_LENGTH, "seed": self.seed}
        drawn = model.sample(1, **how)[0]
        return self.space.show(self.space.encode([drawn]).values)


def terms_of(space: Space, task: str = "generate", unit: str | None = None) -> Terms:
    """What a comparison over a space speaks of; `unit` is what an observation is called."""
    symbols = isinstance(space, Symbols)
    unit = unit or (UNITS[space.unit] if symbols else "step")
    a_unit = f"bits a {unit}"
    bits = Figure(
        key="bits",
        head=f"bits/{unit}",
        axis=a_unit,
        name="bits",
        form=f"{{}} {a_unit}",
        meaning=DENSITY if isinstance(space, Vectors) else PROBABILITY.format(unit),
        amount=" bits",
        close=CLOSE,
    )
    figures = (bits, CHARACTERS, PERPLEXITY) if symbols else (bits,)
    return Terms(task, unit, "observations", a_unit, "scored/s", figures)


def _curve(model: Generator) -> list[tuple[float, float | None, float | None]]:
    def bits(nats: float | None) -> float | None:
        return None if nats is None else nats / NATS_A_BIT

    rows = model.history_.rows
    return [(row["seconds"], bits(row.get("train")), bits(row.get("valid"))) for row in rows]
