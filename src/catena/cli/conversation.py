"""A conversation in the terminal or through pipes: lines in, replies out, and a few commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from catena.cli import show
from catena.cli.writing import check_writable
from catena.container import write_atomically
from catena.errors import CatenaError
from catena.tasks.chat import Session

PROMPT = "> "
HELP = """/reset      forget what was said
/undo       take back your last turn and the reply
/save FILE  write this dialogue to a new file
/quit       end; so do Ctrl-D and Ctrl-C
/help       this list"""


def converse(session: Session, transcript: Path | None) -> None:
    """Answer every line until there is none, or /quit or Ctrl-C ends it.

    Args:
        transcript: a file that all that is said is appended to, as it is said.

    Raises:
        CatenaError: when the transcript cannot be written, or the input is not UTF-8.
    """
    talk = _Talk(session, None if transcript is None else Transcript(transcript))
    typed = sys.stdin.isatty()
    if typed:
        show.say("/help lists the commands; Ctrl-D ends")
    try:
        for line in map(str.strip, _typed() if typed else _piped(sys.stdin.buffer)):
            if line == "/quit":
                break
            if line:
                talk.take(line)
    except KeyboardInterrupt:
        if typed:
            show.result("")


class Transcript:
    """A file of dialogues, a turn a line and an empty line between two, that is only added to.

    Every exchange is on the disk before the next line is read, in one write.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._fresh = path, True
        self._append("")

    def add(self, turns: list[str]) -> None:
        """These turns go on with the dialogue."""
        self._append((self._apart() if self._fresh else "") + _lines(turns))
        self._fresh = False

    def part(self) -> None:
        """What comes next is another dialogue."""
        self._fresh = True

    def _apart(self) -> str:
        """What parts a new dialogue from what stands there, whose last line may lack its end."""
        held = self._path.read_bytes()
        if not held:
            return ""
        return "\n" if held.endswith(b"\n") else "\n\n"

    def _append(self, text: str) -> None:
        try:
            with self._path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CatenaError(f"{self._path}: cannot be written: {error.strerror}") from error


class _Talk:
    """What becomes of each line."""

    def __init__(self, session: Session, transcript: Transcript | None) -> None:
        self._session, self._transcript = session, transcript

    def take(self, line: str) -> None:
        """Answer a line, or do what it says; what cannot be done is said, and the talk goes on."""
        try:
            turns = self._do(line) if line.startswith("/") else self._answer(line)
        except CatenaError as error:
            return show.say(str(error))
        if not line.startswith("/"):
            show.result(turns[-1])
        if self._transcript is not None and turns:
            self._transcript.add(turns)

    def _answer(self, line: str) -> list[str]:
        """The new turns."""
        before = len(self._session.history)
        self._session.say(line)
        return self._session.history[before:]

    def _do(self, line: str) -> list[str]:
        """Obey; the turns that the dialogue in the transcript begins with from now on."""
        word, _, rest = line.partition(" ")
        if word == "/save":
            self._save(rest.strip())
            return []
        if word == "/help":
            show.say(HELP)
            return []
        if word not in ("/reset", "/undo"):
            raise CatenaError(f"{word}: no such command; /help lists them")
        self._session.reset() if word == "/reset" else self._session.undo()
        if self._transcript is not None:
            self._transcript.part()
        return self._session.history

    def _save(self, name: str) -> None:
        if not name or not self._session.history:
            raise CatenaError("/save FILE needs a name, and something that was said")
        path = Path(name).expanduser()
        check_writable(path)
        if path.exists():
            raise CatenaError(f"{path}: there is such a file already; name another")
        write_atomically(path, _lines(self._session.history).encode())
        show.say(f"wrote {path}")


def _typed() -> Iterator[str]:
    """Lines from a terminal, with what can be edited and called back there."""
    with suppress(ImportError):  # not every system has it
        import readline  # noqa: F401 (input uses it once it is there)
    while True:
        try:
            # Half a character, which a terminal may send, cannot be written to a file.
            yield input(PROMPT).encode("utf-8", "replace").decode()
        except EOFError:
            show.result("")
            return


def _piped(stream: IO[bytes]) -> Iterator[str]:
    """Lines from a pipe, each as soon as it is there."""
    for number, raw in enumerate(iter(stream.readline, b""), 1):
        try:
            yield raw.decode().removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise CatenaError(
                f"standard input, line {number}: not UTF-8; convert it first, for instance with "
                "iconv"
            ) from error


def _lines(turns: list[str]) -> str:
    return "".join(f"{turn}\n" for turn in turns)
