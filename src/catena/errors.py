"""The one exception for what a user can put right."""

from __future__ import annotations


class CatenaError(ValueError):
    """Something about the user's data, options or files that the message says how to mend.

    The command line prints it as one line and exits with status 2; anything else is a bug.

    Args:
        sequence: which sequence of the data is at fault, counted from 0, where one is: a caller
            that knows where the data came from can name the file and the line.
        step: which step of that sequence, counted from 0, where one is.
    """

    def __init__(self, message: str, sequence: int | None = None, step: int | None = None) -> None:
        super().__init__(message)
        self.sequence, self.step = sequence, step
