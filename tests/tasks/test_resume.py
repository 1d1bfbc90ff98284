"""A run that was stopped, by Ctrl-C or by force, ends like one that was not."""

import os
import random
import signal
import time
from functools import cache
from unittest.mock import patch

import pytest
import torch

from catena import GRU, LSTM, CatenaError, Gradient, Sequences, Symbols, container
from catena.learn import Interrupted, Run
from catena.learn.checkpoint import Checkpoint

# One job, named by its parts, so that the child process and the test build the same one.
JOBS = {
    "short-adamw": ("short", {"optimizer": "adamw", "average": 0.9}),
    "short-sgd": ("short", {"optimizer": "sgd", "rate": 0.1}),
    "long-adamw": ("long", {"optimizer": "adamw"}),
    "long-sgd-average": ("long", {"optimizer": "sgd", "average": 0.95, "rate": 0.1}),
}


def job(name):
    """Model, learner, training data and held-out data."""
    kind, options = JOBS[name]
    generator = torch.Generator().manual_seed(0)
    lengths = [int(n) for n in torch.randint(0, 15, (30,), generator=generator)]
    lengths = lengths if kind == "short" else [250, 40]
    values = torch.randint(1, 4, (sum(lengths),), generator=generator)
    train = Sequences(values, torch.tensor(lengths))
    space = Symbols(("⟨unk⟩", "a", "b", "c"), end=kind == "short")
    torch.manual_seed(5)
    model = LSTM(units=4, layers=2, dropout=0.4, tied=kind == "long").build(space)
    how = Gradient(epochs=3, batch=3, span=8, evaluations=6, patience=None, **options)
    return model, how, train, train[:1] if kind == "short" else train[1:]


def learn(name, checkpoint=None, resume=False):
    model, how, train, valid = job(name)
    history = how.fit(model, train, valid, Run(seed=3, checkpoint=checkpoint, resume=resume))
    return model, history


@cache
def whole(name):
    """The run that nothing stopped."""
    return learn(name)


def same(a, b):
    mine, theirs = a.state_dict(), b.state_dict()
    return all(container.same(mine[key], theirs[key]) for key in theirs)


def rows(history):
    """What was measured, without how long it took."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows]


class CutError(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.parametrize("name", JOBS)
def test_cut_off_after_any_save_it_ends_the_same(name, tmp_path):
    """Saved after every step, cut off at random steps, again and again, until it is through."""
    wanted, history = whole(name)
    path, chance, save = tmp_path / "c", random.Random(name), Checkpoint.save
    left, cuts = [0], 0

    def cutting(self, *rest):
        save(self, *rest)
        left[0] -= 1
        if left[0] < 0:
            raise CutError

    with (
        patch.object(Checkpoint, "due", True),
        patch.object(Checkpoint, "save", cutting),
        patch("os.fsync"),
    ):
        while True:
            left[0] = chance.randint(0, 9)
            try:
                found, resumed = learn(name, path, resume=True)
                break
            except CutError:
                cuts += 1
    assert cuts >= 3
    assert same(found, wanted)
    assert rows(resumed) == rows(history)
    assert (resumed.notes, resumed.epochs) == (history.notes, history.epochs)


KILLED = ("short-adamw", "long-sgd-average")


def learn_both(folder):
    """Save after every step, and go on where there is something to go on from."""
    os.fsync = lambda descriptor: None  # it guards against power cuts, not against being killed
    Checkpoint.__init__.__defaults__ = (0.0,)
    for name in KILLED:
        model, _ = learn(name, folder / name, resume=True)
        torch.save(model.state_dict(), folder / f"{name}.done")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_at_any_moment_it_ends_the_same(tmp_path, apart):
    for name, wait in zip(KILLED, (0.013, 0.021), strict=True):
        process = apart(learn_both, tmp_path)
        while not (tmp_path / name).exists() and process.runs:
            time.sleep(0.002)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        assert process.ended()[0] == -signal.SIGKILL
        container.read(tmp_path / name)  # whole, whenever it was killed
    status, _, err = apart(learn_both, tmp_path).ended()
    assert status == 0, err
    for name in KILLED:
        found = torch.load(tmp_path / f"{name}.done", weights_only=True)
        wanted, _ = whole(name)
        assert all(container.same(found[key], value) for key, value in wanted.state_dict().items())


@pytest.mark.parametrize("name", ["short-adamw", "long-adamw"])
@pytest.mark.parametrize("step", [1, 20])
def test_ctrl_c_finishes_the_step_and_saves(name, step, tmp_path):
    wanted, _ = whole(name)
    path, before, calls = tmp_path / "c", signal.getsignal(signal.SIGINT), [0]
    clip = torch.nn.utils.clip_grad_norm_

    def interrupting(parameters, norm):
        calls[0] += 1
        if calls[0] == step:
            signal.raise_signal(signal.SIGINT)
        return clip(parameters, norm)

    with (
        patch("torch.nn.utils.clip_grad_norm_", interrupting),
        pytest.raises(Interrupted) as caught,
    ):
        learn(name, path)
    assert caught.value.checkpoint == path
    assert calls[0] == step
    assert signal.getsignal(signal.SIGINT) is before
    found, _ = learn(name, path, resume=True)
    assert same(found, wanted)


def test_ctrl_c_without_a_checkpoint_keeps_nothing():
    def report(progress):
        signal.raise_signal(signal.SIGINT)

    model, how, train, valid = job("short-sgd")
    with pytest.raises(Interrupted) as caught:
        how.fit(model, train, valid, Run(report=report))
    assert caught.value.checkpoint is None


def test_a_second_ctrl_c_stops_at_once():
    def report(progress):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    model, how, train, valid = job("short-sgd")
    # A run in the background inherits an ignored Ctrl-C.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as caught:
        how.fit(model, train, valid, Run(report=report))
    assert not isinstance(caught.value, Interrupted)
    assert signal.getsignal(signal.SIGINT) is before
    signal.signal(signal.SIGINT, inherited)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    path = tmp_path / "c"
    with patch.object(Checkpoint, "due", True), patch("os.fsync"):
        learn("short-adamw", path)
    model, how, train, valid = job("short-adamw")
    run = Run(seed=3, checkpoint=path, resume=True)
    others = [
        (model, how, train, valid, Run(seed=4, checkpoint=path, resume=True)),
        (model, how, train[:-1], valid, run),
        (model, how, train, None, run),
        (model, Gradient(epochs=6), train, valid, run),
        (GRU(units=4).build(model.space), how, train, valid, run),
        (LSTM(units=5, layers=2).build(model.space), how, train, valid, run),
    ]
    for other, learner, data, held_out, circumstances in others:
        with pytest.raises(CatenaError, match="another model, other options or other data"):
            learner.fit(other, data, held_out, circumstances)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "c"
    with patch.object(Checkpoint, "due", True), patch("os.fsync"):
        learn("short-adamw", path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CatenaError, match="damaged or cut short"):
        learn("short-adamw", path, resume=True)


@pytest.mark.parametrize("name", ["short-adamw", "long-sgd-average"])
def test_what_was_done_when_it_was_cut_off_learns_no_more(name, tmp_path):
    """Cut off after the save that follows the last update."""
    wanted, history = whole(name)
    path, save, last = tmp_path / "c", Checkpoint.save, history.rows[-1]["step"]

    def cutting(self, tensors, facts):
        save(self, tensors, facts)
        if facts["place"]["step"] == last:
            raise CutError

    with (
        patch.object(Checkpoint, "due", True),
        patch.object(Checkpoint, "save", cutting),
        patch("os.fsync"),
        pytest.raises(CutError),
    ):
        learn(name, path)
    with patch("torch.Tensor.backward", side_effect=AssertionError("one more update")):
        found, resumed = learn(name, path, resume=True)
    assert same(found, wanted)
    assert rows(resumed) == rows(history)


def test_without_resume_it_starts_anew(tmp_path):
    wanted, _ = whole("short-adamw")
    path = tmp_path / "c"
    path.write_bytes(b"something else")
    found, _ = learn("short-adamw", path)
    assert same(found, wanted)
    nothing_there, _ = learn("short-adamw", tmp_path / "none", resume=True)
    assert same(nothing_there, wanted)


def test_saving_as_it_goes_changes_nothing(tmp_path):
    wanted, _ = whole("long-adamw")
    with patch.object(Checkpoint, "due", True), patch("os.fsync"):
        found, _ = learn("long-adamw", tmp_path / "c")
    assert same(found, wanted)
