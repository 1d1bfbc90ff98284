"""Recommenders: small sessions computed by hand, cold items, streams and files."""

import math

import numpy as np
import pytest
import torch

from catena import (
    GRU,
    HMM,
    LSTM,
    RNN,
    BPRMax,
    CatenaError,
    CrossEntropy,
    Gradient,
    Markov,
    Popularity,
    Recommender,
    Sequences,
    SessionKNN,
    SessionPopularity,
    Symbols,
    TOP1Max,
    Window,
    load,
)
from catena.learn.next_item import ScoresByTable
from catena.metrics import RankTally
from catena.tasks import ranker

# Seven items; a (4), b (3), c (3) are the popular ones.
SESSIONS = [list("abc"), list("ab"), list("cd"), list("aeb"), list("acf"), list("gd")]
QUICK = Gradient(epochs=2, batch=4, span=4)
COUNTED = [Popularity(), SessionPopularity(), SessionKNN(), Markov(order=1), Markov(order=2)]
NEURAL = [Window(width=2, units=8), RNN(units=8), GRU(units=8, tied=True), LSTM(units=8)]


def fitted(model, **options):
    return Recommender(model, **options).fit(SESSIONS)


def neural(model, loss=None):
    return fitted(model, loss=loss, learner=QUICK)


@pytest.fixture(scope="module")
def everyone():
    small = CrossEntropy(samples=6)
    return [*map(fitted, [*COUNTED, HMM(states=2)]), *(neural(model, small) for model in NEURAL)]


# -- each model, by hand -----------------------------------------------------------------------


def test_popularity_by_hand():
    model = fitted(Popularity())
    assert model.recommend(["x"], k=3) == [("a", 4.0), ("b", 3.0), ("c", 3.0)]
    assert model.recommend(["a"], k=2, exclude_seen=True) == [("b", 3.0), ("c", 3.0)]


def test_session_popularity_by_hand():
    model = fitted(SessionPopularity())
    shown = model.recommend(list("dgd"), k=4)
    assert [item for item, _ in shown] == ["d", "g", "a", "b"]
    assert [score for _, score in shown] == pytest.approx([2 + 2 / 5, 1 + 1 / 5, 4 / 5, 3 / 5])


def test_item_to_item_by_hand():
    model = fitted(Markov(order=1, smoothing="none"))
    # a was followed by b twice, by e and by c once.
    assert model.recommend(["a"], k=9) == [
        ("b", pytest.approx(0.5)), ("c", pytest.approx(0.25)), ("e", pytest.approx(0.25)),
        *[(item, 0.0) for item in "adfg"],
    ]  # fmt: skip


def similarities(session, neighbours, recent):
    """The definition of session-kNN as a plain loop."""
    given, near = set(session), []
    sharing = [i for i, held in enumerate(SESSIONS) if given & set(held)][-recent:]
    for i in sharing:
        held = set(SESSIONS[i])
        near.append((len(given & held) / math.sqrt(len(given) * len(held)), i))
    scores = dict.fromkeys("abcdefg", 0.0)
    for similarity, i in sorted(near, reverse=True)[:neighbours]:
        for item in set(SESSIONS[i]):
            scores[item] += similarity
    return scores


@pytest.mark.parametrize("session", ["a", "ab", "aab", "cd", "g", "bf"])
@pytest.mark.parametrize(("neighbours", "recent"), [(100, 1000), (2, 1000), (2, 2), (1, 3)])
def test_nearest_sessions_are_the_definition(session, neighbours, recent):
    model = fitted(SessionKNN(neighbours=neighbours, recent=recent))
    wanted = similarities(session, neighbours, recent)
    assert dict(model.recommend(list(session), k=7)) == pytest.approx(wanted)


@pytest.mark.parametrize("loss", [None, CrossEntropy(samples=0), BPRMax(4), TOP1Max(4)], ids=repr)
def test_a_network_learns_what_follows_what(loss):
    circle = [[(start + step) % 6 for step in range(4)] for start in range(6)] * 2
    learner = Gradient(epochs=30, batch=4, span=4, optimizer="adagrad", rate=0.2, momentum=0.2)
    model = Recommender(GRU(units=16), loss=loss, learner=learner).fit(circle)
    found = model.evaluate(circle, (1,))
    assert found.recall[1] > 0.95
    assert found.predictions == 12 * 3


# -- what holds for all ------------------------------------------------------------------------


def test_evaluating_is_recommending_at_every_step(everyone):
    held_out = [list("abca"), list("c"), list("gd"), [], list("aXb"), list("Xcd"), ["X", "Y"]]
    for model in everyone:
        hits, reciprocal, seen = 0, 0.0, 0
        for session in held_out:
            for step in range(1, len(session)):
                scores = dict(model.recommend(session[:step], k=7))
                seen += 1
                if (own := scores.get(session[step])) is not None:
                    rank = sum(score >= own for score in scores.values())
                    hits += rank <= 3
                    reciprocal += (rank <= 3) / rank
        found = model.evaluate(held_out, (3,))
        assert (found.sessions, found.short, found.cold) == (7, 2, 2)
        assert found.predictions == seen == 9
        assert found.recall[3] == pytest.approx(hits / seen)
        assert found.mrr[3] == pytest.approx(reciprocal / seen, abs=1e-6)


def test_the_last_item_alone_is_that_prediction_of_all(everyone):
    for model in everyone:
        pairs = model.evaluate([list("ab"), list("cd")])
        alone = model.evaluate([list("ab"), list("cd"), ["a"]], last_only=True)
        assert (alone.recall, alone.predictions) == (pairs.recall, 2)
        whole, rest = model.evaluate([list("aXcb")]), model.evaluate([list("aXc")])
        last = model.evaluate([list("aXcb")], last_only=True)
        assert (last.predictions, rest.predictions, whole.predictions) == (1, 2, 3)
        assert 3 * whole.mrr[20] == pytest.approx(2 * rest.mrr[20] + last.mrr[20])


def test_a_table_that_has_changed_is_made_ready_again():
    torch.manual_seed(0)
    space = Symbols(tuple(range(2000)), unknown="error", end=False)
    model = GRU(units=8).build(space).eval()
    assert isinstance(model.head, ScoresByTable)
    found = ranker.StateRanker(model, 2000)
    for _ in range(2):
        running = found.running()
        running.push(5)
        (scores,) = found.scores(Sequences.from_list([[5]]), torch.tensor([0]))
        assert running.best(3)[0].tolist() == scores[0].topk(3).indices.tolist()
        with torch.no_grad():
            model.head.table[0].neg_()


def test_more_than_there_is_and_nothing_that_is_left(everyone):
    for model in everyone:
        assert len(model.recommend(["a"], k=100)) == 7
        rest = model.recommend(list("abab"), k=100, exclude_seen=True)
        assert {item for item, _ in rest} == set("cdefg")
        assert model.recommend(list("abcdefg"), k=3, exclude_seen=True) == []
        for k in (0, -1, 1.5, True):
            with pytest.raises(CatenaError, match=f"k must be a whole number from 1 up, not {k}"):
                model.recommend(["a"], k=k)


def test_blocks_of_scores_change_nothing(everyone, monkeypatch):
    wanted = [model.evaluate(SESSIONS) for model in everyone]
    monkeypatch.setattr(ranker, "BLOCK", 15)
    monkeypatch.setattr(ranker, "PIECE", 5)
    for model, before in zip(everyone, wanted, strict=True):
        monkeypatch.setattr(model, "_ranker", model._ranker_of(model.model_))
        after = model.evaluate(SESSIONS)
        assert after.recall == before.recall
        assert after.mrr == pytest.approx(before.mrr)
        assert after.coverage == before.coverage


def test_a_million_items_are_ranked_in_blocks():
    items = 1_000_000
    space = Symbols(tuple(range(items)), unknown="error", end=False)
    torch.manual_seed(0)
    model = GRU(units=2, embedding=1).build(space)
    sessions = Sequences.from_list([[step, step + 1, step + 2] for step in range(4)])
    tally, found = RankTally(torch.ones(items), (20,)), []
    for block in ranker.StateRanker(model, items).scores(sessions, torch.arange(12)):
        assert block.numel() <= ranker.BLOCK
        tally.add(block, torch.arange(len(block)))
        found.append(len(block))
    assert sum(found) == tally.result().predictions == 12


def test_a_stream_says_what_the_whole_session_does(everyone):
    for model in everyone:
        running = model.stream()
        assert running.recommend(2) == [("a", 4.0), ("b", 3.0)]
        for step, item in enumerate(session := ["c", "X", "a", "b"]):
            assert running.push(item) is (item != "X")
            wanted = model.recommend(session[: step + 1], k=3, exclude_seen=True)
            shown = running.recommend(3, exclude_seen=True)
            assert [item for item, _ in shown] == [item for item, _ in wanted]
            assert [s for _, s in shown] == pytest.approx([s for _, s in wanted], abs=1e-5)
            assert not {item for item, _ in shown} & set(session[: step + 1])
        assert running.unknown == 1


def test_a_file_keeps_all(everyone, tmp_path):
    for place, model in enumerate(everyone):
        path = tmp_path / f"{place}.safetensors"
        model.save(path)
        back = load(path)
        assert isinstance(back, Recommender)
        assert repr(back.set_params(learner=None)) == repr(
            Recommender(model.model, loss=model.loss)
        )
        assert back.recommend(["a", "c"], k=7) == model.recommend(["a", "c"], k=7)
        assert back.evaluate(SESSIONS) == model.evaluate(SESSIONS)


def test_a_file_of_another_task_and_a_damaged_one(tmp_path):
    from catena import Generator
    from catena.tasks import recommend

    path = tmp_path / "model.safetensors"
    Generator(Markov(order=1)).fit(["ab"]).save(path)
    with pytest.raises(CatenaError, match="a model for the task 'generate', not 'recommend'"):
        recommend.load(path)
    fitted(SessionKNN()).save(path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(CatenaError, match="damaged or cut short"):
        load(path)


def test_a_seed_is_the_whole_of_chance_and_a_run_goes_on(tmp_path):
    once, again = (neural(GRU(units=8), BPRMax(4)) for _ in range(2))
    assert once.recommend(["a"], k=7) == again.recommend(["a"], k=7)
    other = Recommender(GRU(units=8), loss=BPRMax(4), learner=QUICK, seed=1).fit(SESSIONS)
    assert other.recommend(["a"], k=7) != once.recommend(["a"], k=7)


def test_items_have_neighbours():
    model = neural(GRU(units=8))
    vectors = model.item_vectors()
    assert vectors.shape == (7, 8)
    a, b = (vectors[model.space_.items.index(item)] for item in "ab")
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    near = model.neighbours("a", k=7)
    assert dict(near)["b"] == pytest.approx(float(cosine), abs=1e-5)
    assert "a" not in dict(near)
    assert [s for _, s in near] == sorted((s for _, s in near), reverse=True)
    with pytest.raises(CatenaError, match="'X' was not seen in training"):
        model.neighbours("X")
    with pytest.raises(CatenaError, match="no vectors of items"):
        fitted(SessionKNN()).neighbours("a")


def test_a_hidden_markov_model_recommends_too():
    model = Recommender(HMM(states=2)).fit(SESSIONS)
    assert sum(score for _, score in model.recommend(["a"], k=7)) == pytest.approx(1)


def test_whole_numbers_arrays_and_a_minimum():
    sessions = [np.array([5, 9, 5]), torch.tensor([9, 5]), [5, np.int64(7), 9]]
    model = Recommender(Popularity(), minimum=2).fit(sessions)
    assert model.recommend(np.array([7]), k=5) == [(5, 4.0), (9, 3.0)]


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sessions", "message"),
    [
        ("abc", "list of lists of items, not 'abc'"),
        (["abc"], "session 1: a session is a list of items, not 'abc'"),
        ([["a", None]], "session 1: item 2 of a session is None"),
        ([["a"], ["b", 2.5]], "session 2: item 2 of a session is 2.5"),
        ([], "the vocabulary is empty"),
        ([["a"], ["b"]], "no session has two items"),
    ],
)
def test_what_is_no_session_is_named(sessions, message):
    with pytest.raises(CatenaError, match=message):
        Recommender(Markov(order=1)).fit(sessions)


def test_one_click_sessions_are_enough_for_popularity():
    assert Recommender(Popularity()).fit([["a"], ["b"], ["a"]]).recommend([], 1) == [("a", 2.0)]


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(CatenaError, match="has no use for BPRMax"):
        fitted(Markov(order=1), loss=BPRMax())
    with pytest.raises(CatenaError, match="leave the learner out"):
        fitted(Popularity(), learner=Gradient())
    with pytest.raises(CatenaError, match="not by gradient"):
        fitted(HMM(states=2), learner=Gradient())
    with pytest.raises(CatenaError, match="not fitted yet"):
        Recommender(Popularity()).recommend([])
    model = fitted(Popularity())
    with pytest.raises(CatenaError, match="k must be a whole number"):
        model.recommend(["a"], k=0)
    with pytest.raises(CatenaError, match="wrap one item in a list"):
        model.recommend("a")


def test_ranks_are_those_of_the_predictions_in_their_order(everyone):
    held_out = [list("abec"), list("zab"), ["d"], list("bza"), list("fcab")]
    for model in everyone:
        found, ranks = model.ranked(held_out)
        each = [model.ranked([session])[1].tolist() for session in held_out]
        assert ranks.tolist() == pytest.approx([rank for own in each for rank in own])
        assert found.predictions == len(ranks) == 10
        assert ranks.isinf().nonzero().tolist() == [[5]]
        assert found.mrr[20] == pytest.approx(float((1 / ranks).mean()))
