"""Taggers on the command line: fit, tag, evaluate, info."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any

from catena.cli import options as o
from catena.cli import scores, show
from catena.cli.about import tell
from catena.cli.given import Given, flag, picked
from catena.cli.learning import keep, learn
from catena.cli.tokens import (
    AttributeCorpus,
    Corpus,
    TokenReading,
    Tokens,
    inputs,
    read_attributes,
    read_labelled,
    sentences,
)
from catena.cli.writing import check_writable
from catena.errors import CatenaError
from catena.formats import TokenFile
from catena.formats.conll import CONLLU, label_of
from catena.formats.crfsuite_model import is_crfsuite_model
from catena.formats.crfsuite_tagger import from_crfsuite
from catena.formats.token_lines import TokenLines
from catena.formats.token_tables import TokenTable
from catena.kinds import describe
from catena.ladder import CRF, GRU, HMM, LSTM, RNN, Rung, Window, options
from catena.ladder.characters import SPELLERS
from catena.learn import AdaGrad, Gradient, Perceptron, QuasiNewton
from catena.metrics import confusion, label_errors
from catena.schemes import check, repair
from catena.tasks.crf_learning import CRFLearner
from catena.tasks.feature_crf import FeatureCRF
from catena.tasks.judging import TagEvaluation
from catena.tasks.step_labels import names_of
from catena.tasks.tag import Tagger, TagPath, load_tagger

SPELLED = 50  # the size of what reads characters unless given
MISC = CONLLU[-1]  # where CoNLL-U has room for what it has no column for
OWN = ("scheme", "seed")
# Those that one model or another refuses.
REFUSED = o.OF_MODELS | o.OF_TAGGERS | {"minimum"}
OF_CRF = {field.name for field in fields(CRF)}
CRF_LEARNERS: dict[str, tuple[type[CRFLearner], set[str]]] = {
    "l-bfgs": (QuasiNewton, {"iterations", "minutes", "patience"}),
    "adagrad": (AdaGrad, {"epochs", "batch", "rate", "minutes", "patience"}),
    "perceptron": (Perceptron, {"epochs", "minutes", "patience"}),
}
NETWORKS: dict[str, type[Rung]] = {rung.kind: rung for rung in (Window, RNN, GRU, LSTM)}
# What a network that labels has no use for: whole sentences are read, and nothing is predicted.
FOREIGN = {"tied", "emission", "span"}


def fit(given: Given) -> None:
    """Learn, show the progress, write the file, say what came of it.

    Args:
        given: all that stands on the command line, by name.
    """
    tagger = choose(given)
    check_writable(given["output"])
    reading = TokenReading.of(given)
    files = [reading.read(source) for source in given["data"]]
    columns = files[0].columns
    corpus = read_labelled(files, columns)
    held_out = _read(given.get("valid", []), reading, columns)
    labels, gold = _valid(corpus, given), _valid(held_out, given)
    valid = (held_out.sentences, gold) if "valid" in given else None
    learn(tagger, (corpus.sentences, labels, valid), given, columns=columns)
    keep(tagger, given)
    if valid is not None:
        show.say(_summary(held_out.name, tagger.evaluate(held_out.sentences, gold)))
    labels, weights = len(tagger.labels_), tagger.labeller_.parameters
    show.say(f"wrote {given['output']}: {tagger.rung}, {labels} labels, {weights:,} weights")


def choose(given: Given) -> Tagger:
    """The tagger that the options describe.

    Raises:
        CatenaError: for an option that belongs to another model.
    """
    model = given["model"]
    if model == HMM.kind:
        _parted(given, ())
        return Tagger(HMM(), **picked(given, OWN))
    if model == CRF.kind:
        return _crf(given)
    if model not in NETWORKS:
        known = ", ".join([HMM.kind, CRF.kind, *NETWORKS])
        raise CatenaError(f"--model must be one of {known} with --task tag, not {model!r}")
    rung = NETWORKS[model]
    of_rung, of_learner, more = _parted(
        given,
        set(options(rung)) - FOREIGN,
        {field.name for field in fields(Gradient)} - FOREIGN,
        o.OF_NETWORKS | {"minimum"},
    )
    if "characters" in more:
        more["characters"] = _speller(more["characters"])
    learner = Gradient(**of_learner)
    return Tagger(rung(**of_rung), learner=learner, **more, **picked(given, OWN))


def _speller(text: str) -> Any:
    """What reads characters: `lstm`, or with its size `lstm:50`, `cnn:30`.

    Raises:
        CatenaError: for anything else.
    """
    kind, _, units = text.partition(":")
    if kind not in SPELLERS or not (units.isdecimal() or kind == text):
        known = ", ".join(SPELLERS)
        raise CatenaError(f"--characters is one of {known}, or with its size lstm:50, not {text!r}")
    return SPELLERS[kind](units=int(units)) if units else SPELLERS[kind](units=SPELLED)


def _parted(given: Given, *groups: Collection[str]) -> list[dict[str, Any]]:
    """The options given, parted into these groups.

    Raises:
        CatenaError: for one that is in none.
    """
    own = set().union(*groups)
    for name in given:
        if name in REFUSED and name not in own:
            has = ", ".join(map(flag, sorted(own))) or "none"
            raise CatenaError(
                f"{flag(name)} is not an option of {given['model']} with --task tag; it has {has}"
            )
    return [picked(given, group) for group in groups]


def _crf(given: Given) -> Tagger:
    """A tagger by attributes, with the learner that was asked for."""
    name = given.get("learner", "l-bfgs")
    if name not in CRF_LEARNERS:
        raise CatenaError(f"--learner must be one of {', '.join(CRF_LEARNERS)}, not {name!r}")
    learner, own = CRF_LEARNERS[name]
    penalties = {"l1", "l2"} if learner is Perceptron else set()
    groups = OF_CRF - penalties, own, {"features"}, {"learner"}
    of_rung, of_learner, features, _ = _parted(given, *groups)
    # Every learner counts whole epochs; 3.0 is one of them.
    if of_learner.get("epochs", 0.5).is_integer():
        of_learner["epochs"] = int(of_learner["epochs"])
    made = learner(**of_learner)
    return Tagger(CRF(**of_rung), learner=made, **features, **picked(given, OWN))


def tag(model: Path, source: str, reading: TokenReading, k: int | None, marginals: bool) -> None:
    """The file with the labels that the model gives its tokens."""
    if k is not None and k < 1:
        raise CatenaError(f"--n-best must be at least 1, not {k}")
    if k is not None and marginals:
        raise CatenaError("--n-best and --marginals do not go together; choose one")
    tagger = _loaded(model)
    if _reads_attributes(tagger):
        if k is not None or marginals:
            raise CatenaError(
                f"{source}: CRFsuite's data has room for one label a line; --n-best and "
                "--marginals are for files of columns, JSON lines and tables"
            )
        return _tag_attributes(tagger, source, reading)
    columns = _columns(tagger)
    file, label = reading.read_as(source, columns), label_of(columns)
    rows = sentences(file, inputs(columns))
    if k is not None:
        found = tagger.n_best(rows, k)
        paths = [
            [path._replace(labels=[*map(str, path.labels)]) for path in each] for each in found
        ]
        show.raw(_ranked(file, label, paths))
    elif marginals:
        show.raw(_with_marginals(tagger, file, label, rows))
    else:
        show.raw(file.replaced(names_of(tagger.predict(rows)), label))


def evaluate(model: Path, sources: list[str], given: Given) -> None:
    """How well a tagger labels some data."""
    mistakes = given.get("mistakes")
    scores.check_mistakes(mistakes)
    tagger = _loaded(model)
    if _reads_attributes(tagger):
        corpus = read_attributes(sources, TokenReading.of(given))
    else:
        corpus = _read(sources, TokenReading.of(given), _columns(tagger))
    predicted = names_of(tagger.predict(corpus.sentences))
    found = tagger.judge(corpus.labels, predicted)
    taken = confusion(corpus.labels, predicted)
    wrong = _mistakes(corpus, predicted, mistakes)
    _say_unseen(corpus, found)
    if given["json"]:
        listed = {} if mistakes is None else {"mistakes": wrong}
        about = {"model": str(model), "data": corpus.name}
        show.as_json(found.describe() | {"confusion": scores.matrix(taken)} | listed | about)
        return
    rows = [["accuracy", f"{found.accuracy:.4f}"]]
    if found.span_f1 is not None:
        rows.append(["span F1", f"{found.span_f1:.4f}"])
        rows.append([f"strict, {found.scheme}", f"{found.strict_span_f1:.4f}"])
    rows += [["tokens", f"{found.tokens:,}"], ["sentences", f"{found.sentences:,}"]]
    show.table([corpus.name, tagger.rung.kind], rows)
    for name, each in (("span", found.per_span), ("label", found.per_label)):
        if each is not None:
            show.result("")
            scores.scores(name, each)
    show.result("")
    scores.confusion(taken)
    if mistakes is not None:
        scores.mistakes(wrong)


def info(model: Path, as_json: bool) -> None:
    """What a tagger's file holds."""
    tagger = _loaded(model)
    network = tagger.rung.kind not in (CRF.kind, HMM.kind)
    own = {
        "model": describe(tagger.rung),
        **({"reads": tagger.design().describe()} if network else {}),
        "labels": tagger.labels_,
        "scheme": tagger.scheme,
        "columns": None if tagger.columns_ is None else list(tagger.columns_),
    }
    tell(model, "tag", own, tagger, tagger.labeller_.parameters, as_json)


def _loaded(model: Path) -> Tagger:
    """The tagger of a file of ours, or of CRFsuite's."""
    return from_crfsuite(model) if is_crfsuite_model(model) else load_tagger(model)


def _reads_attributes(tagger: Tagger) -> bool:
    """Whether its tokens are attributes, as CRFsuite's data has them."""
    crf = tagger.labeller_
    if tagger.columns_ is not None or not isinstance(crf, FeatureCRF):
        return False
    return not crf.reader.columns and crf.reader.function is None


def _tag_attributes(tagger: Tagger, source: str, reading: TokenReading) -> None:
    corpus = read_attributes([source], reading)
    labels = chain.from_iterable(tagger.predict(corpus.sentences))
    show.raw(corpus.files[0][1].replaced(list(labels)).encode())


def _columns(tagger: Tagger) -> tuple[str, ...]:
    """The columns that a tagger learned from."""
    if tagger.columns_ is not None:
        return tagger.columns_
    raise CatenaError(
        "this tagger was fitted in Python, without columns=...; fit it with them, or use it there"
    )


def _read(sources: list[str], reading: TokenReading, columns: Sequence[str]) -> Corpus:
    return read_labelled([reading.read_as(source, columns) for source in sources], columns)


def _valid(corpus: Corpus, given: Given) -> list[list[str]]:
    """The labels to learn from or to judge by, once they are known to be valid in the scheme."""
    if "scheme" not in given:
        if given.get("repair"):
            raise CatenaError("--repair needs --scheme, which says what is valid")
        return corpus.labels
    scheme = given["scheme"].upper()
    if given.get("repair"):
        return [repair(row, scheme) for row in corpus.labels]
    check(corpus.labels, scheme, corpus.place)
    return corpus.labels


def _summary(name: str, found: TagEvaluation) -> str:
    spans = "" if found.span_f1 is None else f", span F1 {found.span_f1:.4f}"
    return f"{name}: accuracy {found.accuracy:.4f}{spans}"


def _say_unseen(corpus: Corpus | AttributeCorpus, found: TagEvaluation) -> None:
    """Labels that training did not show, each with the place where it is first met."""
    for label, times in found.unseen.items():
        sentence = next(i for i, row in enumerate(corpus.labels) if label in row)
        place = corpus.place(sentence, corpus.labels[sentence].index(label))
        show.say(f"{place}: label {label!r} was not in training; its {times:,} count as wrong")
    for label in found.odd:
        show.say(
            f"{corpus.name}: label {label!r} is no tag of a span; spans are counted without it"
        )


def _mistakes(
    corpus: Corpus | AttributeCorpus, predicted: Sequence[Sequence[str]], most: int | None
) -> list[dict[str, Any]]:
    """The first wrong labels, as `scores.mistakes` takes them."""
    if most is None:
        return []
    errors = label_errors(corpus.labels, predicted)[:most]
    return [
        {
            "place": corpus.place(one.sequence, one.step or 0),
            "label": one.gold,
            "found": one.predicted,
            "token": _word(corpus.sentences[one.sequence][one.step or 0]),
        }
        for one in errors
    ]


def _word(token: Any) -> str:
    """What a token is without the other columns; of attributes, their names."""
    if isinstance(token, tuple):
        token = token[0]
    return show.shortened(token if isinstance(token, str) else " ".join(map(str, token)))


def _with_marginals(
    tagger: Tagger, file: Tokens, label: str, rows: Sequence[Sequence[Any]]
) -> bytes:
    """The file with labels, and behind the last column, in CoNLL-U within it, how probable each
    is."""
    number = {name: i for i, name in enumerate(tagger.labeller_.labels)}
    labels = names_of(tagger.predict(rows))
    sure = [
        [round(float(p[number[name]]), 6) for p, name in zip(table, row, strict=True)]
        for table, row in zip(tagger.predict_proba(rows), labels, strict=True)
    ]
    tagged = file.with_column(labels, label)
    if isinstance(tagged, TokenLines):
        return tagged.replaced(sure, "probability")
    texts = [[f"{p:.6f}" for p in row] for row in sure]
    if isinstance(tagged, TokenFile) and tagged.style.conllu:
        return tagged.replaced(_in_misc(tagged, texts), MISC)
    return tagged.replaced(texts, "probability")


def _in_misc(file: TokenFile, probabilities: list[list[str]]) -> list[list[str]]:
    """What CoNLL-U has room for in its last column, behind what stands there."""
    rows = zip(file.column(MISC), probabilities, strict=True)
    return [
        [f"Prob={p}" if old == "_" else f"{old}|Prob={p}" for old, p in zip(*row, strict=True)]
        for row in rows
    ]


def _ranked(file: Tokens, label: str, paths: list[list[TagPath]]) -> bytes:
    """The file with each sentence once for each of its paths; a table, whose rows are its own, with
    the paths side by side."""
    if isinstance(file, TokenTable):
        return file.beside(paths, label)
    if isinstance(file, TokenLines):
        return file.ranked(paths, label)
    return file.encoded("\n".join([*_blocks(file, label, paths), ""]))


def _blocks(file: TokenFile, label: str, paths: list[list[TagPath]]) -> Iterator[str]:
    """Each sentence once for each of its paths, under a line `# rank probability`, rank from 0, and
    what is no sentence once; lines end as the file's do."""
    ranks = range(max(map(len, paths)))
    ranked = [[each[min(rank, len(each) - 1)].labels for each in paths] for rank in ranks]
    tagged = [file.with_column(labels, label).lines for labels in ranked]
    end = "\r" if file.lines[0].endswith("\r") else ""
    for sentence, lines in file.blocks():
        for rank, path in enumerate([None] if sentence is None else paths[sentence]):
            if path is not None:
                yield f"# {rank} {path.probability:.6f}{end}"
            yield from (tagged[rank][line].removesuffix("\r") + end for line in lines)
            yield end
