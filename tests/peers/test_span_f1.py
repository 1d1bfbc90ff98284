"""Span F1 as conlleval and seqeval compute it.

Neither is needed to run this: the figures below are theirs, for tags that a linear congruential
generator draws, the same on every machine. `COUNTS` holds, a label, how many spans are right, were
predicted and are there. Those of seqeval 1.2.2 come from `Entities(tags, scheme)`, the averages of
F1 from `precision_recall_fscore_support(..., average=..., scheme=..., zero_division=0)`; those of
conlleval (the Perl script of 2004-01-26) from its table, its formats widened to six decimals.
"""

import pytest

from catena.errors import CatenaError
from catena.metrics import accuracy, span_errors, span_scores

LABELS = ("LOC", "NP", "X-Y")
PREFIXES = {"IOB": "BI", "IOE": "IE", "IOB1": "BI", "IOB2": "BI", "IOBES": "BIES", "BILOU": "BILU"}


class Draws:
    """Whole numbers from Knuth's MMIX generator."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n


def tag(draws, prefixes):
    if not draws.below(3):
        return "O"
    return f"{prefixes[draws.below(len(prefixes))]}-{LABELS[draws.below(len(LABELS))]}"


def draw(kind, seed):
    """1,500 gold sequences of up to 12 tags, of which few are valid, and predictions that differ
    in every fifth tag."""
    draws, prefixes = Draws(seed), PREFIXES[kind]
    gold = [[tag(draws, prefixes) for _ in range(draws.below(13))] for _ in range(1500)]
    predicted = [[own if draws.below(5) else tag(draws, prefixes) for own in row] for row in gold]
    return gold, predicted


# (scheme, seed): COUNTS a label; F1 micro, macro, weighted.
SEQEVAL_STRICT = {
    ("IOB1", 1): (
        [(808, 1043, 1057), (847, 1088, 1099), (761, 1017, 1022)],
        [0.7638318052481821, 0.7635150637214507, 0.7638492609374807],
    ),
    ("IOB1", 2): (
        [(829, 1067, 1095), (813, 1066, 1062), (855, 1101, 1091)],
        [0.7704412218451095, 0.7703632498669037, 0.7704149052625199],
    ),
    ("IOB2", 1): (
        [(850, 1039, 1042), (807, 1030, 1008), (813, 1001, 1015)],
        [0.8052159739201303, 0.805138486260273, 0.8052723405890684],
    ),
    ("IOB2", 2): (
        [(853, 1064, 1065), (833, 1028, 1047), (781, 981, 969)],
        [0.8017549561260967, 0.801744126244231, 0.8017598096783788],
    ),
    ("IOBES", 1): (
        [(453, 531, 558), (437, 541, 547), (425, 531, 525)],
        [0.8134859263841634, 0.8133963296062227, 0.8136359255840449],
    ),
    ("IOBES", 2): (
        [(395, 499, 507), (421, 525, 533), (456, 551, 557)],
        [0.802017654476671, 0.8014113911161319, 0.8019998948029136],
    ),
    ("BILOU", 1): (
        [(453, 531, 558), (437, 541, 547), (425, 531, 525)],
        [0.8134859263841634, 0.8133963296062227, 0.8136359255840449],
    ),
    ("BILOU", 2): (
        [(395, 499, 507), (421, 525, 533), (456, 551, 557)],
        [0.802017654476671, 0.8014113911161319, 0.8019998948029136],
    ),
}
# Tokens, spans there, predicted and right; accuracy, precision, recall, F1 in percent; a label:
# precision, recall, F1, predicted.
CONLLEVAL = {
    ("IOB", 1): (
        (9100, 5562, 5524, 4467),
        (84.208791, 80.865315, 80.312837, 80.588129),
        [
            (81.651376, 80.952381, 81.300376, 1853),
            (80.665951, 80.320856, 80.493033, 1862),
            (80.265340, 79.648930, 79.955947, 1809),
        ],
    ),
    ("IOB", 2): (
        (9205, 5580, 5563, 4484),
        (84.095600, 80.603991, 80.358423, 80.481019),
        [
            (80.705505, 79.725449, 80.212483, 1871),
            (80.552546, 79.903278, 80.226598, 1846),
            (80.552546, 81.479452, 81.013348, 1846),
        ],
    ),
    ("IOE", 1): (
        (9100, 5594, 5565, 4503),
        (84.208791, 80.916442, 80.496961, 80.706156),
        [
            (81.975175, 80.412917, 81.186531, 1853),
            (80.341880, 80.643432, 80.492374, 1872),
            (80.434783, 80.434783, 80.434783, 1840),
        ],
    ),
    ("IOE", 2): (
        (9205, 5531, 5522, 4436),
        (84.095600, 80.333213, 80.202495, 80.267801),
        [
            (80.195334, 79.419667, 79.805616, 1843),
            (80.000000, 79.435703, 79.716853, 1830),
            (80.800433, 81.773399, 81.284004, 1849),
        ],
    ),
}


@pytest.mark.parametrize(("scheme", "seed"), SEQEVAL_STRICT)
def test_strict_spans_are_those_of_seqeval(scheme, seed):
    counts, f1 = SEQEVAL_STRICT[scheme, seed]
    scores = span_scores(*draw(scheme, seed), scheme=scheme)
    assert scores.labels == LABELS
    assert list(zip(scores.correct, scores.predicted, scores.gold, strict=True)) == counts
    means = [scores.micro.f1, scores.macro.f1, scores.weighted.f1]
    assert means == pytest.approx(f1, rel=1e-12)


@pytest.mark.parametrize(("kind", "seed"), CONLLEVAL)
def test_lenient_spans_are_those_of_conlleval(kind, seed):
    counts, percents, rows = CONLLEVAL[kind, seed]
    gold, predicted = draw(kind, seed)
    scores = span_scores(gold, predicted)
    sums = [int(n.sum()) for n in (scores.gold, scores.predicted, scores.correct)]
    assert (sum(map(len, gold)), *sums) == counts
    overall = [accuracy(gold, predicted), *scores.micro[:3]]
    assert [100 * share for share in overall] == pytest.approx(percents, abs=5.1e-7)
    for label, found, (*shares, times) in zip(LABELS, scores.predicted, rows, strict=True):
        ours = [100 * share for share in scores.per_label[label][:3]]
        assert ours == pytest.approx(shares, abs=5.1e-7)
        assert found == times


def test_lenient_spans_of_iobes_are_those_of_seqeval_by_default():
    # precision_recall_fscore_support of seqeval.metrics.sequence_labeling, average=None.
    scores = span_scores(*draw("IOBES", 1)).per_label
    f1 = [0.827480916031, 0.823201621074, 0.82151208106]
    assert [scores[label].f1 for label in LABELS] == pytest.approx(f1, abs=5.1e-13)


@pytest.mark.parametrize("scheme", [None, "IOB2"])
def test_errors_are_listed_and_add_up(scheme):
    gold, predicted = draw("IOB2", 3)
    scores, wrong = span_scores(gold, predicted, scheme), span_errors(gold, predicted, scheme)
    right = int(scores.correct.sum())
    assert sum(error.gold is not None for error in wrong) == int(scores.gold.sum()) - right
    assert (
        sum(error.predicted is not None for error in wrong) == int(scores.predicted.sum()) - right
    )
    assert wrong == sorted(wrong, key=lambda error: error[:3])


def test_a_label_that_training_never_saw_counts_as_an_error():
    gold, predicted = [["B-NEW", "I-NEW", "O", "B-NP"]], [["O", "O", "O", "B-NP"]]
    scores = span_scores(gold, predicted)
    assert scores.micro[:3] == (1.0, 0.5, 2 / 3)
    assert scores.per_label["NEW"] == (0, 0, 0, 1)
    assert span_errors(gold, predicted) == [(0, 0, 2, "NEW", None)]


def test_nothing_to_find_is_zero_everywhere():
    scores = span_scores([["O", "O"], []], [["O", "O"], []])
    assert scores.labels == ()
    assert {scores.micro, scores.macro, scores.weighted} == {(0.0, 0.0, 0.0, 0)}
    assert scores.describe()["per_label"] == {}


@pytest.mark.parametrize(
    ("gold", "predicted", "message"),
    [
        ([["O"]], [], "1 sequences of gold labels, but 0 of predicted ones"),
        ([["O"], ["O"]], [["O"], []], "sequence 2 has 1 gold labels, but 0 predicted ones"),
        ([["O"], ["NN"]], [["O"], ["O"]], "sequence 2, gold tags: 'NN' is no tag of a span"),
        ([["S-A"]], [["O"]], "sequence 1, gold tags: token 1: IOB2 has no tag 'S-A'"),
    ],
)
def test_what_cannot_be_compared_is_named(gold, predicted, message):
    with pytest.raises(CatenaError, match=message):
        span_scores(gold, predicted, scheme="IOB2")
