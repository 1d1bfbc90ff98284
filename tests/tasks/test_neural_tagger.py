"""Taggers that are networks: words, characters, columns and measurements in, labels out."""

import itertools
import os
import random
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch

from catena import (
    CRF,
    EM,
    GRU,
    HMM,
    LSTM,
    RNN,
    CatenaError,
    Custom,
    Generator,
    Gradient,
    Markov,
    Sequences,
    Tagger,
    Window,
    container,
    load,
)
from catena.combine import Stack
from catena.dropping import Dropout
from catena.ladder.characters import CNN
from catena.ladder.encoder import Encoder
from catena.ladder.rnn import ElmanCell
from catena.learn import Interrupted
from catena.learn.objective import LabelledSteps
from catena.scanning import scan
from catena.schemes import constraints, first_invalid
from catena.tasks.tag_network import Measured, TagNetwork, TokenEmbedding
from catena.tasks.tokens import TokenVocabulary

NAMES, PLACES = ["Ann", "Bob Ray", "Dee Dee Ott"], ["Rome", "New York", "Oslo"]
PATTERNS = ["{n} went to {p} .", "{n} saw {n} in {p} .", "who is {n} ?", "{p} !"]


def sentences(count, seed):
    """Words with B, I and O tags of names and places; one sentence is empty, one has one word."""
    draw = random.Random(seed)
    X, y = [[], ["Oslo"]], [[], ["B-LOC"]]
    for _ in range(count):
        words, tags = [], []
        for part in draw.choice(PATTERNS).split():
            kind = {"{n}": ("PER", NAMES), "{p}": ("LOC", PLACES)}.get(part)
            found = draw.choice(kind[1]).split() if kind else [part]
            words += found
            tags += [f"{'IB'[not i]}-{kind[0]}" for i in range(len(found))] if kind else ["O"]
        X.append(words)
        y.append(tags)
    return X, y


TRAIN, TEST = sentences(30, 1), sentences(15, 2)
QUICK = Gradient(epochs=12, rate=0.03, batch=5, warmup=5)


def pairs(X):
    return [[(word, word[:1].upper()) for word in row] for row in X]


CASES = {
    "lstm": (
        Tagger(
            LSTM(8, bidirectional=True),
            learner=QUICK,
            characters=CNN(4),
            word_dropout=0.05,
        ),
        list,
    ),
    "softmax": (Tagger(GRU(8), learner=QUICK, decoder="softmax", minimum=2), list),
    "columns": (Tagger(RNN(8), learner=QUICK, characters=LSTM(3)), pairs),
    "window": (Tagger(Window(2, 16, embedding=8), learner=QUICK), list),
    "scheme": (Tagger(GRU(8), scheme="iob2", learner=QUICK, decoder="softmax"), list),
}
every = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def fitted():
    """Taggers by name, each fitted when first asked for, with the form that their tokens have."""
    made = {}

    def find(name):
        if name not in made:
            tagger, form = CASES[name]
            made[name] = tagger.fit(form(TRAIN[0]), TRAIN[1]), form
        return made[name]

    return find


def all_paths(scores, chain):
    """Every path over scores `[m, L]` and its score, in the order of `itertools.product`."""
    for path in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        total = scores.new_zeros(())
        for t, label in enumerate(path):
            total = total + scores[t, label]
        for a, b in itertools.pairwise(path):
            total = total + chain.transitions[a, b]
        if path:
            total = total + chain.start[path[0]] + chain.end[path[-1]]
        yield path, total


# -- labelling ----------------------------------------------------------------------------------


@every
def test_it_learns(fitted, name):
    tagger, form = fitted(name)
    assert tagger.labels_ == ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
    assert tagger.score(form(TRAIN[0]), TRAIN[1]) == 1.0
    assert tagger.score(form(TEST[0]), TEST[1]) >= 0.97
    assert tagger.evaluate(form(TEST[0]), TEST[1]).span_f1 >= 0.95
    assert tagger.history_.rows[-1]["train"] < tagger.history_.rows[0]["train"]
    assert tagger.history_.epochs == pytest.approx(12)


@every
def test_paths_and_probabilities_are_those_of_all_paths(fitted, name):
    tagger, form = fitted(name)
    X = form([["Ann", "saw", "Quux"], [], ["New"]])
    best, proba, ranked = tagger.predict(X), tagger.predict_proba(X), tagger.n_best(X, 3)
    scored = tagger.labeller_.scores(X)
    for scores, labels, table, paths in zip(scored, best, proba, ranked, strict=True):
        found = list(all_paths(scores, tagger.chain_))
        p = torch.stack([total for _, total in found]).softmax(0)
        order = p.argsort(descending=True, stable=True).tolist()
        named = [[tagger.labels_[i] for i in found[place][0]] for place in order]
        assert labels == named[0]
        assert [path.labels for path in paths] == named[: len(paths)]
        assert [path.probability for path in paths] == pytest.approx(
            p[order[: len(paths)]].tolist()
        )
        for t, row in enumerate(table):
            for label in range(len(row)):
                both = sum(p[i] for i, (path, _) in enumerate(found) if path[t] == label)
                assert row[label] == pytest.approx(float(both), abs=1e-9)


@every
def test_a_sentence_has_the_same_tags_alone_and_in_any_batch(fitted, name):
    tagger, form = fitted(name)
    X = form([*TEST[0], ["Quux", "went", "to", "Oslo", ",", "Zoë"]])
    together, table = tagger.predict(X), tagger.predict_proba(X)
    for sentence, labels, own in zip(X, together, table, strict=True):
        assert tagger.predict([sentence]) == [labels]
        np.testing.assert_allclose(tagger.predict_proba([sentence])[0], own, atol=1e-6)
    assert tagger.predict(X[::-1]) == together[::-1]
    assert tagger.predict(X * 3) == together * 3


def test_only_valid_tags_are_predicted(fitted):
    tagger, form = fitted("scheme")
    draw = random.Random(3)
    words = sorted({word for row in TRAIN[0] for word in row})
    X = [draw.choices(words, k=draw.randrange(9)) for _ in range(60)]
    assert not any(first_invalid(row, "IOB2") for row in tagger.predict(form(X)))
    free = Tagger(GRU(8), learner=QUICK, decoder="softmax").fit(*TRAIN)
    assert any(first_invalid(row, "IOB2") for row in free.predict(X))


def test_a_softmax_has_no_moves(fitted):
    assert not fitted("softmax")[0].chain_.transitions.any()
    moves = fitted("lstm")[0].chain_.transitions
    labels = fitted("lstm")[0].labels_
    first, second = labels.index("B-PER"), labels.index("I-PER")
    assert moves[first, second] > moves[labels.index("O"), second]


# -- what is learned ----------------------------------------------------------------------------


class Given(torch.nn.Module):
    """Measurements as they are."""

    width = 2

    def forward(self, steps):
        return steps.sequences.values.float()


def small_network(decoder):
    torch.manual_seed(0)
    encoder = Encoder(torch.nn.Identity(), ElmanCell(2, 3), 3)
    network = TagNetwork(Given(), encoder, 3, decoder)
    for part in network.parameters():
        if part.requires_grad:
            torch.nn.init.normal_(part)
    return network


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_the_loss_and_its_gradient_are_those_of_all_paths(decoder):
    lengths = [3, 0, 1, 4]
    data = Measured(Sequences(torch.randn(8, 2), torch.tensor(lengths)))
    labels = Sequences(torch.randint(3, (8,)), torch.tensor(lengths))
    network = small_network(decoder)
    found = network.log_prob(data, labels.values)
    assert found.shape == (8,)
    whole = []
    for scores, path in zip(network(data), labels, strict=True):
        paths = dict(all_paths(scores, network.chain))
        log_z = torch.stack(list(paths.values())).logsumexp(0)
        whole.append(paths[tuple(path.tolist())] - log_z)
    expected = torch.stack(whole)
    per_path = torch.stack([part.sum() for part in found.split(lengths)])
    torch.testing.assert_close(per_path, expected)
    if decoder == "crf":  # a path's log p, shared out
        assert all(part.unique().numel() <= 1 for part in found.split(lengths))
    learned = [part for part in network.parameters() if part.requires_grad]
    one = torch.autograd.grad(found.sum(), learned)
    other = torch.autograd.grad(expected.sum(), learned)
    for mine, theirs in zip(one, other, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_under_constraints_what_is_invalid_has_no_share_in_the_loss():
    data, labels = Measured(Sequences(torch.randn(3, 2), torch.tensor([3]))), ["B-X", "I-X", "O"]
    network = small_network("crf")
    gold = torch.tensor([0, 1, 2])
    free = network.log_prob(data, gold).sum()
    network.allowed = constraints(labels, "IOB2")
    paths = dict(all_paths(network(data).values, network.chain))
    names = {path: [labels[i] for i in path] for path in paths}
    valid = [total for path, total in paths.items() if first_invalid(names[path], "IOB2") is None]
    expected = paths[0, 1, 2] - torch.stack(valid).logsumexp(0)
    torch.testing.assert_close(network.log_prob(data, gold).sum(), expected)
    assert expected > free


def test_a_tagger_is_learned_under_constraints():
    def nats(constrained):
        tagger = Tagger(
            GRU(4), scheme="IOB2", learner=replace(QUICK, epochs=1), constrained=constrained
        )
        return tagger.fit(*TRAIN, TEST).history_.rows[0]["train"]

    assert nats(True) < nats(False)
    wrong = [["I-PER"] * len(row) for row in TEST[1]]
    with pytest.raises(CatenaError, match="'I-PER' cannot follow the beginning"):
        Tagger(GRU(4), scheme="IOB2", constrained=True).fit(*TRAIN, (TEST[0], wrong))


def test_every_step_is_learned_from_once_an_epoch_in_batches_of_like_length():
    lengths = torch.tensor([5, 0, 1, 9, 5, 5, 1, 30, 2, 2])
    data = Measured(Sequences(torch.randn(60, 2), lengths))
    labels = Sequences(torch.arange(60) % 3, lengths)
    objective = LabelledSteps(small_network("crf"), data, labels, rows=2)
    assert objective.predictions == 60
    for generator in (None, torch.Generator().manual_seed(3)):
        batches = objective.batches(generator)
        assert objective.updates(batches) == len(batches)
        assert sorted(torch.cat(batches).tolist()) == list(range(10))
        assert all(len(batch) == 1 or lengths[batch].sum() <= 12 for batch in batches)
        pieces = [piece for batch in batches for piece in objective.pieces(batch)]
        assert sum(objective.score(piece, None).log_prob.total for piece in pieces) == 60
    other = Sequences(1 - labels.values % 2, lengths)
    assert LabelledSteps(small_network("crf"), data, other, 2).fingerprint != objective.fingerprint


def test_held_out_data_says_what_is_kept():
    wrong = [["O"] * len(row) for row in TRAIN[1]]
    learner = replace(QUICK, evaluations=12, patience=3)
    tagger = Tagger(GRU(4), learner=learner).fit(*TRAIN, (TRAIN[0], wrong))
    rows = [row["valid"] for row in tagger.history_.rows]
    assert len(rows) < 12
    assert "stopped early: 3 evaluations" in tagger.history_.notes[-1]
    data = tagger.labeller_.scores(TRAIN[0])
    numbers = data.with_values(torch.full((data.total,), tagger.labels_.index("O")))
    kept = -float(tagger.labeller_.chain.log_prob(data, numbers).sum()) / data.total
    assert kept == pytest.approx(min(rows), rel=1e-5)


def test_held_out_labels_that_training_has_not():
    held_out = ([["Ann"], ["x"], []], [["B-GOD"], ["O"], []])
    tagger = Tagger(GRU(4), learner=replace(QUICK, epochs=1)).fit(*TRAIN, held_out)
    assert "valid" in tagger.history_.rows[-1]
    assert tagger.history_.notes[0].startswith("1 held-out sentences have labels")
    none = Tagger(GRU(4), learner=replace(QUICK, epochs=1)).fit(*TRAIN, ([["x"]], [["B-GOD"]]))
    assert "valid" not in none.history_.rows[-1]


# -- what is dropped ----------------------------------------------------------------------------


class Shown(torch.nn.Module):
    """A recurrence that shows what it is given."""

    def start(self, batch):
        return (torch.zeros(batch, 64),)

    def step(self, state, x):
        return (x,)

    def read(self, state):
        return state[0]


def test_variational_dropout_is_the_same_at_all_steps_of_a_sequence():
    owner = torch.repeat_interleave(torch.tensor([4, 0, 3, 5]))
    torch.manual_seed(0)
    dropped = Dropout(0.5, variational=True)(torch.ones(12, 64), owner)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    parts = [rows for rows in dropped.split([4, 0, 3, 5]) if len(rows)]
    assert all(torch.equal(rows, rows[:1].expand_as(rows)) for rows in parts)
    assert not torch.equal(parts[0][0], parts[1][0])
    plain = Dropout(0.5)(torch.ones(12, 64), owner)
    assert not torch.equal(plain[0], plain[1])
    assert torch.equal(Dropout(0.5, variational=True).eval()(plain, owner), plain)


def test_between_layers_too():
    stack = Stack([Shown(), Shown()], 0.5, variational=True)
    lengths = torch.tensor([2, 5, 0, 4])
    features = scan(stack, Sequences(torch.ones(11, 64), lengths)).features
    rows = [found for found in features if len(found)]
    assert all(torch.equal(found, found[:1].expand_as(found)) for found in rows)
    assert not torch.equal(rows[0][0], rows[1][0])
    plain = scan(Stack([Shown(), Shown()], 0.5), Sequences(torch.ones(11, 64), lengths)).features
    assert not torch.equal(plain[1][0], plain[1][1])


def test_a_rung_with_variational_dropout_generates_nothing():
    with pytest.raises(CatenaError, match="leave it out to predict"):
        Generator(GRU(4, variational=True)).fit(["abab"])


def embedding_of(rate):
    vocabulary = TokenVocabulary.learn([["a", "B", "a", "c"]], 1, None, False)
    return vocabulary, TokenEmbedding(vocabulary, 4, rate)


def test_word_dropout_makes_words_unknown_while_training():
    vocabulary, embed = embedding_of(0.5)
    tokens = vocabulary.encode([["a"] * 400], torch.tensor([400]))
    unknown = vocabulary.encode([["?"]], torch.tensor([1]))
    embed.eval()
    known, other = embed(tokens)[0], embed(unknown)[0]
    assert torch.equal(embed(tokens), known.expand(400, 4))
    found = embed.train()(tokens)
    dropped = (found == other).all(1)
    assert 120 < int(dropped.sum()) < 280
    assert torch.equal(found[~dropped], known.expand(int((~dropped).sum()), 4))


def test_words_and_their_small_letters_and_what_is_rare():
    vocabulary = TokenVocabulary.learn([["The", "the", "the", "Cat", "cat", "dog"]], 2, None, False)
    assert vocabulary.words.items[1:] == ("the",)
    assert set(vocabulary.small.items[1:]) == {"the", "cat"}
    with pytest.raises(CatenaError, match="no symbol occurs 3 times"):
        TokenVocabulary.learn([["a", "b"]], 3, None, False)


def test_measurements_that_are_all_the_same_are_named():
    with pytest.raises(CatenaError, match="every observation is the same, 0, 2: there is nothing"):
        Tagger(GRU(4)).fit([[[0.0, 2.0]] * 3], [[1, 0, 1]])


# -- vectors of others --------------------------------------------------------------------------


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("Ann 1 2 3\nrome 4 5 6\nnever 7 8 9\nQuux -1 0 1\n")
    return path


def learned_vectors(tagger):
    """The vectors of a fitted tagger by word, and what knows the words."""
    network, vocabulary = tagger.labeller_.network, tagger.labeller_.vocabulary
    rows = network.embed.vectors.weight.detach()
    return dict(zip(vocabulary.vectors.items, rows, strict=True)), vocabulary


def test_vectors_of_a_file_are_used_and_stay_where_they_are_frozen(vectors, tmp_path):
    tagger = Tagger(GRU(4), learner=replace(QUICK, epochs=1), embeddings=vectors, fine_tune=False)
    found, vocabulary = learned_vectors(tagger.fit(*TRAIN, ([["Quux"]], [["O"]])))
    assert list(found)[1:] == ["Ann", "rome", "Quux"]  # those of the data, held out ones too
    assert found["rome"].tolist() == [4, 5, 6]
    assert found["⟨unk⟩"].tolist() == [0, 0, 0]
    numbers = vocabulary.encode([["Rome", "Ann", "zzz"]], torch.tensor([3])).numbers.values
    assert numbers[:, 2].tolist() == [2, 1, 0]  # by its small letters, by itself, unknown
    tagger.save(tmp_path / "m")
    vectors.unlink()
    again = load(tmp_path / "m")
    assert again.predict(TEST[0]) == tagger.predict(TEST[0])
    assert (again.embeddings, again.fine_tune) == (str(vectors), False)


def test_vectors_of_words_that_only_later_data_has(vectors, tmp_path):
    learner = replace(QUICK, epochs=1)
    tagger = Tagger(GRU(4), learner=learner, embeddings=vectors, all_vectors=True).fit(*TRAIN)
    found, _ = learned_vectors(tagger)
    assert list(found)[1:] == ["Ann", "rome", "never", "Quux"]
    tagger.save(tmp_path / "m")
    again = load(tmp_path / "m")
    assert again.all_vectors
    assert (
        again.predict_proba([["never"]])[0].tolist() != again.predict_proba([["zzz"]])[0].tolist()
    )


def test_vectors_of_a_file_are_learned_further(vectors):
    tagger = Tagger(GRU(4), learner=replace(QUICK, epochs=1), embeddings=vectors)
    found, _ = learned_vectors(tagger.fit(*TRAIN))
    assert found["Ann"].tolist() != [1, 2, 3]
    assert torch.dist(found["Ann"], torch.tensor([1.0, 2.0, 3.0])) < 2


def test_vectors_that_help_nobody(vectors, tmp_path):
    with pytest.raises(CatenaError, match=r"words\.txt: has no vector for any word"):
        Tagger(GRU(4), embeddings=vectors).fit([["x"]], [["A"]])
    with pytest.raises(CatenaError, match="no such file"):
        Tagger(GRU(4), embeddings=tmp_path / "nowhere").fit(*TRAIN)


# -- measurements -------------------------------------------------------------------------------


def walks(lengths, seed=0):
    """Random walks in the plane; a step is labelled by where it is."""
    draw = np.random.default_rng(seed)
    X = [draw.normal(size=(length, 2)).cumsum(0) * 3 + 100 for length in lengths]
    return X, [["up" if row[0] > 100 else "down" for row in walk] for walk in X]


@pytest.fixture(scope="module")
def measured():
    X, y = walks([5, 9, 0, 1, *[25] * 12])
    learner = Gradient(epochs=20, rate=0.05, batch=4, warmup=5)
    return Tagger(GRU(8, bidirectional=True), learner=learner).fit(X, y)


def test_every_step_of_a_series_is_labelled(measured, tmp_path):
    X, y = walks([7, 0, 1, 15], seed=1)
    assert measured.score(X, y) >= 0.85
    assert [len(row) for row in measured.predict(X)] == [7, 0, 1, 15]
    assert measured.predict([]) == []
    assert measured.predict([[]]) == [[]]
    for other in (
        Sequences.from_list(X),
        [row.tolist() for row in X],
        [torch.tensor(x) for x in X],
    ):
        assert measured.predict(other) == measured.predict(X)
    assert [measured.predict([x])[0] for x in X] == measured.predict(X)
    measured.save(tmp_path / "m")
    assert load(tmp_path / "m").predict(X) == measured.predict(X)


def test_one_number_a_step():
    X = [[1.0, -1.0, 2.0], [-2.0], []]
    y = [["+", "-", "+"], ["-"], []]
    tagger = Tagger(Window(1, 4), learner=Gradient(epochs=60, rate=0.1, warmup=1)).fit(X, y)
    assert tagger.predict(X) == y


@pytest.mark.parametrize(
    ("X", "told"),
    [
        ([[[1.0, 2.0]], [[0.0, 0.0], [1.0, float("nan")]]], "sequence 2, step 2, column 2: nan"),
        ([np.ones((2, 3))], "shape .3,., but the space has dim=2"),
        ([["a", "b"]], "no words or attributes"),
        (np.ones((3, 2)), "may be one sequence or many"),
    ],
)
def test_measurements_that_are_not_as_those_of_training(measured, X, told):
    with pytest.raises(CatenaError, match=told):
        measured.predict(X)
    with pytest.raises(CatenaError, match="neither a string"):
        CASES["softmax"][0].fit(*TRAIN).predict([[1.0]])


def test_nan_in_training_is_refused():
    with pytest.raises(CatenaError, match="sequence 1, step 2, column 1: nan"):
        Tagger(GRU(4)).fit([[[1.0], [float("nan")]]], [["a", "b"]])


# -- what does not go together ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rung", "more", "told"),
    [
        (Markov(), {}, "a CRF, an HMM or a neural rung, not Markov"),
        (LSTM(), {"learner": EM()}, "learned by Gradient, not by EM"),
        (LSTM(), {"features": "U:%x[0,0]"}, "leave features out"),
        (LSTM(), {"decoder": "viterbi"}, "decoder must be one of crf, softmax"),
        (LSTM(), {"decoder": "softmax", "constrained": True}, "only decoder='crf'"),
        (LSTM(), {"constrained": True}, "constrained needs a scheme"),
        (LSTM(), {"word_dropout": 1.0}, "word_dropout must be"),
        (LSTM(), {"characters": Window()}, "read by an RNN, GRU, LSTM or CNN"),
        (CRF(), {"word_dropout": 0.1}, "word_dropout is for neural rungs; a crf"),
        (HMM(), {"characters": CNN()}, "characters is for neural rungs; a hmm"),
    ],
)
def test_what_does_not_go_together(rung, more, told):
    with pytest.raises(CatenaError, match=told):
        Tagger(rung, **more).fit([["a"]], [["X"]])


def test_attributes_are_for_fields():
    with pytest.raises(CatenaError, match="no attributes; give tokens as strings"):
        Tagger(GRU(4)).fit([[{"w": "a"}]], [["X"]])
    with pytest.raises(CatenaError, match="nothing to learn from"):
        Tagger(GRU(4)).fit([[]], [[]])


def test_scikit_learn_clones_it():
    base = pytest.importorskip("sklearn.base")
    tagger = Tagger(GRU(3), characters=CNN(4), decoder="softmax")
    copy = base.clone(tagger)
    assert copy.get_params() == tagger.get_params()
    assert copy.set_params(characters__units=7, rung__units=5).characters == CNN(7)


# -- keeping ------------------------------------------------------------------------------------


@every
def test_a_saved_tagger_is_the_same(fitted, tmp_path, name):
    tagger, form = fitted(name)
    tagger.save(tmp_path / "m")
    again = load(tmp_path / "m")
    X = form([*TEST[0], ["Zoë", "😀", ""]])
    assert again.predict(X) == tagger.predict(X)
    found = zip(again.predict_proba(X), tagger.predict_proba(X), strict=True)
    assert all(np.array_equal(one, other) for one, other in found)
    assert again.get_params() == tagger.get_params() | {"learner": QUICK}
    assert (again.history_, again.labels_) == (tagger.history_, tagger.labels_)
    again.save(tmp_path / "again")
    (one, facts), (other, same) = container.read(tmp_path / "m"), container.read(tmp_path / "again")
    assert facts == same
    assert all(container.same(one[key], other[key]) for key in one)


def elman(inputs):
    return ElmanCell(inputs, 5)


def test_a_recurrence_of_ones_own(tmp_path):
    tagger = Tagger(Custom(elman, embedding=8), learner=replace(QUICK, epochs=5)).fit(*TRAIN)
    assert tagger.score(*TRAIN) >= 0.7
    tagger.save(tmp_path / "m")
    with pytest.raises(CatenaError, match=r"Custom\(\.\.\.\)"):
        load(tmp_path / "m")
    again = load(tmp_path / "m", rung=tagger.rung)
    assert again.predict(TEST[0]) == tagger.predict(TEST[0])


def put(*keys, value):
    """A change of the facts: at these keys, this value."""

    def change(tensors, facts):
        inner = facts
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value

    return change


SPOILED = {
    "rung": put("rung", "kind", value="markov"),
    "option": put("rung", "depth", value=3),
    "units": put("rung", "units", value=10**9),
    "layers": put("rung", "layers", value=10**9),
    "learner": put("learner", "kind", value="luck"),
    "labels": put("labeller", "labels", value=["A", "A", "B", "C", "D"]),
    "fewer labels": put("labeller", "labels", value=["A", "B"]),
    "no vocabulary": put("labeller", "vocabulary", value=None),
    "another vocabulary": put("labeller", "vocabulary", "words", "items", value=["⟨unk⟩"]),
    "vectors": put("labeller", "vectors", value=3),
    "measurements": put("space", value={"kind": "vectors", "dim": 2, "shift": [], "scale": []}),
    "decoder": put("task", "design", "decoder", value="luck"),
    "characters": put("task", "design", "characters", "kind", value="luck"),
    "wide": put("task", "design", "characters", "units", value=10**9),
    "no design": lambda tensors, facts: facts["task"].pop("design"),
    "no head": lambda tensors, facts: tensors.pop("head.weight"),
    "head": lambda tensors, facts: tensors.update({"head.bias": torch.zeros(2)}),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_file_that_was_tampered_with_is_refused(fitted, tmp_path, name):
    path = tmp_path / "m"
    fitted("lstm")[0].save(path)
    tensors, facts = container.read(path)
    SPOILED[name](tensors, facts)
    container.write(path, tensors, facts)
    with pytest.raises(CatenaError) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


# -- stopping and going on ------------------------------------------------------------------------

DROPPING = Tagger(
    LSTM(6, bidirectional=True, dropout=0.3, embedding_dropout=0.2, variational=True),
    learner=replace(QUICK, epochs=2),
    characters=CNN(3),
    word_dropout=0.2,
)


def like(tagger, **changed):
    return Tagger(**(tagger.get_params(deep=False) | changed))


def parameters(tagger):
    return tagger.labeller_.tensors()


def same(one, other):
    one, other = parameters(one), parameters(other)
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_ctrl_c_keeps_the_work_and_resuming_ends_with_the_same_bits(tmp_path):
    whole = like(DROPPING).fit(*TRAIN, TEST)
    path, seen = tmp_path / "checkpoint", []

    def stop(progress):
        seen.append(progress)
        if progress.done > 0.4:
            os.kill(os.getpid(), 2)

    again = like(DROPPING)
    with patch("os.fsync"), pytest.raises(Interrupted) as caught:
        again.fit(*TRAIN, TEST, checkpoint=path, report=stop)
    assert caught.value.checkpoint == path
    for other, data in (
        (Tagger(LSTM(6), learner=DROPPING.learner), TRAIN),
        (like(DROPPING, word_dropout=0.1), TRAIN),
        (again, TEST),
    ):
        with pytest.raises(CatenaError, match="belongs to a run with another model"):
            other.fit(*data, TEST, checkpoint=path, resume=True)
    assert same(again.fit(*TRAIN, TEST, checkpoint=path, resume=True), whole)


def test_the_seed_owns_every_draw():
    def fit(seed):
        torch.rand(7)
        return like(DROPPING, seed=seed).fit(*TRAIN)

    one = fit(1)
    assert same(one, fit(1))
    assert not same(one, fit(2))


def test_networks_refuse_more_data_later():
    with pytest.raises(CatenaError, match="lstm needs all data at once"):
        Tagger(LSTM(units=4)).partial_fit([["a"]], [["A"]])
