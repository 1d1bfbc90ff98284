"""Fitted tasks from their files, whichever task it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from catena.save import load_facts


def load(path: str | Path, rung: Any = None, features: Any = None) -> Any:
    """What a file holds, fitted: a Generator, Classifier, Tagger, Translator, Chat, Captioner,
    Recommender or Composer.

    Args:
        rung: of a model with a Custom rung, whose code no file holds.
        features: of a Tagger whose features are a function, likewise.

    Raises:
        CatenaError: when the file is damaged, foreign, newer, or of a task that there is not.
    """
    kind = load_facts(Path(path))["task"].get("kind")
    if kind == "tag":
        from catena.tasks.tag import load_tagger

        return load_tagger(path, features, rung)
    if kind == "classify":
        from catena.tasks import classify

        return classify.load(path, rung)
    if kind == "translate":
        from catena.tasks import translate

        return translate.load(path, rung)
    if kind == "chat":
        from catena.tasks import chat

        return chat.load(path, rung)
    if kind == "caption":
        from catena.tasks import caption

        return caption.load(path)
    if kind == "recommend":
        from catena.tasks import recommend

        return recommend.load(path, rung)
    if kind == "compose":
        from catena.tasks import compose

        return compose.load(path, rung)
    from catena.tasks import generate

    return generate.load(path, rung)
