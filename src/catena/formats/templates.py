"""Template files of CRF++ and Wapiti."""

from __future__ import annotations

from pathlib import Path

from catena.features.templates import Templates, parse_templates
from catena.formats.options import Options
from catena.formats.source import decode, open_sources


def read_templates(path: str | Path) -> Templates:
    """The templates of a file; see `catena.features.templates`.

    Raises:
        CatenaError: when it cannot be read, or at a line that is no template.
    """
    source = open_sources([path])[0]
    return parse_templates(decode(source, Options()), source.name)
