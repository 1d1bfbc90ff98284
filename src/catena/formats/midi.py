"""Standard MIDI files of type 0 and 1 as pieces, and pieces as MIDI files, through mido.

What is read: notes with velocity and channel, tempos, metres and the sustain pedal, of all tracks.
Instruments, words, bends and other controllers are left out.

- A note-on of velocity 0 is a note-off, and a note-off that ends nothing is passed over.
- Of several notes of one pitch and channel that sound in a track, a note-off ends the one that
  began first. One that nothing ends sounds until the next of them began, the last to the track's
  end.
- A note that is let go while the pedal (controller 64) of its channel is down sounds until the
  pedal is lifted or its pitch is struck again, or else to the end of the file.
- A note of no length lasts a tick.

Notes that overlap in pitch and channel are written to tracks of their own, so that each is read
with the length that it has. No pedal is written: notes have their lengths.
"""

from __future__ import annotations

import io
import struct
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from catena.container import write_atomically
from catena.errors import CatenaError
from catena.formats.source import Source, open_sources
from catena.music.piece import Metre, Note, Piece, Tempo

HEADER, TRACK = b"MThd", b"MTrk"
HEADER_SIZE = 6  # bytes, at least
ONE_TRACK = struct.pack(">4slhhh", HEADER, 6, 0, 1, 480)
MINUTE = 60_000_000  # microseconds
SLOWEST = 0xFFFFFF  # microseconds a quarter note
FINEST = 0x7FFF  # ticks a quarter note
LONGEST = 0x0FFFFFFF  # ticks from one event to the next
# Controllers; those from RELEASE up let go of all notes.
PEDAL, SILENCE, RESET, RELEASE = 64, 120, 121, 123
DOWN = 64  # the least value at which the pedal is down


class Event(NamedTuple):
    """A message of a track, `tick` from the start."""

    tick: int
    track: int
    message: Any


def read_midi(path: str | Path) -> Piece:
    """The piece in a MIDI file, compressed or not.

    Raises:
        CatenaError: for a file that is missing, empty, damaged, cut short or no MIDI file, for one
            of type 2 or with SMPTE time, and where mido is not installed.
    """
    (source,) = open_sources([path])
    resolution, chunks = _opened(source)
    tracks = [_events(source.name, i, chunk) for i, chunk in enumerate(chunks)]
    ends = [track[-1].tick if track else 0 for track in tracks]
    events = sorted(chain.from_iterable(tracks), key=lambda event: event.tick)
    try:
        tempos, metres = _tempos(events), _metres(events)
    except CatenaError as error:
        raise CatenaError(f"{source.name}: {error}") from error
    return Piece(_notes(events, ends), resolution, tempos, metres, source.name)


def write_midi(piece: Piece, path: str | Path) -> None:
    """Write a piece as a MIDI file of type 1, atomically.

    A tempo is written to the microsecond a quarter note.

    Raises:
        CatenaError: for what MIDI cannot say, with the reason; when the file cannot be written; and
            where mido is not installed.
    """
    mido = _mido()
    try:
        tracks = [_times(piece), *map(_strokes, _layers(piece.notes))]
        spaced = [mido.MidiTrack(_spaced(track)) for track in tracks]
        _check_resolution(piece.resolution)
    except CatenaError as error:
        raise CatenaError(f"{path}: {error}") from error
    content = io.BytesIO()
    mido.MidiFile(type=1, ticks_per_beat=piece.resolution, tracks=spaced).save(file=content)
    write_atomically(Path(path), content.getvalue())


def _mido() -> Any:
    try:
        import mido
    except ImportError as error:
        raise CatenaError("MIDI files need mido: pip install 'catena[music]'") from error
    return mido


# -- chunks ---------------------------------------------------------------------------------------


def _opened(source: Source) -> tuple[int, list[bytes]]:
    """Ticks a quarter note, and the tracks, each with its head. Chunks of other kinds are passed
    over, as the standard asks."""
    raw, name = source.raw, source.name
    if not raw.startswith(HEADER):
        raise CatenaError(f"{name}: not a MIDI file: it does not begin with MThd")
    if len(raw) < len(ONE_TRACK):
        raise CatenaError(f"{name}: cut short in its first {len(ONE_TRACK)} bytes")
    size, kind, count, resolution = struct.unpack(">LHHH", raw[4 : len(ONE_TRACK)])
    if kind > 1:
        raise CatenaError(
            f"{name}: a MIDI file of type {kind}; types 0 and 1 are read"
            + (": save each of its patterns as a file" if kind == 2 else "")
        )
    if size < HEADER_SIZE:
        raise CatenaError(
            f"{name}: damaged: a header of {size} bytes, where {HEADER_SIZE} are needed"
        )
    if not 1 <= resolution <= FINEST:
        raise CatenaError(
            f"{name}: counts time in SMPTE frames or not at all; save it with ticks a quarter note"
        )
    place, chunks = 8 + size, []
    while len(chunks) < count:
        head, length = raw[place : place + 8], int.from_bytes(raw[place + 4 : place + 8])
        chunk = raw[place : place + 8 + length]
        if len(head) < 8 or len(chunk) < 8 + length:
            raise CatenaError(f"{name}: cut short in track {len(chunks) + 1} of {count}")
        if head.startswith(TRACK):
            chunks.append(chunk)
        place += len(chunk)
    if raw[place:].startswith(TRACK):
        raise CatenaError(f"{name}: damaged: more tracks than the {count} that its header says")
    return resolution, chunks


def _events(name: str, track: int, chunk: bytes) -> list[Event]:
    """The messages of a track, at their times."""
    mido = _mido()
    from mido.midifiles.meta import KeySignatureError

    try:
        (messages,) = mido.MidiFile(file=io.BytesIO(ONE_TRACK + chunk)).tracks
    except EOFError as error:
        raise CatenaError(f"{name}, track {track + 1}: damaged: ends within a message") from error
    except (OSError, ValueError, LookupError, TypeError, struct.error, KeySignatureError) as error:
        raise CatenaError(f"{name}, track {track + 1}: damaged: {error}") from error
    tick, events = 0, []
    for message in messages:
        if message.time > LONGEST:
            raise CatenaError(f"{name}, track {track + 1}: damaged: a time longer than four bytes")
        tick += message.time
        events.append(Event(tick, track, message))
    return events


# -- what the messages say ------------------------------------------------------------------------


def _tempos(events: Iterable[Event]) -> tuple[Tempo, ...]:
    lengths = [(e.tick, e.message.tempo) for e in events if e.message.type == "set_tempo"]
    if any(length < 1 for _, length in lengths):
        raise CatenaError("damaged: a tempo of no time a quarter note")
    return tuple(Tempo(tick, MINUTE / length) for tick, length in lengths)


def _metres(events: Iterable[Event]) -> tuple[Metre, ...]:
    found = [(e.tick, e.message) for e in events if e.message.type == "time_signature"]
    if any(message.numerator < 1 for _, message in found):
        raise CatenaError("damaged: a metre of no beats")
    return tuple(Metre(tick, told.numerator, told.denominator) for tick, told in found)


def _notes(events: Iterable[Event], ends: Sequence[int]) -> tuple[Note, ...]:
    """The notes.

    Args:
        ends: of each track, in ticks.
    """
    keys = _Keys()
    for tick, track, message in events:
        if message.type == "note_on" and message.velocity:
            keys.strike(tick, track, message.channel, message.note, message.velocity)
        elif message.type in ("note_on", "note_off"):
            keys.let_go(tick, (track, message.channel, message.note))
        elif message.type == "control_change":
            keys.control(tick, message.channel, message.control, message.value)
    keys.end(ends)
    return tuple(keys.notes)


class _Stroke(NamedTuple):
    """A note that still sounds."""

    start: int
    channel: int
    pitch: int
    velocity: int


_Key = tuple[int, int, int]  # track, channel, pitch


class _Keys:
    """What sounds, while the messages of all tracks go by."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self._down: defaultdict[_Key, deque[_Stroke]] = defaultdict(deque)
        # By channel, what the pedal alone still holds; a channel is here while its pedal is down.
        self._held: dict[int, list[_Stroke]] = {}

    def strike(self, tick: int, track: int, channel: int, pitch: int, velocity: int) -> None:
        held = self._held.get(channel, [])
        for stroke in [stroke for stroke in held if stroke.pitch == pitch]:
            held.remove(stroke)
            self._finish(stroke, tick)
        self._down[track, channel, pitch].append(_Stroke(tick, channel, pitch, velocity))

    def let_go(self, tick: int, key: _Key) -> None:
        if not self._down[key]:
            return
        stroke = self._down[key].popleft()
        if stroke.channel in self._held:
            self._held[stroke.channel].append(stroke)
        else:
            self._finish(stroke, tick)

    def control(self, tick: int, channel: int, control: int, value: int) -> None:
        if control == SILENCE or control >= RELEASE:
            for key in [key for key in self._down if key[1] == channel]:
                for _ in list(self._down[key]):
                    self.let_go(tick, key)
        if control == PEDAL and value >= DOWN:
            self._held.setdefault(channel, [])
        elif control in (PEDAL, RESET):
            self._drop(tick, self._held.pop(channel, []))
        elif control == SILENCE:
            self._drop(tick, self._held.get(channel, []))

    def _drop(self, tick: int, strokes: list[_Stroke]) -> None:
        for stroke in strokes:
            self._finish(stroke, tick)
        strokes.clear()

    def end(self, ends: Sequence[int]) -> None:
        """End what still sounds."""
        for (track, _, _), strokes in self._down.items():
            stops = [*(stroke.start for stroke in strokes), ends[track]][1:]
            for stroke, stop in zip(strokes, stops, strict=True):
                self._finish(stroke, stop)
        for stroke in chain.from_iterable(self._held.values()):
            self._finish(stroke, max(ends))

    def _finish(self, stroke: _Stroke, tick: int) -> None:
        length = max(1, tick - stroke.start)
        self.notes.append(Note(stroke.start, stroke.pitch, length, stroke.velocity, stroke.channel))


# -- messages from pieces -------------------------------------------------------------------------


def _check_resolution(resolution: int) -> None:
    if not 1 <= resolution <= FINEST:
        raise CatenaError(f"MIDI has from 1 to {FINEST} ticks a quarter note, not {resolution}")


def _layers(notes: Iterable[Note]) -> list[list[Note]]:
    """The notes of each channel, in as many layers as it takes for none to overlap in pitch."""
    layers: list[tuple[list[Note], dict[int, int]]] = []  # with each pitch's last end
    for note in notes:
        free = (
            (layer, ends)
            for layer, ends in layers
            if layer[0].channel == note.channel and ends.get(note.pitch, 0) <= note.start
        )
        found = next(free, None)
        if found is None:
            found = [], {}
            layers.append(found)
        layer, ends = found
        layer.append(note)
        ends[note.pitch] = note.end
    return [layer for layer, _ in layers]


def _strokes(notes: Iterable[Note]) -> list[tuple[int, Any]]:
    """Messages at their ticks; at the same one, what ends comes before what begins, since it began
    earlier."""
    message = _mido().Message
    events = []
    for note in notes:
        key = {"channel": note.channel, "note": note.pitch}
        events.append((note.end, message("note_off", velocity=64, **key)))
        events.append((note.start, message("note_on", velocity=note.velocity, **key)))
    return sorted(events, key=lambda event: event[0])


def _times(piece: Piece) -> list[tuple[int, Any]]:
    """Messages for the tempos and metres."""
    message = _mido().MetaMessage
    events = []
    for tempo in piece.tempos:
        length = round(MINUTE / tempo.beats) if tempo.beats > 0 else 0
        if not 1 <= length <= SLOWEST:
            raise CatenaError(f"MIDI has no tempo of {tempo.beats} quarter notes a minute")
        events.append((tempo.start, message("set_tempo", tempo=length)))
    for metre in piece.metres:
        beats, unit = metre.beats, metre.unit
        if not 1 <= beats <= 255 or unit < 1 or unit.bit_count() != 1:
            raise CatenaError(f"MIDI has no metre of {beats}/{unit}: units are powers of two")
        events.append((metre.start, message("time_signature", numerator=beats, denominator=unit)))
    return sorted(events, key=lambda event: event[0])


def _spaced(events: Iterable[tuple[int, Any]]) -> Iterator[Any]:
    """Messages with the time since the one before."""
    before = 0
    for tick, message in events:
        if not 0 <= tick - before <= LONGEST:
            raise CatenaError(f"tick {tick} lies too far from tick {before} for MIDI")
        yield message.copy(time=tick - before)
        before = tick
