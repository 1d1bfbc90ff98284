"""Composer: pieces of music learned from pieces of music."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, cast

from catena.errors import CatenaError
from catena.ladder import Rung
from catena.ladder.rung import whole
from catena.learn import Learner, Progress
from catena.music.abc import Tune
from catena.music.abc import piece as played
from catena.music.grid import METRE, bar, resolution_of
from catena.music.piece import BEATS_A_MINUTE, Metre, Piece, Tempo
from catena.save import pack, restoring, save_model, task_facts
from catena.tasks.estimator import Estimator
from catena.tasks.generate import Generator, restored
from catena.tasks.music_forms import Abc, Form, PieceForm, Work, form_named

TASK = "compose"
BARS, STEP = 16, 16
READERS: dict[type[Work], str] = {
    Piece: "Piece of catena.music; catena.formats.read_midi reads one from a MIDI file, and "
    "catena.music.abc.piece makes one of a tune",
    Tune: "Tune of catena.music.abc; catena.formats.abc.read_tunes reads them",
}


@dataclass(frozen=True)
class Evaluation:
    """How well a model predicts pieces.

    Args:
        nats: mean surprise of a frame, an event or a symbol of ABC, over all those of all pieces. A
            frame is one step with all 88 keys, the first predicted from nothing, the last the one
            in which the last note ends; the end of a piece is not predicted. Of events and of
            symbols, the end of a piece is one more.
        unit: which of them: "frame", "event" or "symbol".
        log_likelihood: nats, of all pieces.
        steps: how many frames, events or symbols that were.
        pieces: how many pieces.
        unknown: how many symbols of ABC were not seen in training and are read as ⟨unk⟩.
    """

    nats: float
    unit: str
    log_likelihood: float
    steps: int
    pieces: int
    unknown: int


class Composer(Estimator):
    """Writes music, learned from pieces.

    Args:
        rung: the kind of model, e.g. `LSTM(units=256)`; `Markov` does not know frames.
        form: what a piece is for the model: "events", notes that begin and end; "frames", which of
            the 88 keys of a piano sound, step by step; or "abc", a tune as it is written.
        step: what time is counted in, 1/`step` notes: 16 for sixteenths. Tunes of ABC need none.
        transpose: learn every piece in all keys up to so many semitones away, too.
        learner: how θ is found; the rung's own way unless given.
        seed: owns every random draw of `fit`.

    Pieces are `catena.music.Piece`; of the form "abc" they are `catena.music.abc.Tune`.

    After `fit`: `generator_`, the fitted `Generator` over the form's space, `history_`, `metre_`,
    the commonest of the pieces, and `tempo_`, the middle one in quarter notes a minute.

    >>> from catena import Composer, Markov
    >>> from catena.music import Note, Piece
    >>> scale = Piece(tuple(Note(480 * i, 60 + pitch, 480) for i, pitch in enumerate([0, 2, 4, 5])))
    >>> model = Composer(Markov(order=2, smoothing="none")).fit([scale])
    >>> [new] = model.compose(bars=1)
    >>> [note.pitch for note in new.notes]
    [60, 62, 64, 65]
    """

    def __init__(
        self,
        rung: Rung,
        *,
        form: str = "events",
        step: int = STEP,
        transpose: int = 0,
        learner: Learner | None = None,
        seed: int = 0,
    ) -> None:
        self.rung, self.form, self.step, self.transpose = rung, form, step, transpose
        self.learner, self.seed = learner, seed

    # -- learning ---------------------------------------------------------------------------

    def fit(
        self,
        pieces: Iterable[Work],
        valid: Iterable[Work] | None = None,
        *,
        report: Callable[[Progress], None] = lambda progress: None,
        checkpoint: Path | None = None,
        resume: bool = False,
    ) -> Composer:
        """Learn from pieces.

        Args:
            valid: held-out pieces, as they are, that say when to stop and what to keep.
            report, checkpoint, resume: as in `Generator.fit`.

        Raises:
            CatenaError: when no piece has a note, a note has no place in the form, or the rung
                cannot model it.
            Interrupted: after Ctrl-C, once the work so far has been kept.
        """
        self._begin()
        form, given = self._form(), self._works(pieces)
        train = self._encode(given, self.transpose)
        if not any(map(len, train)):
            raise CatenaError("no piece has a note: there is nothing to learn from")
        held_out = None if valid is None else self._encode(self._works(valid))
        heard = [_heard(work) for work in given]
        self.metre_, self.tempo_ = _commonest_metre(heard), _middle_tempo(heard)
        space = form.space(train)
        generator = Generator(self.rung, space=space, learner=self.learner, seed=self.seed)
        self.generator_ = generator.fit(
            train, held_out, report=report, checkpoint=checkpoint, resume=resume
        )
        self.history_ = generator.history_
        return self._end()

    # -- measuring --------------------------------------------------------------------------

    def encode(self, piece: Work) -> Any:
        """A piece as the `Generator` that models it takes it: frames `[length, 88]`, or a list of
        events or of symbols.

        Raises:
            CatenaError: for a note that has no place in the form, and where ABC is not valid.
        """
        return self._form().encode(piece)

    def evaluate(self, pieces: Iterable[Work]) -> Evaluation:
        """How well the model predicts pieces, as they are."""
        self._check_fitted()
        found = self.generator_.evaluate(self._encode(self._works(pieces)))
        return Evaluation(
            nats=-found.log_likelihood / found.symbols if found.symbols else float("nan"),
            unit=self._form().unit,
            log_likelihood=found.log_likelihood,
            steps=found.symbols,
            pieces=found.sequences,
            unknown=found.unknown,
        )

    def score(self, pieces: Iterable[Work], y: None = None) -> float:
        """Mean log-likelihood of a frame, event or symbol in nats: higher is better, as
        scikit-learn has it."""
        return -self.evaluate(pieces).nats

    # -- composing --------------------------------------------------------------------------

    def compose(
        self,
        primer: Work | None = None,
        bars: int | None = None,
        *,
        n: int = 1,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float = 0.0,
        seed: int = 0,
    ) -> list[Any]:
        """n new pieces; of the form "abc", tunes, each of them valid: what is not is drawn again.

        Args:
            primer: what each begins with, on the model's grid; its metre and tempos are kept.
            bars: how many follow where the primer ends, of its last metre, or else of `metre_`; 16
                unless given. Tunes end where the model ends them.
            temperature, top_k, top_p, min_p: as in `catena.search.Sampling`; frames, which only a
                network gives a temperature, have none of the others.

        Raises:
            CatenaError: where a bar has not a whole number of steps, where bars are asked for of
                tunes, and where hardly a tune is valid.
        """
        self._check_fitted()
        form, encoded = self._form(), None
        if primer is not None:
            (encoded,) = self._encode(self._works([primer]))
        how: dict[str, Any] = {
            "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p, "seed": seed
        }  # fmt: skip
        if isinstance(form, Abc):
            if bars is not None:
                raise CatenaError("a tune of ABC ends where the model ends it: leave bars out")
            return form.sample(self.generator_, n, encoded, how)
        bars = BARS if bars is None else bars
        whole("bars", bars, 1)
        begin = self._beginning(cast("Piece | None", primer))
        steps = bars * bar(begin.metres[-1], self.step)
        pieces = cast(PieceForm, form)
        drawn = pieces.sample(self.generator_, n, encoded, steps, how)
        return [pieces.decode(one, begin.tempos, begin.metres) for one in drawn]

    def _beginning(self, primer: Piece | None) -> Piece:
        """The times of what is composed, in ticks of the grid, and nothing else."""
        resolution = resolution_of(self.step)
        own = Piece((), resolution, (Tempo(0, self.tempo_),), (self.metre_,))
        if primer is None:
            return own
        ticks = resolution / primer.resolution
        tempos = (replace(one, start=round(one.start * ticks)) for one in primer.tempos)
        metres = (replace(one, start=round(one.start * ticks)) for one in primer.metres)
        return replace(own, tempos=tuple(tempos) or own.tempos, metres=tuple(metres) or own.metres)

    def draw(self, path: str | Path, piece: Work, primer: Work | None = None) -> None:
        """Paint a piece as a piano roll, a .png, .svg or .pdf file; the primer in grey."""
        from catena.tasks.roll_plot import draw

        shown, new = _heard(piece), 0
        if primer is not None:
            begun = _heard(primer)
            new = begun.end * shown.resolution // begun.resolution
        draw(Path(path), shown, new)

    # -- keeping ----------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the fitted model to one file."""
        self._check_unchanged()
        generator = self.generator_
        task = {
            "kind": TASK,
            **{name: getattr(self, name) for name in ("form", "step", "transpose", "seed")},
            "metre": [self.metre_.beats, self.metre_.unit],
            "tempo": self.tempo_,
            "generator": generator.facts(),
        }
        facts = pack(self.rung, generator.space_, generator.learner_, task)
        save_model(Path(path), generator.model_, facts)

    # -- inside -----------------------------------------------------------------------------

    def _form(self) -> Form:
        return form_named(self.form, self.step)

    def _works(self, works: Iterable[Work]) -> list[Any]:
        """Pieces or tunes, if that is what they are.

        Raises:
            CatenaError: for one where a list of them is needed, and for what is none.
        """
        if isinstance(works, (Piece, Tune, str)) or not isinstance(works, Iterable):
            raise CatenaError(f"give a list of pieces, not {type(works).__name__}")
        found, wanted = list(works), self._form().work
        for i, work in enumerate(found):
            if not isinstance(work, wanted):
                raise CatenaError(
                    f"piece {i + 1} is a {type(work).__name__}, not a {READERS[wanted]}", i
                )
        return found

    def _encode(self, works: list[Any], within: int = 0) -> list[Any]:
        """Works, each in all keys so many semitones away, as `Generator` takes them."""
        form, found = self._form(), []
        for i, work in enumerate(works):
            try:
                found += map(form.encode, form.in_keys(work, within))
            except CatenaError as error:
                if isinstance(work, Tune):
                    raise  # it names the line
                raise CatenaError(f"{work.name or f'piece {i + 1}'}: {error}", i) from error
        return found

    def _restored(self, path: Path) -> Composer:
        return load(path, self.rung)


def _heard(work: Work) -> Piece:
    return played(work) if isinstance(work, Tune) else work


def _commonest_metre(pieces: Iterable[Piece]) -> Metre:
    first = (piece.metres[0] if piece.metres else METRE for piece in pieces)
    ((beats, unit), _), *_ = Counter((metre.beats, metre.unit) for metre in first).most_common(1)
    return Metre(0, beats, unit)


def _middle_tempo(pieces: Iterable[Piece]) -> float:
    return median(piece.tempos[0].beats if piece.tempos else BEATS_A_MINUTE for piece in pieces)


def load(path: str | Path, rung: Rung | None = None) -> Composer:
    """A fitted Composer from its file.

    Args:
        rung: needed for a Custom rung, whose code no file holds.

    Raises:
        CatenaError: when the file is damaged, foreign, newer, or of another task.
    """
    path = Path(path)
    task = task_facts(path, TASK)["task"]
    with restoring(path):
        generator = restored(path, rung, lambda task: task["generator"])
        plain = {name: task[name] for name in ("form", "step", "transpose", "seed")}
        made = Composer(generator.rung, learner=generator.learner, **plain)
        if not made._form().fits(generator.space_):
            raise ValueError("its two descriptions of what it composes differ")
        beats, unit = task["metre"]
        made.metre_, made.tempo_ = Metre(0, int(beats), int(unit)), float(task["tempo"])
    made.generator_, made.history_ = generator, generator.history_
    return made._end()
