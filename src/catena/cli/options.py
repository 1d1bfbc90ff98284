"""The command line's options, each described once.

Nothing heavy is imported here: `catena --help` needs only this.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

READING = "How DATA is read"
RUNG = "The model (each option belongs to some models and is refused by the others)"
FORM = "What it must obey, the prompt included"
LEARNING = "How it is learned (likewise)"
SEARCH = "How a text is sought"

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

# Those of a classifier beside its rung's and its learner's.
OF_CLASSIFIERS = frozenset({"summary", "class_weight", "calibrate", "label", "label_by"})

# Those of an encoder and a decoder beside its rung's and its learner's, of each task that has
# these.
OF_TRANSDUCERS = frozenset({
    "decoder", "decoder_layers", "attention", "heads", "feeding", "coverage", "copy", "scheduled",
    "label_smoothing", "unit", "subwords", "minimum",
})  # fmt: skip
OF_TRANSLATORS = OF_TRANSDUCERS | {"joint", "source", "target"}
OF_CHATS = OF_TRANSDUCERS | {"context", "speaker"}
# Those of a captioner, likewise.
OF_CAPTIONERS = frozenset({
    "picture_size", "attention", "heads", "feeding", "coverage", "label_smoothing", "unit",
    "subwords", "minimum",
})  # fmt: skip
# Those of a composer, likewise.
OF_COMPOSERS = frozenset({"form", "step", "transpose", "skip_bad"})
# Those of a recommender beside its rung's and its learner's.
OF_RECOMMENDERS = frozenset({
    "minimum", "neighbours", "recent", "loss", "samples", "exponent", "logq", "regularisation",
})  # fmt: skip
# Those of the search of a text.
OF_SEARCH = frozenset({
    "beam", "length_penalty", "gnmt", "coverage_penalty", "min_length", "max_length", "no_repeat",
    "exact",
})  # fmt: skip

# Those of `evaluate` that translators have beside these.
OF_TRANSLATING = frozenset({
    "source", "target", "replace_unknown", "limit", "truncate", "ensemble", "mean", "tokenize",
})  # fmt: skip


def _option(*flags: str, panel: str | None = None, text: str, **more: Any) -> Any:
    return Option(*flags, help=text, rich_help_panel=panel, show_default=False, **more)


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

Stream = Annotated[
    bool | None,
    _option(
        "--stream/--no-stream",
        panel=READING,
        text="A text file is one long sequence, in which the line break is a symbol.",
    ),
]
Unit = Annotated[
    str | None,
    _option(
        "--unit",
        panel=READING,
        text="What texts are cut into: char, word, byte; texts out: bpe, unigram, word, char.",
    ),
]
Encoding = Annotated[
    str | None, _option("--encoding", panel=READING, text="Of texts; UTF-8 unless given.")
]
Errors = Annotated[
    str | None,
    _option(
        "--errors",
        panel=READING,
        text="What to do with invalid bytes: strict, replace, ignore, backslashreplace.",
    ),
]
GroupBy = Annotated[
    str | None,
    _option("--group-by", panel=READING, text="Of a table: the column that names the sequence."),
]
OrderBy = Annotated[
    str | None,
    _option("--order-by", panel=READING, text="Of a table: the column to sort a sequence by."),
]
Item = Annotated[
    str | None,
    _option(
        "--item",
        panel=READING,
        text="Of a table: the column of symbols, or columns of numbers: a,b,c.",
    ),
]
SpaceName = Annotated[
    str | None,
    _option("--space", panel=READING, text="What numbers are: vectors, bits, counts (or symbols)."),
]
Unknown = Annotated[
    str | None,
    _option(
        "--unknown", panel=READING, text="A symbol not seen in training: replace (⟨unk⟩) or error."
    ),
]
Minimum = Annotated[
    int | None,
    _option(
        "--minimum",
        panel=READING,
        text="Rarer symbols count as unknown; crf: rarer pairs with labels weigh nothing.",
    ),
]

Columns = Annotated[
    str | None,
    _option(
        "--columns",
        panel=READING,
        text="Of a file of tokens: the columns' names, form,pos,label; _ for one without a use.",
    ),
]
Repair = Annotated[
    bool | None,
    _option("--repair", panel=READING, text="Mend invalid tags as conlleval reads them."),
]

SourceSide = Annotated[
    str | None,
    _option("--source", panel=READING, text="Of pairs: the field or column of sources (source)."),
]
TargetSide = Annotated[
    str | None,
    _option("--target", panel=READING, text="Of pairs: the field or column of targets (target)."),
]
Subwords = Annotated[
    int | None,
    _option("--subwords", panel=READING, text="texts out: how many pieces of words, at most."),
]
Context = Annotated[
    int | None,
    _option("--context", panel=READING, text="chat: how many turns are looked back at (2)."),
]
Speaker = Annotated[
    str | None, _option("--speaker", panel=READING, text="chat: whose turns are learned; else all.")
]
Joint = Annotated[
    bool | None,
    _option("--joint", panel=READING, text="translate: sources and targets share their symbols."),
]

MusicForm = Annotated[
    str | None,
    _option(
        "--form",
        panel=READING,
        text="compose: what a piece is: events, frames, or abc (of .abc files).",
    ),
]
Step = Annotated[
    int | None,
    _option("--step", panel=READING, text="compose: count time in 1/16 notes (16), 1/12 (12), ..."),
]
Transpose = Annotated[
    int | None,
    _option(
        "--transpose", panel=LEARNING, text="compose: learn all keys so many semitones away, too."
    ),
]
SkipBad = Annotated[
    bool | None,
    _option(
        "--skip-bad",
        panel=READING,
        text="compose, recommend: leave out bad files, or rows without a value, and name them.",
    ),
]
DropRepeats = Annotated[
    bool | None,
    _option("--drop-repeats", panel=READING, text="recommend: keep one of several equal events."),
]

Label = Annotated[
    str | None,
    _option("--label", panel=READING, text="Of classes: their column or field (label)."),
]
LabelBy = Annotated[
    str | None,
    _option("--label-by", panel=READING, text="Of classes: the name of the file or the folder."),
]

Order = Annotated[int | None, _option("--order", panel=RUNG, text="markov: symbols it remembers.")]
Smoothing = Annotated[
    str | None,
    _option(
        "--smoothing",
        panel=RUNG,
        text="markov: modified_kneser_ney, witten_bell, add, none.",
    ),
]
Alpha = Annotated[
    float | None, _option("--alpha", panel=RUNG, text="markov: what `add` adds to every count.")
]
States = Annotated[int | None, _option("--states", panel=RUNG, text="hmm: hidden states.")]
Width = Annotated[int | None, _option("--width", panel=RUNG, text="window: inputs it sees.")]
Units = Annotated[
    int | None, _option("--units", panel=RUNG, text="window, rnn, gru, lstm: size of a layer.")
]
Layers = Annotated[
    int | None, _option("--layers", panel=RUNG, text="window, rnn, gru, lstm: how many.")
]
Dropout = Annotated[
    float | None,
    _option("--dropout", panel=RUNG, text="window, rnn, gru, lstm: share of features dropped."),
]
Embedding = Annotated[
    int | None,
    _option("--embedding", panel=RUNG, text="window, rnn, gru, lstm: size of a symbol's vector."),
]
EmbeddingDropout = Annotated[
    float | None,
    _option("--embedding-dropout", panel=RUNG, text="rnn, gru, lstm: share of input dropped."),
]
Tied = Annotated[
    bool | None,
    _option("--tied", panel=RUNG, text="rnn, gru, lstm: score symbols with the embedding."),
]
Residual = Annotated[
    bool | None,
    _option("--residual", panel=RUNG, text="rnn, gru, lstm: add a layer's input to its output."),
]
Start = Annotated[
    str | None,
    _option("--start", panel=RUNG, text="rnn, gru, lstm: the initial state, learned or zero."),
]
Bidirectional = Annotated[
    bool | None,
    _option("--bidirectional", panel=RUNG, text="rnn, gru, lstm: not for generating."),
]
Variational = Annotated[
    bool | None,
    _option("--variational", panel=RUNG, text="rnn, gru, lstm: dropout drawn once a sequence."),
]
LayerNorm = Annotated[
    bool | None,
    _option("--layer-norm", panel=RUNG, text="rnn, gru, lstm: normalise what enters the gates."),
]
Emission = Annotated[
    str | None,
    _option("--emission", panel=RUNG, text="Of vectors: gaussian, full, or (not hmm) mixture."),
]

Features = Annotated[
    Path | None,
    _option("--features", panel=RUNG, text="crf: a CRF++ or Wapiti template file."),
]
Scheme = Annotated[
    str | None,
    _option("--scheme", panel=RUNG, text="Of tags: iob1, iob2, iobes or bilou."),
]
Decoder = Annotated[
    str | None,
    _option(
        "--decoder",
        panel=RUNG,
        text="window, rnn, gru, lstm as taggers: crf or softmax; translate, chat: gru:128.",
    ),
]
DecoderLayers = Annotated[
    int | None, _option("--decoder-layers", panel=RUNG, text="translate, chat: of the decoder.")
]
Attention = Annotated[
    str | None,
    _option("--attention", panel=RUNG, text="texts out: dot, general, additive or multi-head."),
]
Heads = Annotated[
    int | None, _option("--heads", panel=RUNG, text="texts out: of multi-head attention.")
]
Feeding = Annotated[
    bool | None,
    _option("--feeding", panel=RUNG, text="texts out: what was seen enters the next step."),
]
Coverage = Annotated[
    bool | None,
    _option("--coverage", panel=RUNG, text="texts out: what was seen before counts."),
]
PictureSize = Annotated[
    int | None,
    _option(
        "--picture-size", panel=READING, text="caption: scale pictures to so many pixels (64)."
    ),
]
Copy = Annotated[
    bool | None,
    _option("--copy", panel=RUNG, text="translate: symbols of the source may be copied."),
]
Scheduled = Annotated[
    float | None,
    _option(
        "--scheduled", panel=LEARNING, text="translate: the share of its own that it learns from."
    ),
]
LabelSmoothing = Annotated[
    float | None,
    _option("--label-smoothing", panel=LEARNING, text="texts out: probability spread over all."),
]
Neighbours = Annotated[
    int | None,
    _option("--neighbours", panel=RUNG, text="session-knn: how many sessions count (100)."),
]
Recent = Annotated[
    int | None,
    _option("--recent", panel=RUNG, text="session-knn: of how many of the latest (1000)."),
]
ItemLoss = Annotated[
    str | None,
    _option("--loss", panel=LEARNING, text="recommend: cross_entropy, bpr_max or top1_max."),
]
Samples = Annotated[
    int | None,
    _option("--samples", panel=LEARNING, text="recommend: other items an update; 0 takes all."),
]
Exponent = Annotated[
    float | None,
    _option("--exponent", panel=LEARNING, text="recommend: they are drawn by count to this power."),
]
LogQ = Annotated[
    bool | None,
    _option("--logq/--no-logq", panel=LEARNING, text="cross_entropy: make that good."),
]
Regularisation = Annotated[
    float | None,
    _option("--regularisation", panel=LEARNING, text="bpr_max: what large scores cost."),
]
Constrained = Annotated[
    bool | None,
    _option("--constrained", panel=RUNG, text="Likewise: learn under the scheme's rules too."),
]
Characters = Annotated[
    str | None,
    _option("--characters", panel=RUNG, text="Likewise: lstm:50, gru:50, rnn:50 or cnn:30."),
]
Embeddings = Annotated[
    Path | None,
    _option("--embeddings", panel=RUNG, text="Likewise: a text file of word vectors."),
]
FineTune = Annotated[
    bool | None,
    _option("--fine-tune/--freeze", panel=RUNG, text="Learn these vectors further, or do not."),
]
AllVectors = Annotated[
    bool | None,
    _option("--all-vectors", panel=RUNG, text="Keep those of words that the data lacks, too."),
]
WordDropout = Annotated[
    float | None,
    _option("--word-dropout", panel=RUNG, text="Likewise: how often a word is made unknown."),
]
L1 = Annotated[float | None, _option("--l1", panel=RUNG, text="crf: weight of the L1 penalty.")]
L2 = Annotated[float | None, _option("--l2", panel=RUNG, text="crf: weight of the L2 penalty.")]
AllStates = Annotated[
    bool | None,
    _option("--all-states", panel=RUNG, text="crf: weights for unseen attributes of a label too."),
]
AllTransitions = Annotated[
    bool | None,
    _option("--all-transitions", panel=RUNG, text="crf: weights for unseen pairs of labels too."),
]

Summary = Annotated[
    str | None,
    _option("--summary", panel=RUNG, text="classify: last, mean, max or attention of the steps."),
]
ClassWeight = Annotated[
    str | None,
    _option("--class-weight", panel=RUNG, text="classify: balanced gives all classes one weight."),
]
Calibrate = Annotated[
    bool | None,
    _option("--calibrate", panel=RUNG, text="classify: fit how sure it is to --valid."),
]

Learner = Annotated[
    str | None,
    _option("--learner", panel=LEARNING, text="crf: l-bfgs, adagrad, perceptron."),
]
Minutes = Annotated[
    float | None, _option("--minutes", panel=LEARNING, text="A time budget (not markov).")
]
Epochs = Annotated[
    float | None,
    _option("--epochs", panel=LEARNING, text="gradient, crf: how often the data is seen."),
]
Batch = Annotated[
    int | None,
    _option("--batch", panel=LEARNING, text="gradient, crf: rows a step is computed from."),
]
Span = Annotated[
    int | None,
    _option("--span", panel=LEARNING, text="Steps gradients reach back; hmm: longest piece."),
]
Optimizer = Annotated[
    str | None, _option("--optimizer", panel=LEARNING, text="gradient: adamw, sgd, adagrad.")
]
Rate = Annotated[
    float | None, _option("--rate", panel=LEARNING, text="gradient, crf: the peak learning rate.")
]
Momentum = Annotated[
    float | None, _option("--momentum", panel=LEARNING, text="gradient: that of sgd and adagrad.")
]
Schedule = Annotated[
    str | None, _option("--schedule", panel=LEARNING, text="gradient: cosine, linear, constant.")
]
Warmup = Annotated[
    int | None, _option("--warmup", panel=LEARNING, text="gradient: steps of rising rate.")
]
Clip = Annotated[
    float | None, _option("--clip", panel=LEARNING, text="gradient: the largest norm; 0 for none.")
]
WeightDecay = Annotated[
    float | None, _option("--weight-decay", panel=LEARNING, text="gradient: of AdamW and SGD.")
]
Average = Annotated[
    float | None,
    _option("--average", panel=LEARNING, text="gradient: decay of averaged parameters."),
]
Evaluations = Annotated[
    int | None,
    _option("--evaluations", panel=LEARNING, text="gradient: how often --valid is scored."),
]
Patience = Annotated[
    int | None,
    _option(
        "--patience", panel=LEARNING, text="gradient, crf: evaluations without progress to stop."
    ),
]
Precision = Annotated[
    str | None,
    _option("--precision", panel=LEARNING, text="gradient: auto, float32, bfloat16."),
]
Device = Annotated[
    str | None, _option("--device", panel=LEARNING, text="gradient: auto, cpu, cuda, ...")
]
Iterations = Annotated[
    int | None,
    _option("--iterations", panel=LEARNING, text="Of EM (hmm) or L-BFGS (crf), at most."),
]
Restarts = Annotated[
    int | None, _option("--restarts", panel=LEARNING, text="hmm: beginnings to try.")
]
Tolerance = Annotated[
    float | None,
    _option("--tolerance", panel=LEARNING, text="hmm: nats an observation too few to go on for."),
]
Pseudocount = Annotated[
    float | None,
    _option("--pseudocount", panel=LEARNING, text="hmm: added to every count of a symbol or bit."),
]
AcrosticOf = Annotated[
    str | None,
    _option("--acrostic", panel=FORM, text="A line for each of these, and it begins with it."),
]
LineCount = Annotated[int | None, _option("--lines", panel=FORM, text="So many lines.")]
LineLength = Annotated[
    str | None,
    _option("--line-length", panel=FORM, text="Symbols of each line: 7, or of each in turn 5,7,5."),
]
RhymeFile = Annotated[
    Path | None,
    _option("--rhyme", panel=FORM, text="A file whose lines are symbols that rhyme."),
]
RhymeScheme = Annotated[
    str | None,
    _option("--scheme", panel=FORM, text="Which lines rhyme: A (all), ABAB, -A (every second)."),
]
Contain = Annotated[
    list[str] | None, _option("--contain", panel=FORM, text="Must occur; may be given repeatedly.")
]
Forbid = Annotated[
    list[str] | None, _option("--forbid", panel=FORM, text="Must not occur; likewise.")
]
Breaks = Annotated[
    str | None,
    _option("--breaks", panel=FORM, text="The symbols that end a line, besides the line break."),
]
Seed = Annotated[int, Option("--seed", min=0, max=2**32 - 1, help="Fixes every random draw.")]
Mistakes = Annotated[
    int | None, Option("--mistakes", help="List so many of the wrong labels and where they stand.")
]
Tokenize = Annotated[
    str | None,
    Option("--tokenize", help="texts out: how BLEU cuts words, such as zh for Chinese (13a)."),
]
Json = Annotated[bool, Option("--json", help="Print JSON instead of a table.")]

Cutoffs = Annotated[
    str | None, Option(help="recommend: the k of recall@k and others: 5,10,20.", show_default=False)
]
LastOnly = Annotated[
    bool | None,
    Option(
        "--last-only", help="recommend: only the last item of each session.", show_default=False
    ),
]
BeamWidth = Annotated[
    int | None,
    _option("--beam", panel=SEARCH, text="So many side by side (5); 1 takes the likeliest steps."),
]
LengthPenalty = Annotated[
    float | None,
    _option("--length-penalty", panel=SEARCH, text="Rank by log p / length to this power (1)."),
]
Gnmt = Annotated[
    bool | None,
    _option("--gnmt", panel=SEARCH, text="Rank by log p / ((5 + length) / 6) to this power."),
]
CoveragePenalty = Annotated[
    float | None,
    _option("--coverage-penalty", panel=SEARCH, text="What a source left unread costs."),
]
MinLength = Annotated[
    int | None, _option("--min-length", panel=SEARCH, text="No end before so many symbols.")
]
MaxLength = Annotated[
    int | None,
    _option("--max-length", panel=SEARCH, text="Cut off there; else at twice the usual length."),
]
NoRepeat = Annotated[
    int | None, _option("--no-repeat", panel=SEARCH, text="No run of so many comes twice.")
]
Ensemble = Annotated[
    list[Path] | None,
    _option(
        "--ensemble", panel=SEARCH, text="A model that predicts with it; may be given repeatedly."
    ),
]
Mean = Annotated[
    str | None,
    _option("--mean", panel=SEARCH, text="Of an ensemble's predictions: arithmetic or geometric."),
]
MustContain = Annotated[
    list[str] | None,
    _option("--contain", panel=SEARCH, text="Must occur in each; may be given repeatedly."),
]
MustNotContain = Annotated[
    list[str] | None,
    _option("--forbid", panel=SEARCH, text="Must not occur in any; likewise."),
]
Phrases = Annotated[
    bool | None,
    _option("--phrases", panel=SEARCH, text="After tabs, lines say what must occur in theirs."),
]
Limit = Annotated[
    int | None, Option("--limit", help="Lines of more symbols are named on standard error (1000).")
]
Truncate = Annotated[bool | None, Option("--truncate", help="And only so many of theirs are read.")]
ReplaceUnknown = Annotated[
    bool | None,
    _option(
        "--replace-unknown", panel=SEARCH, text="A word of the source where ⟨unk⟩ is likeliest."
    ),
]
Exact = Annotated[
    bool | None,
    _option("--exact", panel=SEARCH, text="Go on until nothing can overtake what was found."),
]
