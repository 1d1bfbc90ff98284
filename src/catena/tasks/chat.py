"""Chat: the next turn of a dialogue, from the turns before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from catena.errors import CatenaError
from catena.ladder import Rung
from catena.ladder.rung import whole
from catena.learn import Gradient, Progress
from catena.save import pack, restoring, save_model, task_facts
from catena.scheduled import ScheduledSampling
from catena.search import Beam, Sampling, sample
from catena.tasks.encoder_decoder import Looking
from catena.tasks.estimator import Estimator
from catena.tasks.translate import Evaluation, Pair, Translator, restored
from catena.tasks.turns import Turn
from catena.tasks.writing import Written, beam_of, found, metrics, together

TASK = "chat"
# What stands between the turns of a source: a symbol that nobody types.
BETWEEN = "␞"
# What is handed on to the Translator.
PASSED = (
    "decoder", "looking", "smoothing", "unit", "vocabulary", "minimum", "scheduled", "learner",
    "seed",
)  # fmt: skip
HOW = Sampling(temperature=0.7, top_p=0.9)


class Chat(Estimator):
    """Says what comes next in a dialogue, learned from dialogues.

    A `Translator` from the last turns, written one after the other, to the turn that follows.

    Args:
        rung: of the encoder, e.g. `GRU(units=128, bidirectional=True, dropout=0.3)`.
        context: how many turns are looked back at.
        speaker: whose turns are learned; everybody's unless given.
        decoder, looking, smoothing, unit, vocabulary, minimum, scheduled, learner, seed: as in
            `Translator`; both sides have one vocabulary.

    After `fit`: `translator_`, `history_`; `context_`, how many turns back the data went, at most
    `context`; and `longest_`, the symbols of the longest turn learned from, which no reply exceeds.

    >>> from catena import GRU, Chat, Gradient
    >>> dialogues = [["hello", "hi there", "are you a robot ?", "yes i am"], ["bye", "see you"]]
    >>> chat = Chat(GRU(units=16), unit="word", learner=Gradient(epochs=60, rate=0.02))
    >>> chat.fit(dialogues).reply(["hello"], how=5)
    'hi there'
    >>> session = chat.session(how=5)
    >>> session.say("hello"), session.say("are you a robot ?")
    ('hi there', 'yes i am')
    """

    def __init__(
        self,
        rung: Rung,
        *,
        context: int = 2,
        speaker: str | None = None,
        decoder: Rung | None = None,
        looking: Looking = Looking(),  # noqa: B008 (it is frozen)
        smoothing: float = 0.0,
        unit: str = "bpe",
        vocabulary: int = 8000,
        minimum: int = 1,
        scheduled: ScheduledSampling | None = None,
        learner: Gradient | None = None,
        seed: int = 0,
    ) -> None:
        self.rung, self.context, self.speaker = rung, context, speaker
        self.decoder, self.looking, self.smoothing = decoder, looking, smoothing
        self.unit, self.vocabulary, self.minimum = unit, vocabulary, minimum
        self.scheduled, self.learner, self.seed = scheduled, learner, seed

    # -- learning ---------------------------------------------------------------------------

    def fit(
        self,
        dialogues: Iterable[Iterable[str | Turn]],
        valid: Iterable[Iterable[str | Turn]] | None = None,
        *,
        report: Callable[[Progress], None] = lambda progress: None,
        checkpoint: Path | None = None,
        resume: bool = False,
    ) -> Chat:
        """Learn from dialogues: lists of turns, in order.

        Args:
            valid: held-out dialogues that say when to stop and what to keep.
            report, checkpoint, resume: as in `Generator.fit`.

        Raises:
            CatenaError: when no turn answers another, or a turn is no text or empty.
            Interrupted: after Ctrl-C, once the work so far has been kept.
        """
        self._begin()
        whole("context", self.context, 1)
        dialogues = _dialogues(dialogues)
        self.context_ = max(1, min(self.context, max(map(len, dialogues), default=0) - 1))
        pairs = self.pairs(dialogues)
        held_out = None if valid is None else self.pairs(valid)
        translator = self._translator()
        self.translator_ = translator.fit(
            pairs, held_out, report=report, checkpoint=checkpoint, resume=resume
        )
        self.history_ = translator.history_
        replies = translator.target_.encode([target for _, target in pairs])
        self.longest_ = int(replies.lengths.max())
        return self._end()

    # -- using ------------------------------------------------------------------------------

    def reply(self, history: Sequence[str], how: int | Beam | Sampling = HOW, seed: int = 0) -> str:
        """What is said after these turns, the last of which is to be answered.

        Args:
            how: drawn as a `Sampling` says, or the best that a `Beam`, or one of this width, finds.
            seed: owns the random draws.

        Raises:
            CatenaError: where there is nothing to answer.
        """
        return self.replies([history], how, seed)[0]

    def replies(
        self, histories: Sequence[Sequence[str]], how: int | Beam | Sampling = HOW, seed: int = 0
    ) -> list[str]:
        """What is said after each of these histories; as in `reply`."""
        return self._replies(histories, how, torch.Generator().manual_seed(seed))

    def candidates(
        self, histories: Sequence[Sequence[str]], how: int | Beam = 5
    ) -> list[list[Written]]:
        """The replies that the search found for each history, best first."""
        how, translator, texts = beam_of(how), self._fitted(), self._sources(histories)
        least = max(1, how.min_length)
        how = replace(how, min_length=least, max_length=self._limit(how))
        sources, prompts = translator.source_.encode(texts), translator.target_.none(len(texts))
        usual = torch.full((len(texts),), self.longest_)

        def origin(row: int) -> list[str]:
            return translator.source_.written(texts[row])

        every = found(translator.model_, translator.target_, sources, prompts, usual, how, origin)
        return [[one._replace(text=_clean(one.text)) for one in own] for own in every]

    def session(self, how: int | Beam | Sampling = HOW, seed: int = 0) -> Session:
        """A conversation that begins now."""
        self._check_fitted()
        return Session(self, how, seed)

    # -- measuring --------------------------------------------------------------------------

    def pairs(self, dialogues: Iterable[Iterable[str | Turn]]) -> list[Pair]:
        """Every turn that is to be learned, beside the turns before it as one text."""
        found: list[Pair] = []
        dialogues = _dialogues(dialogues)
        for turns in dialogues:
            texts = [turn.text for turn in turns]
            learned = [self.speaker in (None, turn.speaker) for turn in turns]
            found += [
                (self._source(texts[:at]), texts[at]) for at in range(1, len(turns)) if learned[at]
            ]
        if not found:
            raise CatenaError(self._nothing(dialogues))
        return found

    def score(self, dialogues: Iterable[Iterable[str | Turn]]) -> np.ndarray:
        """log p of each turn, its end included, given those before it, in nats: `[pairs]` float64,
        in the order of `pairs`."""
        return self._fitted().score(self.pairs(dialogues))

    def evaluate(
        self,
        dialogues: Iterable[Iterable[str | Turn]],
        how: int | Beam | Sampling = 5,
        tokenize: str | None = None,
        seed: int = 0,
    ) -> Evaluation:
        """How like the turns of held-out dialogues the replies to the turns before them are.

        Args:
            tokenize: how sacreBLEU cuts words, such as "zh" for Chinese; "13a" unless given.

        Raises:
            CatenaError: where sacreBLEU is not installed, or knows no such way.
        """
        translator, pairs = self._fitted(), self.pairs(dialogues)
        metrics("replies", tokenize)  # before the work, not after it
        sources = [source.split(BETWEEN) for source, _ in pairs]
        return translator.judged(pairs, self.replies(sources, how, seed), tokenize)

    # -- keeping ----------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the fitted model to one file."""
        self._check_unchanged()
        translator = self.translator_
        task = {
            "kind": TASK,
            **{name: getattr(self, name) for name in ("context", "speaker")},
            "went_back": self.context_,
            "longest": self.longest_,
            "translator": translator.facts(),
        }
        space, learner = translator.target_.space, translator.learner_
        save_model(Path(path), translator.model_, pack(self.rung, space, learner, task))

    # -- inside -----------------------------------------------------------------------------

    def _translator(self) -> Translator:
        options = {name: getattr(self, name) for name in PASSED}
        return Translator(self.rung, joint=True, **options)

    def _fitted(self) -> Translator:
        self._check_fitted()
        return self.translator_

    def _source(self, texts: Sequence[str]) -> str:
        """The last of these turns as one text."""
        return f" {BETWEEN} ".join(texts[-self.context_ :])

    def _sources(self, histories: Sequence[Sequence[str]]) -> list[str]:
        """What is read of each history.

        Raises:
            CatenaError: where there is nothing to answer.
        """
        self._check_fitted()
        texts = [[turn.text for turn in _turns(history, i)] for i, history in enumerate(histories)]
        for i, turns in enumerate(texts):
            if not turns:
                raise CatenaError(f"history {i + 1} has no turn to answer", sequence=i)
        return [self._source(turns) for turns in texts]

    @torch.no_grad()
    def _replies(
        self,
        histories: Sequence[Sequence[str]],
        how: int | Beam | Sampling,
        generator: torch.Generator,
    ) -> list[str]:
        if not isinstance(how, Sampling):
            return [own[0].text for own in self.candidates(histories, how)]
        texts, translator = self._sources(histories), self._fitted()
        sources = translator.source_.encode(texts)
        how = replace(how, min_length=max(1, how.min_length), max_length=self._limit(how))
        replies = [""] * len(histories)
        for rows in together(sources.lengths):
            model = translator.model_.given(sources[rows])
            drawn = sample(model, translator.target_.none(len(rows)), how, generator)
            for row, numbers in zip(rows.tolist(), drawn, strict=True):
                replies[row] = _clean(translator.target_.decode(numbers))
        return replies

    def _limit(self, how: Beam | Sampling) -> int:
        """Where replies are cut off."""
        return max(1, how.min_length, min(how.max_length, self.longest_))

    def _nothing(self, dialogues: Sequence[Sequence[Turn]]) -> str:
        """Why there is no pair."""
        if self.speaker is None or not any(len(turns) > 1 for turns in dialogues):
            return "no dialogue has two turns: there is nothing to learn from"
        there = sorted({turn.speaker for turns in dialogues for turn in turns if turn.speaker})
        return f"no turn answers another and is {self.speaker!r}'s; speakers: {there or 'none'}"

    def _restored(self, path: Path) -> Chat:
        return load(path, self.rung)


class Session:
    """A conversation with a `Chat`.

    Args:
        how: as in `Chat.reply`; it may be changed between turns.
        seed: owns the random draws of all replies.
    """

    def __init__(self, chat: Chat, how: int | Beam | Sampling, seed: int) -> None:
        self.how = how
        self._chat, self._generator = chat, torch.Generator().manual_seed(seed)
        self._exchanges: list[list[str]] = []

    @property
    def history(self) -> list[str]:
        """The turns so far, one's own and the replies to them."""
        return [turn for exchange in self._exchanges for turn in exchange if turn]

    def say(self, text: str) -> str:
        """One's own turn; the reply to it.

        Raises:
            CatenaError: for an empty turn.
        """
        if isinstance(text, str) and not _clean(text):
            raise CatenaError("the turn is empty; say something")
        # All that is read of it, so that a long conversation does not become a slow one.
        before = self.history[-self._chat.context_ :]
        reply = self._chat._replies([[*before, text]], self.how, self._generator)[0]
        self._exchanges.append([_clean(text), reply])
        return reply

    def undo(self) -> None:
        """Take back the last turn of one's own and the reply to it, if there is one."""
        del self._exchanges[-1:]

    def reset(self) -> None:
        """Forget all that was said."""
        self._exchanges.clear()


def _dialogues(dialogues: Iterable[Iterable[str | Turn]]) -> list[list[Turn]]:
    if isinstance(dialogues, str):
        raise CatenaError("give a list of dialogues, each a list of turns, not one text")
    return [_turns(turns, i) for i, turns in enumerate(dialogues)]


def _turns(turns: Iterable[str | Turn], number: int) -> list[Turn]:
    """The turns of a dialogue, their white space single.

    Raises:
        CatenaError: at the first that is no text, or an empty one.
    """
    if isinstance(turns, str):
        raise CatenaError(
            f"dialogue {number + 1} is one text; give a list of turns", sequence=number
        )
    found = []
    for at, turn in enumerate(turns):
        turn = Turn(turn) if isinstance(turn, str) else turn
        place = f"dialogue {number + 1}, turn {at + 1}"
        if not isinstance(turn, Turn) or not isinstance(turn.text, str):
            raise CatenaError(f"{place} is {turn!r}, not a text or a Turn", number, at)
        if not (text := _clean(turn.text)):
            raise CatenaError(f"{place} is empty; leave it out", number, at)
        found.append(turn._replace(text=text))
    return found


def _clean(text: str) -> str:
    """A text with single white space and without the mark between turns."""
    return " ".join(text.replace(BETWEEN, " ").split())


def load(path: str | Path, rung: Rung | None = None) -> Chat:
    """A fitted Chat from its file.

    Args:
        rung: needed for a Custom rung as the encoder, whose code no file holds.

    Raises:
        CatenaError: when the file is damaged, foreign, newer, or of another task.
    """
    path = Path(path)
    task = task_facts(path, TASK)["task"]
    with restoring(path):
        translator = restored(path, rung, lambda task: task["translator"])
        options = {name: getattr(translator, name) for name in PASSED}
        made = Chat(translator.rung, context=task["context"], speaker=task["speaker"], **options)
        made.context_, made.longest_ = int(task["went_back"]), int(task["longest"])
    made.translator_, made.history_ = translator, translator.history_
    return made._end()
