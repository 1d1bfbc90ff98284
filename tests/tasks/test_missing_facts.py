"""Files from which something of the description is missing, as in those of another version."""

import copy

import numpy as np
import pytest

from catena import (
    CRF,
    EM,
    GRU,
    HMM,
    RNN,
    Captioner,
    CatenaError,
    Chat,
    Classifier,
    Generator,
    Gradient,
    Markov,
    Popularity,
    QuasiNewton,
    Recommender,
    SessionKNN,
    SessionPopularity,
    Tagger,
    Translator,
    container,
    load,
)
from catena.scheduled import ScheduledSampling

ONCE = Gradient(epochs=1, batch=2, span=8)
TINY = GRU(units=2, embedding=2)
LINES = ["ab", "ba", "", "abba"]
PAIRS = [("a b", "b a"), ("b", "b"), ("", "")]
SESSIONS = [["a", "b"], ["b", "a", "b"], ["a", "a"]]
STEPS = [["a", "b"], ["b"], []]
TAGS = [["x", "y"], ["y"], []]
PICTURES = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


WORDS = Translator(
    RNN(units=2), unit="word", decoder=TINY, scheduled=ScheduledSampling(0.1), learner=ONCE
)


def scored(model):
    model.score(LINES)


def predicted(model):
    model.predict(LINES)


def labelled(model):
    model.predict(STEPS)


def recommended(model):
    model.recommend(["a"], 1)


# A model of every kind of file, what it learns from, and a use of it.
MODELS = {
    "markov": (Generator(Markov(2)), [LINES], scored),
    "hmm": (Generator(HMM(2), learner=EM(restarts=1, iterations=1)), [LINES], scored),
    "gru": (Generator(TINY, learner=ONCE), [LINES], scored),
    "classifier": (Classifier(TINY, learner=ONCE), [LINES, [*"xyxy"]], predicted),
    "bayes": (Classifier(Markov(1)), [LINES, [*"xyxy"]], predicted),
    "crf": (Tagger(CRF(), learner=QuasiNewton(iterations=2)), [STEPS, TAGS], labelled),
    "tagger": (Tagger(TINY, learner=ONCE), [STEPS, TAGS], labelled),
    "labelled": (Tagger(HMM()), [STEPS, TAGS], labelled),
    "words": (WORDS, [PAIRS], lambda model: model.translate(["a", ""])),
    "subwords": (
        Translator(TINY, vocabulary=9, learner=ONCE),
        [PAIRS],
        lambda model: model.translate(["a"]),
    ),
    "chat": (
        Chat(TINY, unit="char", learner=ONCE),
        [[["a", "b"], ["b", "a", "b"]]],
        lambda model: model.reply(["a"]),
    ),
    "captioner": (
        Captioner(TINY, unit="word", learner=ONCE),
        [PICTURES, ["a b", "b", "a"]],
        lambda model: model.caption(PICTURES),
    ),
    "recommender": (Recommender(TINY, learner=ONCE), [SESSIONS], recommended),
    "popularity": (Recommender(Popularity()), [SESSIONS], recommended),
    "sessions": (Recommender(SessionPopularity()), [SESSIONS], recommended),
    "neighbours": (Recommender(SessionKNN()), [SESSIONS], recommended),
}


def keys(facts, before=()):
    """The way to every key of a description, of the inner ones too."""
    for name, value in facts.items():
        yield (*before, name)
        if isinstance(value, dict):
            yield from keys(value, (*before, name))


def without(facts, way):
    changed = copy.deepcopy(facts)
    inner = changed
    for name in way[:-1]:
        inner = inner[name]
    del inner[way[-1]]
    return changed


@pytest.mark.parametrize("kind", MODELS)
def test_what_is_missing_is_named_or_not_needed(tmp_path, kind):
    model, data, use = MODELS[kind]
    model.fit(*data)
    path = tmp_path / "m"
    model.save(path)
    tensors, facts = container.read(path)
    for way in keys(facts):
        container.write(path, tensors, without(facts, way))
        try:
            use(load(path))
        except CatenaError as error:
            told = str(error)
            assert told.startswith(f"{path}: "), way
            assert "\n" not in told
            # What is missing of a rung or of how a decoder looks back has its usual value, and
            # then the tensors do not fit.
            if way[0] == "task" and len(way) == 2:
                assert way[1] in told.split("'") or way[1] == "kind"
