"""Chat: learns from dialogues, replies by search and by chance, keeps a session, is measured and
kept; and what it refuses."""

import copy
import math
from unittest.mock import patch

import numpy as np
import pytest
import torch
from sklearn.base import clone

from catena import GRU, LSTM, CatenaError, Chat, Generator, Gradient, Markov, Translator, load
from catena.container import read_facts
from catena.learn.checkpoint import Checkpoint
from catena.scheduled import ScheduledSampling
from catena.search import Beam, Sampling
from catena.tasks import chat as chatting
from catena.tasks import translate
from catena.tasks.chat import BETWEEN
from catena.tasks.encoder_decoder import Looking
from catena.tasks.turns import Turn

LEARNER = Gradient(epochs=40, rate=0.03, batch=4, span=16)
DIALOGUES = [
    ["hello", "hi there", "who are you ?", "a robot"],
    ["good day", "hi there", "where are you ?", "in a box"],
    ["tea please", "here it is", "thanks", "it was a pleasure"],
    ["a joke please", "here it is", "thanks", "you did not laugh"],
]


@pytest.fixture(scope="module")
def chat():
    rung = GRU(units=24, embedding=12, bidirectional=True)
    return Chat(rung, context=3, unit="word", learner=LEARNER).fit(DIALOGUES)


def test_what_was_said_before_decides_the_reply(chat):
    for turns in DIALOGUES:
        for at in range(1, len(turns)):
            assert chat.reply(turns[:at], how=3) == turns[at]
    assert chat.reply(DIALOGUES[2][:3], how=3) != chat.reply(DIALOGUES[3][:3], how=3)


def test_only_the_last_turns_are_looked_back_at(chat):
    long = ["who knows ?", "nobody"] * 10
    how = Sampling(temperature=1.5)
    assert chat.reply(long, how, seed=2) == chat.reply(long[-3:], how, seed=2)
    assert chat.pairs([["a", "b", "c", "d", "e"]])[-1] == (f"b {BETWEEN} c {BETWEEN} d", "e")
    pairs = [["a", "b"], ["b", "c"]]
    short = Chat(GRU(units=4), context=5, unit="word", learner=Gradient(epochs=1)).fit(pairs)
    assert short.context_ == 1
    assert short.pairs([["a", "b", "c"]])[-1] == ("b", "c")


def test_only_the_speakers_turns_are_learned():
    dialogues = [[Turn("a", "me"), Turn("b", "you"), Turn("c", "me"), Turn("d", "me")]]
    chat = Chat(GRU(units=4), speaker="me", unit="word", learner=Gradient(epochs=1))
    assert chat.fit(dialogues).pairs(dialogues) == [
        (f"a {BETWEEN} b", "c"),
        (f"b {BETWEEN} c", "d"),
    ]
    chat.set_params(speaker="us")
    with pytest.raises(CatenaError, match=r"is 'us''s; speakers: \['me', 'you'\]"):
        chat.fit(dialogues)


def test_draws_belong_to_their_seed(chat):
    how = Sampling(temperature=3.0)
    drawn = [chat.reply(["hello"], how, seed) for seed in range(8)]
    assert drawn == [chat.reply(["hello"], how, seed) for seed in range(8)]
    assert len(set(drawn)) > 4
    assert all(drawn)
    assert chat.reply(["hello"], Sampling(temperature=0)) == chat.reply(["hello"], Beam(1))
    histories = [turns[:1] for turns in DIALOGUES[::-1]]
    coldest = chat.replies(histories, Sampling(temperature=0))
    assert coldest == [chat.reply(history, 1) for history in histories]
    assert max(len(text.split()) for text in drawn) <= chat.longest_ == 4
    assert len(chat.reply(["hello"], Sampling(min_length=4, max_length=4)).split()) == 4


def test_frequencies_of_what_is_drawn_are_its_probabilities(chat):
    drawn = chat.replies([["hello"]] * 400, Sampling(temperature=1.0), seed=3)
    (found,) = chat.candidates([["hello"]], Beam(3))
    p = math.exp(found[0].log_prob)
    assert drawn.count(found[0].text) / 400 == pytest.approx(
        p, abs=4 * math.sqrt(p * (1 - p) / 400) + 0.01
    )


def test_candidates_score_what_they_were_found_with(chat):
    (found,) = chat.candidates([["tea please"]], 3)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    ended = [one for one in found if len(one.text.split()) < chat.longest_]
    scores = [float(chat.score([["tea please", one.text]])[0]) for one in ended]
    assert scores == pytest.approx([one.log_prob for one in ended], abs=1e-4)
    both = chat.replies([["tea please"], ["hello", "hi there", "who are you ?"]], 3)
    assert both == ["here it is", "a robot"]


def test_a_session_remembers_takes_back_and_forgets(chat):
    session = chat.session(how=3)
    assert session.say(" a  joke please ") == "here it is"
    assert session.say("thanks") == "you did not laugh"
    assert session.history == DIALOGUES[3]
    session.undo()
    assert session.history == DIALOGUES[3][:2]
    with pytest.raises(CatenaError, match="the turn is empty"):
        session.say("  ")
    assert session.history == DIALOGUES[3][:2]
    session.reset()
    session.undo()
    assert session.history == []
    session.how = Sampling(temperature=4.0)
    again = chat.session(session.how, seed=0)
    assert [session.say("hello") for _ in range(3)] != [again.say("hello")] * 3


def test_a_session_draws_on_from_its_own_seed(chat):
    how = Sampling(temperature=4.0)
    for seed in (1, 2):
        session = chat.session(how, seed)
        assert session.say("hello") == chat.reply(["hello"], how, seed)
        session.reset()
        assert session.say("hello") != chat.reply(["hello"], how, seed)
    with patch.object(chat, "_replies", return_value=[""]):
        session.say("hm")  # a model of characters may draw a blank
    assert session.history[-1] == "hm"
    assert session.say("hello")


def test_a_long_conversation_is_no_slower_than_a_short_one(chat):
    session, read = chat.session(how=1), []
    replies = chat._replies

    def watched(histories, how, generator):
        read.append(len(histories[0]))
        return replies(histories, how, generator)

    with patch.object(chat, "_replies", watched):
        for _ in range(4):
            session.say("hello")
    assert read == [1, 3, 4, 4]
    assert len(session.history) == 8


def ending(chat, more):
    """The same model, to which the end of every turn is likelier by so many nats."""
    changed = copy.deepcopy(chat)
    model = changed.translator_.model_
    with torch.no_grad():
        model.head.linear.bias[model.space.end_number] += more
    return changed


def test_a_reply_has_a_symbol_and_as_many_as_the_longest_turn_unless_more_are_asked_for(chat):
    for more, wanted in ((60.0, 1), (-60.0, 4)):
        odd = ending(chat, more)
        for how in (3, Sampling(temperature=1.0)):
            replies = odd.replies([["hello"], ["tea please"]], how)
            assert [len(reply.split()) for reply in replies] == [wanted] * 2
    for kind in (Beam, Sampling):
        assert len(chat.reply(["hello"], kind(max_length=1)).split()) == 1
        assert len(chat.reply(["hello"], kind(min_length=6, max_length=9)).split()) == 6


def test_the_mark_between_turns_is_never_said(chat):
    drawn = chat.replies([["hello"]] * 200, Sampling(temperature=1e3))
    found = chat.candidates([["hello"]], Beam(400, max_length=2))[0]
    for texts in (drawn, [one.text for one in found]):
        assert len(set(texts)) > 100
        assert not any(BETWEEN in text or text != " ".join(text.split()) for text in texts)


def test_unknown_words_and_the_mark_itself_are_answered(chat):
    assert chat.reply(["Ω ß"], 2)
    assert chat.reply([f"hello {BETWEEN}"], 3) == chat.reply(["hello"], 3)


def test_bleu_and_perplexity_are_of_the_replies(chat):
    sacrebleu = pytest.importorskip("sacrebleu")
    found = chat.evaluate(DIALOGUES, how=3)
    assert found.sentences == 12
    assert found.bleu == pytest.approx(100)
    symbols = sum(len(turn.split()) + 1 for turns in DIALOGUES for turn in turns[1:])
    wanted = np.exp(-chat.score(DIALOGUES).sum() / symbols)
    assert found.perplexity == pytest.approx(wanted)
    found = chat.evaluate([["hello", "hi you"]], how=3, tokenize="char")
    score = sacrebleu.corpus_bleu(["hi there"], [["hi you"]], tokenize="char")
    assert found.bleu == score.score
    assert "tok:char" in found.signatures["bleu"]
    how, histories = Sampling(temperature=4.0), [turns[:1] for turns in DIALOGUES]
    pairs = [(turns[0], turns[1]) for turns in DIALOGUES]
    short = [turns[:2] for turns in DIALOGUES]
    for seed in (0, 1):
        wanted = chat.translator_.judged(pairs, chat.replies(histories, how, seed))
        assert chat.evaluate(short, how, seed=seed) == wanted
    with pytest.raises(CatenaError, match="tokenize must be one of"):
        chat.evaluate(DIALOGUES, tokenize="no such")


def test_what_is_loaded_replies_as_what_was_saved(chat, tmp_path):
    chat.save(tmp_path / "m")
    again = load(tmp_path / "m")
    assert isinstance(again, Chat)
    assert again.replies([turns[:1] for turns in DIALOGUES], seed=5) == chat.replies(
        [turns[:1] for turns in DIALOGUES], seed=5
    )
    assert (again.context_, again.longest_) == (chat.context_, chat.longest_)
    assert again.get_params(deep=False) == chat.get_params(deep=False)
    again.save(tmp_path / "n")
    assert read_facts(tmp_path / "m") == read_facts(tmp_path / "n")
    assert repr(clone(again)) == repr(again)
    with pytest.raises(CatenaError, match="task 'chat', not 'translate'"):
        translate.load(tmp_path / "m")
    Generator(Markov()).fit(["ab"]).save(tmp_path / "g")
    with pytest.raises(CatenaError, match="task 'generate', not 'chat'"):
        chatting.load(tmp_path / "g")


def test_what_was_not_the_default_is_loaded_too(tmp_path):
    options = {
        "decoder": LSTM(units=4, embedding=3),
        "looking": Looking("additive", feeding=True),
        "smoothing": 0.2,
        "unit": "bpe",
        "vocabulary": 40,
        "minimum": 2,
        "scheduled": ScheduledSampling(0.5),
        "learner": Gradient(epochs=1),
        "seed": 3,
    }
    pairs = [turns[:2] for turns in DIALOGUES]
    made = Chat(GRU(units=4, embedding=3), context=5, **options).fit(pairs)
    given = made.translator_.get_params(deep=False)
    assert {name: given[name] for name in options} == options
    made.save(tmp_path / "m")
    again = load(tmp_path / "m")
    assert (again.context, again.context_) == (5, 1)
    assert {name: getattr(again, name) for name in options} == options


def test_held_out_dialogues_are_measured_and_a_stopped_run_goes_on(tmp_path):
    def fit(**options):
        learner = Gradient(epochs=4, rate=0.02, batch=4, span=16)
        return Chat(GRU(units=4), unit="word", learner=learner).fit(DIALOGUES, **options)

    path, seen = tmp_path / "c", []

    def stop(progress):
        seen.append(progress)
        if len(seen) == 3:
            raise KeyboardInterrupt

    whole = fit()
    with (
        patch.object(Checkpoint, "due", property(lambda self: True)),
        pytest.raises(KeyboardInterrupt),
    ):
        fit(checkpoint=path, report=stop)
    assert path.exists()
    told = []
    again = fit(checkpoint=path, resume=True, report=told.append)
    assert told[0].done > seen[0].done
    assert again.score(DIALOGUES).tolist() == whole.score(DIALOGUES).tolist()
    told.clear()
    fit(valid=DIALOGUES[:1], report=told.append)
    assert any(progress.valid is not None for progress in told)


def test_it_is_a_translator_of_pairs():
    learner, rung = Gradient(epochs=2), GRU(units=4)
    chat = Chat(rung, unit="word", learner=learner).fit(DIALOGUES)
    options = {"unit": "word", "smoothing": 0.0, "joint": True, "learner": learner}
    translator = Translator(rung, **options).fit(chat.pairs(DIALOGUES))
    one, other = translator.model_.state_dict(), chat.translator_.model_.state_dict()
    assert all(one[name].equal(other[name]) for name in other)


def test_what_is_no_dialogue_is_refused(chat):
    quick = Chat(GRU(units=4), unit="word", learner=Gradient(epochs=1))
    for nothing in ([], [["a"]], [[], ["b"]]):
        with pytest.raises(CatenaError, match="nothing to learn from"):
            quick.fit(nothing)
    with pytest.raises(CatenaError, match="dialogue 2 is one text"):
        quick.fit([["a", "b"], "a b"])
    with pytest.raises(CatenaError, match="not one text"):
        quick.fit("a b")
    with pytest.raises(CatenaError, match="dialogue 1, turn 2 is 3, not a text"):
        quick.fit([["a", 3]])  # type: ignore[list-item]
    with pytest.raises(CatenaError, match="dialogue 1, turn 2 is empty"):
        quick.fit([["a", " "]])
    with pytest.raises(CatenaError, match="context must be"):
        Chat(GRU(units=4), context=0).fit(DIALOGUES)
    with pytest.raises(CatenaError, match="not fitted yet"):
        quick.reply(["a"])
    with pytest.raises(CatenaError, match="history 1 has no turn to answer"):
        chat.reply([])
    with pytest.raises(CatenaError, match="is one text"):
        chat.reply("hello")
