"""Vectors of words from their characters: against a loop over words, and alone as in any batch."""

import json
import random
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch.nn.functional import conv1d

from catena.errors import CatenaError
from catena.ladder import GRU, HMM, LSTM, RNN
from catena.ladder.characters import CNN, Characters, alphabet_of, distinct
from catena.sequences import Sequences

WORDS = ["walk", "", "walked", "a", "talk", "über", "x", "wa", "W" * 40, "日本"]
SPELLERS = [
    CNN(units=6, width=3),
    CNN(units=4, width=1, embedding=3),
    CNN(units=5, width=7),
    LSTM(units=6),
    GRU(units=5, layers=2, embedding=4, residual=True),
    RNN(units=4, start="zero"),
]
NAMES = ["cnn", "cnn of single characters", "wide cnn", "lstm", "stacked gru", "rnn"]
spelled = pytest.mark.parametrize("speller", SPELLERS, ids=NAMES)


def made(speller, seed=0):
    torch.manual_seed(seed)
    module = Characters(speller, alphabet_of([*WORDS, "Übel talking W", "本"]))
    for parameter in module.parameters():  # biases and starts too
        parameter.data.normal_(0, 0.5)
    return module.eval()


def one_by_one(module):
    encoded = module.alphabet.encode(WORDS)
    return torch.cat([module(encoded[[i]]) for i in range(len(WORDS))])


def convolved(module, word):
    """One word by PyTorch's convolution over the framed word, `[units]`."""
    steps = module.steps
    width, units, _ = steps.weight.shape
    if not word:
        return torch.zeros(units)
    numbers = module.alphabet.encode([word]).values.tolist()
    framed = [steps.begin] * (width // 2) + numbers + [steps.end] * (width // 2)
    x = steps.table[torch.tensor(framed)].T[None]
    return conv1d(x, steps.weight.permute(1, 2, 0), steps.bias)[0].amax(1)


def recurred(module, word):
    """One word by single steps from each end, `[2 · units]`: of a rung of one layer."""
    encoder = module.steps
    both = encoder.recurrence.layers[0]
    x = encoder.embed(module.alphabet.encode([word]).values)
    if not word:
        return torch.zeros(module.width)
    ends = []
    for cell, inputs in ((both.forwards, x), (both.backwards, x.flip(0))):
        state = cell.start(1)
        for row in inputs:
            state = cell.step(state, row[None])
        ends.append(cell.read(state)[0])
    return torch.cat(ends)


@spelled
def test_against_one_word_after_the_other(speller):
    if isinstance(speller, GRU):  # the loop below walks one layer
        speller = replace(speller, layers=1)
    module = made(speller)
    spell = convolved if isinstance(speller, CNN) else recurred
    wanted = torch.stack([spell(module, word) for word in WORDS])
    found = module.of_tokens(WORDS)
    assert found.dtype == torch.float32
    assert found.shape == (len(WORDS), module.width)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


@spelled
def test_a_word_is_the_same_in_any_company(speller):
    module = made(speller)
    together, alone = module.of_tokens(WORDS), one_by_one(module)
    exact = isinstance(speller, CNN)
    torch.testing.assert_close(together, alone, rtol=0, atol=0 if exact else 1e-6)
    assert not bool(together[WORDS.index("")].any())


@spelled
def test_tokens_share_the_vectors_of_words(speller):
    module = made(speller)
    tokens = random.Random(1).choices(WORDS, k=50)
    vectors = module.of_tokens(tokens)
    encoded = module(module.alphabet.encode(tokens))
    torch.testing.assert_close(vectors, encoded, rtol=0, atol=1e-6)
    assert module.of_tokens([]).shape == (0, module.width)
    assert module.of_tokens(["", ""]).tolist() == [[0.0] * module.width] * 2


@spelled
def test_every_weight_learns(speller):
    module = made(speller).train()
    module.of_tokens(["walk", "talk!", "W"]).square().sum().backward()
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert bool(parameter.grad.any()), name


def test_gradients_of_the_convolution():
    module = made(CNN(units=3, width=3, embedding=2)).double()
    words = module.alphabet.encode(["walk", "", "talk", "a"])
    names, parameters = zip(*module.named_parameters(), strict=True)

    def output(*values):
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), (words,))

    assert torch.autograd.gradcheck(output, parameters)


@spelled
def test_made_again_from_its_description(speller):
    module = made(replace(speller, dropout=0.25))
    again = Characters.from_description(json.loads(json.dumps(module.describe())))
    assert again.speller == module.speller
    again.load_state_dict(module.state_dict())
    assert torch.equal(again.eval().of_tokens(WORDS), module.of_tokens(WORDS))


def test_dropout_is_for_training_alone():
    for speller in (CNN(units=50, dropout=0.5), LSTM(units=25, dropout=0.5)):
        module = made(speller)
        whole = module.of_tokens(["walked"])
        dropped = module.train().of_tokens(["walked"])
        kept = dropped != 0
        assert 5 < int(kept.sum()) < 45
        torch.testing.assert_close(dropped[kept], 2 * whole[kept])


def test_unknown_characters_are_one():
    module = made(CNN())
    vectors = module.of_tokens(["wQlk", "wŸlk", "walk"])
    assert torch.equal(vectors[0], vectors[1])
    assert not torch.equal(vectors[0], vectors[2])


def test_the_alphabet_is_what_words_share():
    assert alphabet_of(["ab", "ab", "ac", "cab", "de", "de"]).items == ("⟨unk⟩", "a", "b", "c")
    assert alphabet_of(["ab", "", "cc"]).items == ("⟨unk⟩", "a", "b", "c")
    with pytest.raises(CatenaError, match="the vocabulary is empty"):
        alphabet_of(["", ""])


def test_distinct_words():
    assert distinct([])[1].dtype == torch.int64
    tokens = [str(number) for number in random.Random(0).choices(range(30), k=200)]
    words, places = distinct(iter(tokens))
    assert words == list(dict.fromkeys(tokens))
    assert [words[place] for place in places.tolist()] == tokens


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CNN(width=4), "width must be odd, .* not 4"),
        (lambda: CNN(units=0), "units must be at least 1, not 0"),
        (lambda: replace(CNN(), width="3"), "width must be a whole number, not '3'"),
        (lambda: CNN(embedding=0), "embedding must be at least 1"),
        (lambda: CNN(dropout=1.0), "dropout must be at least 0 and below 1"),
        (
            lambda: Characters(cast(Any, HMM()), alphabet_of(WORDS)),
            "an RNN, GRU, LSTM or CNN, not by HMM",
        ),
    ],
)
def test_what_does_not_go_is_refused(make, message):
    with pytest.raises(CatenaError, match=message):
        make()


def test_no_words():
    module = made(LSTM(units=3))
    empty = Sequences(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
    assert module(empty).shape == (0, 6)
