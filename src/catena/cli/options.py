"""The command line's options, each described once.

Nothing heavy is imported here: `catena --help` needs only this.
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from catena.cli.given import flag

# Those that a rung or its learner may have; the others belong to the command.
OF_MODELS = frozenset({
    "order", "smoothing", "alpha", "states", "width", "units", "layers", "dropout", "embedding",
    "embedding_dropout", "tied", "residual", "start", "bidirectional", "emission", "minutes",
    "epochs", "batch", "span", "optimizer", "rate", "momentum", "schedule", "warmup", "clip",
    "weight_decay", "average", "evaluations", "patience", "precision", "device", "iterations",
    "restarts", "tolerance", "pseudocount", "variational", "layer_norm",
})  # fmt: skip

# Those of a tagger beside `minimum` and those of its rung and learner.
OF_CRF = frozenset({"l1", "l2", "all_states", "all_transitions", "features", "learner"})
OF_NETWORKS = frozenset({
    "decoder", "constrained", "characters", "embeddings", "fine_tune", "all_vectors",
    "word_dropout",
})  # fmt: skip
OF_TAGGERS = OF_CRF | OF_NETWORKS

# Those of the search of a text.
OF_SEARCH = frozenset({
    "beam", "length_penalty", "gnmt", "coverage_penalty", "min_length", "max_length", "no_repeat",
    "exact",
})  # fmt: skip

# Those of how what is new is drawn.
OF_DRAWING = ("temperature", "top_k", "top_p", "min_p", "seed")

Options = dict[str, Any]  # what typer is told of each, by name


def _panel(title: str | None = None, **options: tuple[Any, ...]) -> Options:
    """Options that help shows together, each of them None where it is not given.

    Args:
        options: the type, the help and, where they are not `--name`, the flags of each.
    """
    return {
        name: Annotated[
            kind | None,
            Option(*flags or [flag(name)], help=text, rich_help_panel=title, show_default=False),
        ]
        for name, (kind, text, *flags) in options.items()
    }


def some(*names: str) -> Options:
    """Those of these names."""
    every = RUNG | LEARNING | READING | SEARCH | OTHERS
    return {name: every[name] for name in names}


def among(options: Options, names: Container[str]) -> Options:
    """Those of the options that have such a name, in their order."""
    return {name: told for name, told in options.items() if name in names}


Data = Annotated[
    list[str],
    Argument(
        metavar="DATA",
        help="A bundled set (shakespeare, tang, faithful), files, or - for standard input.",
        show_default=False,
    ),
]
Model = Annotated[
    Path, Argument(metavar="MODEL", help="A file that `catena fit` wrote.", show_default=False)
]
Json = Annotated[bool, Option("--json", help="Print JSON instead of a table.")]
Seed = Annotated[int, Option("--seed", min=0, max=2**32 - 1, help="Fixes every random draw.")]

# How what is new is drawn.
Temperature = Annotated[
    float, Option(help="Below 1 bolder guesses are rarer; 0 takes the likeliest.")
]
TopK = Annotated[int | None, Option(help="Among so many of the likeliest.")]
TopP = Annotated[float | None, Option(help="Among the fewest that hold this share.")]
MinP = Annotated[float, Option(help="Among those with this share of the likeliest's probability.")]
# Or sought.
Beam = Annotated[int | None, Option(help="Search for the likeliest with this many in play.")]

RUNG = _panel(
    "The model (each option belongs to some models and is refused by the others)",
    order=(int, "markov: symbols it remembers."),
    smoothing=(str, "markov: modified_kneser_ney, witten_bell, add, none."),
    alpha=(float, "markov: what `add` adds to every count."),
    states=(int, "hmm: hidden states."),
    width=(int, "window: inputs it sees."),
    units=(int, "window, rnn, gru, lstm: size of a layer."),
    layers=(int, "window, rnn, gru, lstm: how many."),
    dropout=(float, "window, rnn, gru, lstm: share of features dropped."),
    embedding=(int, "window, rnn, gru, lstm: size of a symbol's vector."),
    embedding_dropout=(float, "rnn, gru, lstm: share of input dropped."),
    tied=(bool, "rnn, gru, lstm: score symbols with the embedding."),
    residual=(bool, "rnn, gru, lstm: add a layer's input to its output."),
    start=(str, "rnn, gru, lstm: the initial state, learned or zero."),
    bidirectional=(bool, "rnn, gru, lstm: not for generating."),
    variational=(bool, "rnn, gru, lstm: dropout drawn once a sequence."),
    layer_norm=(bool, "rnn, gru, lstm: normalise what enters the gates."),
    emission=(str, "Of vectors: gaussian, full, or (not hmm) mixture."),
    features=(Path, "crf: a CRF++ or Wapiti template file."),
    scheme=(str, "Of tags: iob1, iob2, iobes or bilou."),
    decoder=(str, "window, rnn, gru, lstm as taggers: crf or softmax; translate, chat: gru:128."),
    constrained=(bool, "Likewise: learn under the scheme's rules too."),
    characters=(str, "Likewise: lstm:50, gru:50, rnn:50 or cnn:30."),
    embeddings=(Path, "Likewise: a text file of word vectors."),
    fine_tune=(bool, "Learn these vectors further, or do not.", "--fine-tune/--freeze"),
    all_vectors=(bool, "Keep those of words that the data lacks, too."),
    word_dropout=(float, "Likewise: how often a word is made unknown."),
    l1=(float, "crf: weight of the L1 penalty."),
    l2=(float, "crf: weight of the L2 penalty."),
    all_states=(bool, "crf: weights for unseen attributes of a label too."),
    all_transitions=(bool, "crf: weights for unseen pairs of labels too."),
    summary=(str, "classify: last, mean, max or attention of the steps."),
    class_weight=(str, "classify: balanced gives all classes one weight."),
    calibrate=(bool, "classify: fit how sure it is to --valid."),
    decoder_layers=(int, "translate, chat: of the decoder."),
    attention=(str, "texts out: dot, general, additive or multi-head."),
    heads=(int, "texts out: of multi-head attention."),
    feeding=(bool, "texts out: what was seen enters the next step."),
    coverage=(bool, "texts out: what was seen before counts."),
    copy=(bool, "translate: symbols of the source may be copied."),
    neighbours=(int, "session-knn: how many sessions count (100)."),
    recent=(int, "session-knn: of how many of the latest (1000)."),
)

LEARNING = _panel(
    "How it is learned (likewise)",
    scheduled=(float, "translate: the share of its own that it learns from."),
    label_smoothing=(float, "texts out: probability spread over all."),
    loss=(str, "recommend: cross_entropy, bpr_max or top1_max."),
    samples=(int, "recommend: other items an update; 0 takes all."),
    exponent=(float, "recommend: they are drawn by count to this power."),
    logq=(bool, "cross_entropy: make that good.", "--logq/--no-logq"),
    regularisation=(float, "bpr_max: what large scores cost."),
    learner=(str, "crf: l-bfgs, adagrad, perceptron."),
    minutes=(float, "A time budget (not markov)."),
    epochs=(float, "gradient, crf: how often the data is seen."),
    batch=(int, "gradient, crf: rows a step is computed from."),
    span=(int, "Steps gradients reach back; hmm: longest piece."),
    optimizer=(str, "gradient: adamw, sgd, adagrad."),
    rate=(float, "gradient, crf: the peak learning rate."),
    momentum=(float, "gradient: that of sgd and adagrad."),
    schedule=(str, "gradient: cosine, linear, constant."),
    warmup=(int, "gradient: steps of rising rate."),
    clip=(float, "gradient: the largest norm; 0 for none."),
    weight_decay=(float, "gradient: of AdamW and SGD."),
    average=(float, "gradient: decay of averaged parameters."),
    evaluations=(int, "gradient: how often --valid is scored."),
    patience=(int, "gradient, crf: evaluations without progress to stop."),
    precision=(str, "gradient: auto, float32, bfloat16."),
    device=(str, "gradient: auto, cpu, cuda, ..."),
    iterations=(int, "Of EM (hmm) or L-BFGS (crf), at most."),
    restarts=(int, "hmm: beginnings to try."),
    tolerance=(float, "hmm: nats an observation too few to go on for."),
    pseudocount=(float, "hmm: added to every count of a symbol or bit."),
    transpose=(int, "compose: learn all keys so many semitones away, too."),
)

READING = _panel(
    "How DATA is read",
    stream=(
        bool,
        "A text file is one long sequence, in which the line break is a symbol.",
        "--stream/--no-stream",
    ),
    unit=(str, "What texts are cut into: char, word, byte; texts out: bpe, unigram, word, char."),
    encoding=(str, "Of texts; UTF-8 unless given."),
    errors=(str, "What to do with invalid bytes: strict, replace, ignore, backslashreplace."),
    group_by=(str, "Of a table: the column that names the sequence."),
    order_by=(str, "Of a table: the column to sort a sequence by."),
    item=(str, "Of a table: the column of symbols, or columns of numbers: a,b,c."),
    space=(str, "What numbers are: vectors, bits, counts (or symbols)."),
    unknown=(str, "A symbol not seen in training: replace (⟨unk⟩) or error."),
    minimum=(int, "Rarer symbols count as unknown; crf: rarer pairs with labels weigh nothing."),
    columns=(
        str,
        "Of a file of tokens: the columns' names, form,pos,label; _ for one without a use.",
    ),
    repair=(bool, "Mend invalid tags as conlleval reads them."),
    source=(str, "Of pairs: the field or column of sources (source)."),
    target=(str, "Of pairs: the field or column of targets (target)."),
    subwords=(int, "texts out: how many pieces of words, at most."),
    joint=(bool, "translate: sources and targets share their symbols."),
    context=(int, "chat: how many turns are looked back at (2)."),
    speaker=(str, "chat: whose turns are learned; else all."),
    picture_size=(int, "caption: scale pictures to so many pixels (64)."),
    form=(str, "compose: what a piece is: events, frames, or abc (of .abc files)."),
    step=(int, "compose: count time in 1/16 notes (16), 1/12 (12), ..."),
    label=(str, "Of classes: their column or field (label)."),
    label_by=(str, "Of classes: the name of the file or the folder."),
    skip_bad=(
        bool,
        "compose, recommend: leave out bad files, or rows without a value, and name them.",
    ),
    drop_repeats=(bool, "recommend: keep one of several equal events."),
)

SEARCH = _panel(
    "How a text is sought",
    beam=(int, "So many side by side (5); 1 takes the likeliest steps."),
    length_penalty=(float, "Rank by log p / length to this power (1)."),
    gnmt=(bool, "Rank by log p / ((5 + length) / 6) to this power."),
    coverage_penalty=(float, "What a source left unread costs."),
    min_length=(int, "No end before so many symbols."),
    max_length=(int, "Cut off there; else at twice the usual length."),
    no_repeat=(int, "No run of so many comes twice."),
    replace_unknown=(bool, "A word of the source where ⟨unk⟩ is likeliest."),
    exact=(bool, "Go on until nothing can overtake what was found."),
    contain=(list[str], "Must occur in each; may be given repeatedly."),
    forbid=(list[str], "Must not occur in any; likewise."),
    phrases=(bool, "After tabs, lines say what must occur in theirs."),
    ensemble=(list[Path], "A model that predicts with it; may be given repeatedly."),
    mean=(str, "Of an ensemble's predictions: arithmetic or geometric."),
)

FORM = _panel(
    "What it must obey, the prompt included",
    acrostic=(str, "A line for each of these, and it begins with it."),
    lines=(int, "So many lines."),
    line_length=(str, "Symbols of each line: 7, or of each in turn 5,7,5."),
    rhyme=(Path, "A file whose lines are symbols that rhyme."),
    scheme=(str, "Which lines rhyme: A (all), ABAB, -A (every second)."),
    contain=(list[str], "Must occur; may be given repeatedly."),
    forbid=(list[str], "Must not occur; likewise."),
    breaks=(str, "The symbols that end a line, besides the line break."),
)

OTHERS = _panel(
    mistakes=(int, "List so many of the wrong labels and where they stand."),
    limit=(int, "Lines of more symbols are named on standard error (1000)."),
    truncate=(bool, "And only so many of theirs are read."),
    tokenize=(str, "texts out: how BLEU cuts words, such as zh for Chinese (13a)."),
    cutoffs=(str, "recommend: the k of recall@k and others: 5,10,20."),
    last_only=(bool, "recommend: only the last item of each session."),
)
