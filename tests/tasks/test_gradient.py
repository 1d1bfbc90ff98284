"""The gradient learner: what it learns from, what it keeps, what it reports."""

import math
from collections import Counter
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catena import GRU, LSTM, CatenaError, Custom, Gradient, Sequences, Symbols, Vectors
from catena.emission import Categorical
from catena.learn import Progress, Run
from catena.learn.batches import Batches
from catena.learn.optimizer import optimizer_for
from catena.model import SequenceModel
from catena.recurrence import FromFunction

SPACE = Symbols(("⟨unk⟩", "a", "b", "c"))
STREAM = Symbols(("a", "b", "c"), unknown="error", end=False)


def sequences(lengths, seed=0, symbols=3):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(symbols, (sum(lengths),), generator=generator)
    return Sequences(values, torch.tensor(lengths, dtype=torch.int64))


def lstm(space=SPACE, **options):
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return LSTM(**{"units": 5, "layers": 2, "dropout": 0.3, **options}).build(space)


def fit(how, train, valid=None, space=SPACE, run=None, **options):
    model = lstm(space, **options)
    history = how.fit(model, train, valid, run or Run(seed=1))
    return model, history


def equal(a, b):
    mine, theirs = a.state_dict(), b.state_dict()
    return all(torch.equal(mine[name], theirs[name]) for name in mine)


SHORT = sequences([5, 0, 9, 3, 12, 1, 7, 7])
LONG = sequences([300])


# -- seeds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "adagrad"])
@pytest.mark.parametrize(
    ("train", "space"), [(SHORT, SPACE), (LONG, STREAM)], ids=["short", "long"]
)
def test_a_seed_is_the_whole_of_chance(train, space, optimizer):
    how = Gradient(epochs=1, batch=3, span=6, optimizer=optimizer, average=0.9)
    torch.manual_seed(123)
    before = torch.get_rng_state()
    once, _ = fit(how, train, space=space)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    again, _ = fit(how, train, space=space)
    assert equal(once, again)
    other, _ = fit(how, train, space=space, run=Run(seed=2))
    assert not equal(once, other)


# -- batches ----------------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=8),
    st.integers(1, 5),
    st.integers(1, 20),
    st.one_of(st.none(), st.integers(0, 99)),
)
@settings(max_examples=50)
def test_an_epoch_is_every_observation_once_and_every_end_once(lengths, rows, span, seed):
    data = Sequences(torch.arange(sum(lengths)), torch.tensor(lengths))
    batches = Batches(data, rows, span)
    order = None if seed is None else torch.Generator().manual_seed(seed)
    seen, ends, updates = Counter(), 0, 0
    found = batches.batches(order)
    for batch in found:
        before, going = None, None
        for number, piece in enumerate(batches.pieces(batch)):
            updates += 1
            assert piece.fresh == (number == 0)
            assert int(piece.sequences.lengths.max()) <= span
            # A row's next piece goes on where it stopped, so that the carried state is its own.
            for row, sequence in enumerate(piece.sequences):
                if number and len(sequence):
                    assert int(sequence[0]) == before[row] + 1
                    assert not going[row]
            before = [
                int(sequence[-1]) if len(sequence) else (before[row] if before else -1)
                for row, sequence in enumerate(piece.sequences)
            ]
            going = piece.ends.tolist()
            seen.update(piece.sequences.values.tolist())
            ends += int(piece.ends.sum())
    assert seen == Counter(range(sum(lengths)))
    assert ends == len(lengths)
    assert updates == batches.updates(found)


def test_rows_of_like_length_share_a_batch_within_its_budget():
    lengths = [1, 30] * 40
    batches = Batches(sequences(lengths), rows=4, span=10)
    for batch in batches.batches(torch.Generator().manual_seed(0)):
        costs = batch.lengths.clamp(1, 10)
        assert int(costs.sum()) <= 50 or len(costs) == 1
    spread = [float(b.lengths.double().std(correction=0)) for b in batches.batches(None)]
    assert sum(spread) / len(spread) < 1


def test_a_stream_becomes_rows_side_by_side():
    batches = Batches(sequences([100_000]), rows=32, span=32)
    (batch,) = batches.batches(torch.Generator().manual_seed(0))
    assert len(batch.lengths) == 33  # one more, where the first cut was drawn
    assert batches.updates([batch]) == 98


class Steps(torch.nn.Module):
    """Shows how many observations its row has seen; learns nothing of use."""

    def __init__(self, inputs):
        super().__init__()
        self.seen = []
        self.scale = torch.nn.Parameter(torch.zeros(1))

    def start(self, batch):
        return (torch.zeros(batch, dtype=torch.int64), torch.full((batch,), -1))

    def step(self, state, x):
        count, last = state
        position = x[:, 0].round().long()
        self.seen.extend(zip(count.tolist(), last.tolist(), position.tolist(), strict=True))
        return (count + 1, position)

    def read(self, state):
        return self.scale * state[0][:, None].float()


def test_the_carried_state_belongs_to_its_row():
    """Each row counts on across spans, and finds before it what really stood before it."""
    data = Sequences(torch.arange(200.0).double()[:, None], torch.tensor([150, 0, 47, 3]))
    model = Custom(Steps).build(Vectors(1))
    Gradient(epochs=1, batch=3, span=7, rate=1e-9).fit(model, data, None, Run())
    seen = model.recurrence.seen
    assert sorted(position for *_, position in seen) == list(range(200))
    assert all(last == position - 1 for count, last, position in seen if count)
    starts = [position for count, _, position in seen if not count]
    assert {0, 150, 197} <= set(starts)
    assert len(starts) <= 3 + 4
    assert max(count for count, *_ in seen) >= 47 - 1


def test_with_a_span_as_long_as_the_sequence_the_gradient_is_whole():
    data = sequences([17], seed=3)
    full = lstm(dropout=0.0).train()
    full.score(data).log_prob.values.mean().neg().backward()
    wanted = {name: p.grad for name, p in full.named_parameters()}

    def grads(span):
        model, caught = lstm(dropout=0.0), []
        step = torch.optim.SGD.step

        def spy(optimizer, *rest):
            pulled = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
            caught.append({n: gradient.clone() for n, gradient in pulled.items()})
            return step(optimizer, *rest)

        with patch.object(torch.optim.SGD, "step", spy):
            how = Gradient(epochs=1, batch=1, span=span, optimizer="sgd", clip=0, rate=1e-12)
            how.fit(model, data, None, Run())
        return caught

    for span in (17, 40):
        (found,) = grads(span)
        for name, gradient in wanted.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-6, atol=1e-7)
    cut = grads(5)
    assert len(cut) == 4
    assert any(not torch.allclose(sum(g[n] for g in cut if n in g), wanted[n]) for n in wanted)


def test_spans_carry_the_state_forward():
    """Scoring what a long row is worth span by span, the state carried, is scoring it whole."""
    train, valid, model = sequences([40], seed=4), sequences([28], seed=5), lstm(dropout=0.0).eval()
    wanted = [-float(model.log_prob(data).values.double().mean()) for data in (train, valid)]
    how = Gradient(epochs=1, batch=1, span=7, rate=1e-12, evaluations=1)
    row = how.fit(model, train, valid, Run()).rows[-1]
    assert [row["train"], row["valid"]] == pytest.approx(wanted, abs=1e-6)


# -- what is kept -----------------------------------------------------------------------------


def test_it_learns():
    train = Sequences(torch.tensor([1, 2, 3] * 40), torch.tensor([30, 30, 60]))
    how = Gradient(epochs=40, batch=2, span=30, rate=0.05)
    model, history = fit(how, train, train, dropout=0.0, layers=1, units=8)
    # What is left is when the sequence ends and that it began: of log 5 a symbol, a tenth.
    assert min(row["valid"] for row in history.rows) < 0.2
    assert float(-model.log_prob(train).values.mean()) < 0.2


def test_early_stopping_keeps_the_best():
    train, valid = sequences([20, 30], seed=1), sequences([25], seed=99)
    how = Gradient(epochs=200, batch=2, span=8, rate=0.05, evaluations=50, patience=2)
    model, history = fit(how, train, valid, dropout=0.0)
    losses = [row["valid"] for row in history.rows]
    best = losses.index(min(losses))
    assert len(losses) == best + 3
    assert any("stopped early" in note for note in history.notes)
    assert float(-model.log_prob(valid).values.double().mean()) == pytest.approx(
        min(losses), abs=1e-6
    )
    assert not model.training
    _, whole = fit(Gradient(epochs=20, batch=2, evaluations=8, patience=None), train, valid)
    assert len(whole.rows) == 8


def test_without_held_out_data_nothing_is_validated():
    _, history = fit(Gradient(epochs=2, batch=2), SHORT)
    assert all("valid" not in row for row in history.rows)
    assert history.epochs == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize("tied", [False, True])
def test_the_average_is_an_average(tied):
    """Against a moving average that is kept by hand, all parameters included."""
    model = lstm(tied=tied, dropout=0.0)
    wanted = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimise = torch.optim.AdamW.step
    steps = 0

    def spy(optimizer, *rest):
        nonlocal steps
        done = optimise(optimizer, *rest)
        steps += 1
        weight = 1 - min(0.8, (1 + steps) / (10 + steps))
        for name, p in model.named_parameters():
            wanted[name] += weight * (p.detach() - wanted[name])
        return done

    with patch.object(torch.optim.AdamW, "step", spy):
        Gradient(epochs=8, batch=2, average=0.8, rate=0.05).fit(model, SHORT, None, Run())
    kept = dict(model.named_parameters())
    assert steps > 3
    for name, value in wanted.items():
        torch.testing.assert_close(kept[name], value, rtol=1e-5, atol=1e-6)


def test_an_initial_state_that_is_not_learned_stays():
    model, _ = fit(Gradient(epochs=2, batch=2, average=0.9), SHORT, start="zero")
    assert not any(bool(layer.initial.any()) for layer in model.recurrence.layers)
    learned, _ = fit(Gradient(epochs=2, batch=2), SHORT)
    assert all(bool(layer.initial.all()) for layer in learned.recurrence.layers)


def test_the_norm_of_an_update_is_clipped():
    before, batch = lstm(dropout=0.0), sequences([6, 6], seed=2)
    options = {"epochs": 1, "batch": 4, "optimizer": "sgd", "rate": 1.0, "warmup": 0}
    moved = {}
    for clip in (1e-3, 0.0):
        how = Gradient(**options, clip=clip, schedule="constant", weight_decay=0.0)
        after, _ = fit(how, batch, dropout=0.0)
        pairs = zip(after.parameters(), before.parameters(), strict=True)
        with torch.no_grad():
            moved[clip] = math.sqrt(sum(float((a - b).square().sum()) for a, b in pairs))
    assert moved[1e-3] == pytest.approx(1e-3, rel=1e-3)
    assert moved[0.0] > 0.1


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "adagrad"])
def test_only_weights_decay(optimizer):
    model = lstm()
    found = optimizer_for(model, optimizer, None, 0.5, 0.9)
    names = {parameter: name for name, parameter in model.named_parameters()}
    decayed = {names[p]: g["weight_decay"] for g in found.param_groups for p in g["params"]}
    layers = [f"recurrence.layers.{depth}" for depth in (0, 1)]
    weights = [f"{layer}.weight_{end}" for layer in layers for end in ("ih", "hh")]
    others = [f"{layer}.{name}" for layer in layers for name in ("bias_ih", "bias_hh", "initial")]
    assert decayed == {
        **dict.fromkeys([*weights, "embed.table", "head.linear.weight"], 0.5),
        **dict.fromkeys([*others, "head.linear.bias"], 0.0),
    }


def test_sgd_has_momentum():
    assert optimizer_for(lstm(), "sgd", None, 0.0, 0.9).param_groups[0]["momentum"] == 0.9


# -- what is reported -------------------------------------------------------------------------


@pytest.mark.parametrize("valid", [None, SHORT], ids=["train", "valid"])
def test_a_loss_that_is_not_a_number_is_reported(valid):
    model = lstm()
    with torch.no_grad():
        next(iter(model.head.parameters())).fill_(float("nan"))
    with pytest.raises(CatenaError, match=r"loss is nan at step 1; lower --rate or --clip"):
        Gradient(epochs=1).fit(model, SHORT, valid, Run())


def test_an_explosion_is_reported():
    how = Gradient(epochs=200, batch=2, optimizer="sgd", rate=1e30, clip=0, warmup=0)
    with pytest.raises(CatenaError, match="loss"):
        fit(how, SHORT, None, dropout=0.0)


def test_progress_only_goes_forward():
    told: list[Progress] = []
    with patch("time.monotonic", side_effect=iter(x * 0.3 for x in range(10**6))):
        fit(Gradient(epochs=2, batch=2), SHORT, SHORT, run=Run(report=told.append))
    shares = [progress.done for progress in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all(0 <= share <= 1 for share in shares)
    assert told[-1].valid is not None


def test_a_time_budget_becomes_a_plan_and_is_kept():
    now = [0.0]

    def clock():
        now[0] += 0.01
        return now[0]

    with patch("time.monotonic", clock):
        how = Gradient(minutes=0.04, batch=2, patience=None, evaluations=3)
        _, history = fit(how, SHORT, SHORT)
    assert 0.6 * 2.4 < history.seconds < 1.15 * 2.4
    assert [row["step"] for row in history.rows][-1] > 20
    assert len(history.rows) in (3, 4)


def test_epochs_limit_a_time_budget():
    with patch("time.monotonic", side_effect=iter(x * 0.01 for x in range(10**7))):
        _, history = fit(Gradient(minutes=0.1, epochs=15, batch=2), SHORT)
    assert history.epochs == pytest.approx(15, rel=0.1)  # epochs differ by an update
    assert history.seconds < 6


def test_epochs_that_end_before_the_measurement_are_kept():
    train = sequences([5] * 10)
    with patch("time.monotonic", side_effect=iter(x * 0.0001 for x in range(10**7))):
        _, history = fit(Gradient(epochs=1, minutes=0.5, batch=2), train, SHORT)
    assert history.epochs == pytest.approx(1)
    assert [row["step"] for row in history.rows] == [len(Batches(train, 2, 64).batches(None))]
    assert "valid" in history.rows[0]


def test_a_plan_measures_five_updates():
    """Only the first measured update is slow: a plan made of it alone would be far too short."""
    steps, now, update = [0], [0.0], torch.optim.AdamW.step

    def slow(*rest):
        steps[0] += 1
        now[0] += 5.0 if steps[0] == 4 else 0.1
        return update(*rest)

    with (
        patch("time.monotonic", lambda: now[0]),
        patch.object(torch.optim.AdamW, "step", slow),
    ):
        fit(Gradient(minutes=1, batch=2), SHORT)
    # 5.7 s for 8 updates, then 54.3 s at 1.08 s each.
    assert steps[0] == 8 + 50


def test_a_run_that_outlasts_its_budget_is_stopped_and_says_so():
    steps, now, update = [0], [0.0], torch.optim.AdamW.step

    def slow(*rest):
        steps[0] += 1
        now[0] += 0.1 if steps[0] < 20 else 10.0
        return update(*rest)

    with (
        patch("time.monotonic", lambda: now[0]),
        patch.object(torch.optim.AdamW, "step", slow),
    ):
        _, history = fit(Gradient(minutes=1, batch=2), SHORT)
    assert history.notes == ["stopped: out of time, before the plan was done"]
    assert history.seconds < 60 * 1.15 + 10.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be above 0"),
        ({"minutes": -1}, "minutes"),
        ({"rate": 0}, "rate"),
        ({"batch": 0}, "batch"),
        ({"span": 0}, "span"),
        ({"average": 1.0}, "average"),
        ({"optimizer": "adam"}, "optimizer must be one of adamw, sgd, adagrad"),
        ({"schedule": "step"}, "schedule"),
        ({"precision": "float16"}, "precision"),
        ({"patience": 0}, "patience"),
        ({"clip": -1}, "clip"),
        ({"evaluations": 0}, "evaluations"),
        ({"batch": 2.5}, "batch must be a whole number, not 2.5"),
        ({"span": "64"}, "span must be a whole number, not '64'"),
        ({"evaluations": True}, "evaluations must be a whole number, not True"),
        ({"warmup": 0.1}, "warmup must be a whole number"),
        ({"patience": 1.5}, "patience must be a whole number"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(CatenaError, match=message):
        Gradient(**options)


def test_nothing_to_learn_and_nothing_to_learn_with():
    empty = sequences([])
    with pytest.raises(CatenaError, match="no sequences"):
        fit(Gradient(), empty)
    with pytest.raises(CatenaError, match="all sequences are empty"):
        fit(Gradient(), sequences([0, 0]), space=STREAM)
    fit(Gradient(epochs=1), sequences([0, 0]))  # only ends: legal
    fit(Gradient(epochs=1), SHORT, empty)  # nothing held out
    fixed = Custom(lambda n: FromFunction(lambda s, x, theta: (x,), [n])).build(SPACE)
    for parameter in fixed.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(CatenaError, match="no parameters"):
        Gradient(epochs=1).fit(fixed, SHORT, None, Run())
    with pytest.raises(CatenaError, match="device 'abacus' cannot be used"):
        fit(Gradient(epochs=1, device="abacus"), SHORT)


def test_bfloat16_stays_close_to_float32():
    how = {"epochs": 3, "batch": 2, "rate": 0.01}
    _, full = fit(Gradient(**how, precision="float32"), SHORT, SHORT, dropout=0.0)
    _, half = fit(Gradient(**how, precision="bfloat16"), SHORT, SHORT, dropout=0.0)
    assert half.rows[-1]["valid"] == pytest.approx(full.rows[-1]["valid"], rel=0.02)


def test_any_model_with_parameters_can_be_learned():
    class Table(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.logits = torch.nn.Parameter(torch.zeros(4, 4))
            self.emission = Categorical(4)

        def distribution(self, features):
            return self.emission.distribution(self.logits[features])

        def log_prob(self, features, x):
            return self.emission.log_prob(self.logits[features], x)

    def last(s, x, theta):
        return (x,)

    model = SequenceModel(STREAM, lambda x: x, _Last(), Table())
    data = Sequences(torch.tensor([0, 1] * 30), torch.tensor([60]))
    Gradient(epochs=60, rate=0.3, span=20).fit(model, data, None, Run())
    assert float(model.next((torch.tensor([0]),)).probs[0, 1].detach()) > 0.9


class _Last:
    """The last symbol, by a class that is no module."""

    def start(self, batch):
        return (torch.full((batch,), 3),)

    def step(self, state, x):
        return (x,)

    def read(self, state):
        return state[0]


def test_gru_on_vectors_learns_what_comes_next():
    x = torch.arange(120.0)
    wave = torch.stack([torch.sin(x / 3), torch.cos(x / 3)], 1).double()
    data = Sequences(wave, torch.tensor([120]))
    torch.manual_seed(0)
    model = GRU(units=8).build(Vectors.learn(data))
    history = Gradient(epochs=60, batch=4, span=15, rate=0.02).fit(model, data, data, Run())
    assert history.rows[-1]["valid"] < history.rows[0]["valid"] - 0.5
