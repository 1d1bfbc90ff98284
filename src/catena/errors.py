"""The one exception for what a user can put right."""


class CatenaError(ValueError):
    """Something about the user's data, options or files that the message says how to mend.

    The command line prints it as one line and exits with status 2; anything else is a bug.
    """


class MissingExtra(CatenaError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""
