"""Recommenders on the command line: fit, recommend, evaluate, info."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path

from catena.cli import show
from catena.cli.about import tell
from catena.cli.fit import choose
from catena.cli.given import Given, flag, picked
from catena.cli.learning import keep, learn
from catena.cli.options import OF_MODELS
from catena.cli.writing import check_writable
from catena.comparing.measure import count_parameters
from catena.errors import CatenaError
from catena.formats.options import Options
from catena.formats.sessions import Sessions, read_sessions
from catena.formats.source import STDIN, decode, open_sources
from catena.kinds import describe
from catena.learn import Gradient
from catena.learn.item_losses import ITEM_LOSSES, ItemLoss
from catena.space import Item
from catena.tasks.baselines import BASELINES, Baseline
from catena.tasks.recommend import CUTOFFS, LEARNER, Evaluation, Recommender, load

# How a table is read, as `read_sessions` calls it.
READING = {
    "group_by": "session",
    "order_by": "time",
    "item": "item",
    "skip_bad": "skip_bad",
    "drop_repeats": "drop_repeats",
    "encoding": "encoding",
    "errors": "errors",
}
TEXTS = ("encoding", "errors")  # what sessions a line have of these
OF_BASELINES = frozenset({"neighbours", "recent"})
OF_LOSSES = frozenset({"samples", "exponent", "logq", "regularisation"})
FOREIGN = frozenset({"emission", "bidirectional", "variational"})  # what predicts has none of them
ROWS = "-"  # in place of a column of times: the order of the rows


def fit(given: Given) -> None:
    """Learn, show the progress, write the file, say what came of it.

    Args:
        given: all that stands on the command line, by name.
    """
    recommender = _recommender(given)
    output = given["output"]
    check_writable(output)
    train = read(given["data"], given)
    valid = None
    if "valid" in given:
        valid = read_like(train.sequences[0][0], given["valid"], given).sequences
    learn(recommender, (train.sequences, valid), given)
    keep(recommender, given)
    items = f"{len(recommender.space_.items):,} items"
    show.say(f"wrote {output}: {recommender.model}, {items} in {len(train):,} sessions")


def recommend(model: Path, sources: list[str], given: Given) -> None:
    """The items that come next, a line or a JSON object for each session, in their order."""
    recommender = load(model)
    for name, session in _asked(sources, given, recommender):
        running = recommender.stream()
        for item in session:
            running.push(item)
        found = running.recommend(given["count"], exclude_seen=given["exclude_seen"])
        if not given["json"]:
            show.result("\t".join([name, *(str(item) for item, _ in found)]))
            continue
        items = [{"item": item, "score": score} for item, score in found]
        show.result(show.json_text({"session": name, "items": items, "unknown": running.unknown}))


def evaluate(model: Path, sources: list[str], given: Given) -> None:
    """How high the items that came next are ranked."""
    cutoffs = _cutoffs(given)
    recommender = load(model)
    data = read_like(recommender.space_.items[0], sources, given)
    found = recommender.evaluate(data.sequences, cutoffs, last_only=given.get("last_only", False))
    if given["json"]:
        show.as_json(found.describe() | {"model": str(model), "data": data.name})
        return
    show.table([data.name, *(f"@{k}" for k in found.recall)], _figures(found))
    show.result("")
    show.result(
        f"{found.predictions:,} predictions in {found.sessions:,} sessions, {found.short:,} of "
        f"which are too short for one; {found.cold:,} of items that training did not show, which "
        f"are missed; {found.tied:.1%} tied, counted {found.ties}ly: an item comes after all of "
        "its score"
    )


def info(model: Path, as_json: bool) -> None:
    """What a recommender's file holds."""
    recommender = load(model)
    rung, loss = recommender.model, recommender.loss
    own = {
        "model": describe(rung),
        "loss": None if loss is None else describe(loss),
        "items": len(recommender.space_.items),
        "events": int(recommender.counts_.sum()),
        "minimum": recommender.minimum,
    }
    tell(model, "recommend", own, recommender, count_parameters(recommender.model_), as_json)


def read(sources: list[str], given: Given) -> Sessions:
    """Sessions from tables of events; what was left out or looks odd is said."""
    how = {READING[name]: value for name, value in picked(given, READING).items()}
    if how.get("time") == ROWS:
        how["time"] = None
    data = read_sessions(sources, **how)
    for column, count in data.skipped.items():
        show.say(f"{data.name}: {count:,} rows without {column} were left out")
    if data.repeated:
        done = "were left out" if given.get("drop_repeats") else "are kept; see --drop-repeats"
        show.say(f"{data.name}: {data.repeated:,} events say what another says, and {done}")
    if short := sum(len(session) < 2 for session in data.sequences):
        show.say(f"{data.name}: nothing comes next in {short:,} sessions of one event")
    return data


def read_like(known: Item, sources: list[str], given: Given) -> Sessions:
    """The same with items of the kind of a known one: where one file has whole numbers and another
    the same as texts, as CSV has them, they are the same items."""
    data, whole = read(sources, given), isinstance(known, int)
    return replace(data, sequences=[[_item(one, whole) for one in row] for row in data.sequences])


# -- what was asked for ---------------------------------------------------------------------------


def _recommender(given: Given) -> Recommender:
    """The recommender that the options describe.

    Raises:
        CatenaError: for an option that belongs to another model.
    """
    kind = given["model"].replace("-", "_")
    chosen = {"minimum": given.get("minimum", 1), "seed": given["seed"]}
    if kind in BASELINES:
        own = {field.name for field in fields(BASELINES[kind])}
        _refuse(given, OF_MODELS | OF_BASELINES | OF_LOSSES | {"loss"}, own)
        baseline: Baseline = BASELINES[kind](**picked(given, own))
        return Recommender(baseline, **chosen)
    _refuse(given, OF_BASELINES, set())
    try:
        rung, learner = choose(given["model"], picked(given, OF_MODELS), FOREIGN)
    except CatenaError as error:
        named = ", ".join(name.replace("_", "-") for name in BASELINES)
        raise CatenaError(str(error).replace("one of ", f"one of {named}, ")) from error
    if isinstance(learner, Gradient):
        learner = replace(LEARNER, **picked(given, [field.name for field in fields(Gradient)]))
        return Recommender(rung, loss=_loss(given), learner=learner, **chosen)
    _refuse(given, OF_LOSSES | {"loss"}, set())
    return Recommender(rung, learner=learner, **chosen)


def _loss(given: Given) -> ItemLoss:
    kind = given.get("loss", "cross_entropy")
    if kind not in ITEM_LOSSES:
        raise CatenaError(f"--loss must be one of {', '.join(ITEM_LOSSES)}, not {kind!r}")
    own = {field.name for field in fields(ITEM_LOSSES[kind])}
    for name in picked(given, OF_LOSSES - own):
        raise CatenaError(f"{flag(name)} is not an option of {kind}")
    return ITEM_LOSSES[kind](**picked(given, own))


def _refuse(given: Given, names: Iterable[str], own: set[str]) -> None:
    for name in picked(given, [name for name in sorted(names) if name not in own]):
        has = f"; it has {', '.join(map(flag, sorted(own)))}" if own else ""
        raise CatenaError(f"{flag(name)} is not an option of {given['model']}{has}")


def _cutoffs(given: Given) -> tuple[int, ...]:
    if "cutoffs" not in given:
        return CUTOFFS
    try:
        return tuple(int(k) for k in given["cutoffs"].split(","))
    except ValueError as error:
        raise CatenaError(
            f"--cutoffs takes whole numbers, 5,10,20, not {given['cutoffs']!r}"
        ) from error


# -- what is read and said ------------------------------------------------------------------------


def _asked(
    sources: list[str], given: Given, recommender: Recommender
) -> Iterable[tuple[str, list[Item]]]:
    """The name of each session and what was taken in it: a table's, or a line's number."""
    tables = [one for one in sources if one != STDIN and Path(one).suffix != ".txt"]
    if tables and len(tables) < len(sources):
        raise CatenaError("name either tables or texts with a session a line, not both")
    if tables:
        data = read_like(recommender.space_.items[0], sources, given)
        yield from zip(map(str, data.names), data.sequences, strict=True)
        return
    for name in picked(given, READING.keys() - TEXTS):
        raise CatenaError(f"{flag(name)} is for tables of events, not for lines")
    whole = isinstance(recommender.space_.items[0], int)
    number = 0
    for source in open_sources(sources):
        for line in decode(source, Options(**picked(given, TEXTS))).splitlines():
            number += 1
            yield str(number), [_item(word, whole) for word in line.split()]


def _item(told: Item, whole: bool) -> Item:
    text = str(told)
    return int(text) if whole and text.lstrip("-").isdecimal() else text


def _figures(found: Evaluation) -> list[list[str]]:
    shares = ("recall", "mrr", "ndcg", "coverage")
    rows = [[name, *(f"{value:.4f}" for value in getattr(found, name).values())] for name in shares]
    return [*rows, ["popularity", *(f"{value:.2f}" for value in found.popularity.values())]]
