"""A running session: what is said of one observation is what is said of the whole sequence."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch.distributions import Normal

from catena import GRU, LSTM, RNN, CatenaError, Generator, Gradient, SequenceModel, Symbols, Vectors
from catena.kernels.cell.walker import CellWalker
from catena.ladder.lstm import LSTMCell
from catena.learn import Run
from catena.space import UNKNOWN
from catena.tasks.stream import Stream
from catena.walking import walk

TEXT = "abbaabab" * 4
RUNGS = {
    "rnn": RNN(units=6),
    "gru": GRU(units=5, layers=2),
    "lstm": LSTM(units=6, layers=3, residual=True, tied=True, embedding=6),
}


@pytest.fixture(scope="module", params=RUNGS.values(), ids=RUNGS.keys())
def fitted(request):
    return Generator(request.param, learner=Gradient(epochs=2), seed=3).fit(TEXT)


def surprises(stream, text):
    return [stream.push(symbol) for symbol in text]


def test_a_stream_says_what_the_whole_sequence_says(fitted):
    found = surprises(fitted.stream(), TEXT)
    assert found == pytest.approx(fitted.surprise(TEXT).tolist(), abs=1e-5)


def test_a_restored_stream_goes_on_to_the_bit(fitted):
    stream = fitted.stream()
    surprises(stream, TEXT[:11])
    other = fitted.stream(stream.to_bytes())
    assert stream.to_bytes() == other.to_bytes()
    assert surprises(stream, TEXT[11:]) == surprises(other, TEXT[11:])
    assert stream.to_bytes() == other.to_bytes()


def test_sessions_of_one_model_do_not_touch_one_another(fitted):
    alone, first, second = (fitted.stream() for _ in range(3))
    wanted, found = surprises(alone, TEXT), []
    for symbol in TEXT:
        found.append(first.push(symbol))
        second.push("b")
    assert found == wanted


def test_a_stream_of_a_model_that_learns_on_follows_it(fitted):
    stream = fitted.stream()
    surprises(stream, TEXT[:5])
    fitted.learner_.fit(fitted.model_, fitted._encode(TEXT), None, Run())
    fitted.model_.eval()
    restored = fitted.stream(stream.to_bytes())
    assert surprises(stream, TEXT) == surprises(restored, TEXT)


def test_a_distribution_outlives_the_next_push():
    cell = LSTMCell(2, 2)
    head = SimpleNamespace(
        distribution=lambda features: Normal(features, 1.0),
        log_prob=lambda features, x: Normal(features, 1.0).log_prob(x).sum(-1),
    )
    model = SequenceModel(Vectors(2), lambda x: x.float(), cell, head).eval()
    assert isinstance(walk(cell, model.start(1)), CellWalker)
    stream = Stream(model)
    stream.push([0.3, 0.4])
    told = stream.next()
    mean = told.mean.clone()
    stream.push([-2.0, 1.0])
    assert torch.equal(told.mean, mean)


SPACES = [
    Symbols.learn(["abba", "é"], "char"),
    Symbols.learn(["abba"], "char", "error"),
    Symbols.learn(["the cat"], "word"),
    Symbols.learn([], "byte"),
    Symbols.learn([[1, "a", 7]], "item"),
    Symbols.learn([[1, "a", 7]], "item", "error"),
]
ODD = ["a", "é", "x", "ab", "", "the", "the cat", " ", "⟨unk⟩", b"a", b"ab", b"", 1, 0, 7, 97, 300]
ODD += [True, 1.0, None, "\ud800", ["a"], math.nan, torch.tensor(1)]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: f"{space.unit}, {space.unknown}")
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_the_fast_way_to_a_number_is_that_of_encode(space, odd):
    wrapped = odd if isinstance(odd, (str, bytes)) and space.unit != "item" else [odd]
    try:
        wanted = space.encode([wrapped]).values.tolist()
    except (CatenaError, TypeError):
        wanted = None
    found = space.number(odd)
    assert found is None or [found] == wanted


def test_every_symbol_of_the_vocabulary_is_found_the_fast_way():
    for space in SPACES:
        one = [bytes([n]) for n in range(256)] if space.unit == "byte" else space.items
        found = [space.number(item) for item in one]
        assert found == [
            None if space.unit == "char" and item == UNKNOWN else number
            for number, item in enumerate(one)
        ]
