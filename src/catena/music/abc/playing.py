"""From bars to notes in time: repeats played or not, ties joined.

A repeat goes back to the sign that begins it; without one, to the end of the repeat before it, to
the last double bar or to the beginning. Grace notes take no time and are left out, and so are chord
symbols and the order of parts that a header's P: may ask for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

from catena.errors import CatenaError
from catena.music.abc.bars import Bar
from catena.music.abc.fields import Meter
from catena.music.abc.score import read
from catena.music.abc.tune import Tune
from catena.music.piece import RESOLUTION, Metre, Note, Piece, Tempo

FINEST = 32767  # ticks to a quarter note that a MIDI file can have
DRUMS = 9
CHANNELS = [channel for channel in range(16) if channel != DRUMS]


def piece(tune: Tune, repeats: bool = True) -> Piece:
    """A tune's notes in time. Voices sound together, each on a channel of its own.

    Args:
        repeats: whether repeats and endings are played, or every bar once.

    Raises:
        CatenaError: as `read` does, and for lengths that no MIDI file can count.

    >>> tune = Tune("X:1\\nT:Twice\\nM:2/4\\nL:1/4\\nK:C\\n|:C-C|E2:|")
    >>> [(note.start, note.pitch, note.length) for note in piece(tune).notes]
    [(0, 60, 960), (960, 64, 960), (1920, 60, 960), (2880, 64, 960)]
    """
    voices = [[*played(bars)] if repeats else bars for bars in read(tune).voices.values()]
    ticks = 4 * _resolution(voices, tune)  # to a whole note
    notes = [
        note
        for number, bars in enumerate(voices)
        for note in _notes(bars, ticks, CHANNELS[number % len(CHANNELS)])
    ]
    lead = voices[0]
    return Piece(tuple(notes), ticks // 4, _tempos(lead, ticks), _metres(lead, ticks), tune.title)


def played(bars: Sequence[Bar]) -> Iterator[Bar]:
    """The bars in the order in which they are played."""
    for part in _parts(bars):
        times = max([bar.plays for bar in part] + [max(bar.endings, default=1) for bar in part])
        for time in range(1, times + 1):
            ending: tuple[int, ...] = ()
            for bar in part:
                ending = bar.endings or ending
                if not ending or time in ending:
                    yield bar


def _parts(bars: Sequence[Bar]) -> Iterator[list[Bar]]:
    """What is repeated as one: up to the end of a repeat and the endings that follow it."""
    part: list[Bar] = []
    for bar in bars:
        over = part and (part[-1].plays > 1 or part[-1].thick) and not bar.endings
        if part and (over or bar.opens):
            yield part
            part = []
        part.append(bar)
    if part:
        yield part


def _resolution(voices: Sequence[Sequence[Bar]], tune: Tune) -> int:
    """Ticks to a quarter note in which every length is a whole number."""
    lengths = {sound.length for bars in voices for bar in bars for sound in bar.sounds}
    found = math.lcm(RESOLUTION, *((4 * length).denominator for length in lengths))
    if found > FINEST:
        finest = max(length.denominator for length in lengths)
        raise CatenaError(
            f"{tune.place(1)}: its lengths, down to a {finest}th of a whole note, have no common "
            "tick that MIDI can count; make its tuplets simpler"
        )
    return found


def _starts(bars: Sequence[Bar]) -> Iterator[tuple[Bar, Fraction]]:
    """The bars and when each begins, in whole notes."""
    now = Fraction(0)
    for bar in bars:
        yield bar, now
        now += bar.length


def _notes(bars: Sequence[Bar], ticks: int, channel: int) -> Iterator[Note]:
    """The notes of one voice; tied ones are one."""
    held: dict[int, Fraction] = {}  # the pitches that go on, and when each began
    for bar, now in _starts(bars):
        for sound in bar.sounds:
            for pitch in held.keys() - {*sound.pitches}:  # tied to nothing
                yield _note(held.pop(pitch), now, pitch, ticks, channel)
            end = now + sound.length
            for pitch in sound.pitches:
                start = held.pop(pitch, now)
                if pitch in sound.tied:
                    held[pitch] = start
                else:
                    yield _note(start, end, pitch, ticks, channel)
            now = end
    end = sum((bar.length for bar in bars), Fraction(0))
    for pitch, start in held.items():
        yield _note(start, end, pitch, ticks, channel)


def _note(start: Fraction, end: Fraction, pitch: int, ticks: int, channel: int) -> Note:
    return Note(int(start * ticks), pitch, int((end - start) * ticks), channel=channel)


def _tempos(bars: Sequence[Bar], ticks: int) -> tuple[Tempo, ...]:
    return tuple(
        Tempo(int((now + offset) * ticks), float(quarters))
        for bar, now in _starts(bars)
        for offset, quarters in bar.tempos
    )


def _metres(bars: Sequence[Bar], ticks: int) -> tuple[Metre, ...]:
    """The metres, each where it changes."""
    metres: list[Metre] = []
    last: Meter | None = None
    for bar, now in _starts(bars):
        if bar.meter is not None and bar.meter != last:
            metres.append(Metre(int(now * ticks), *bar.meter))
            last = bar.meter
    return tuple(metres)
