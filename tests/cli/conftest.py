"""The program called in this process, tiny data, and one small model of each kind."""

import io
import random
import time
from dataclasses import dataclass

import numpy as np
import pytest
from tiny import LINES, TINY

from catena.cli.main import main
from catena.learn.checkpoint import Checkpoint


@dataclass
class Result:
    """What a command answered."""

    status: int
    out: str
    err: str


@pytest.fixture
def catena(capsys, monkeypatch):
    """Call the program; `stdin` is what stands on its standard input."""

    def call(*arguments, stdin=None):
        if stdin is not None:
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Result(status, *capsys.readouterr())

    return call


@pytest.fixture
def refused(catena, tmp_path):
    """Call the program, which must refuse in one line and write nothing; that line."""

    def call(*arguments, stdin=None):
        before = sorted(tmp_path.rglob("*"))
        result = catena(*arguments, stdin=stdin)
        assert (result.status, result.out) == (2, "")
        assert result.err.startswith("catena: ")
        assert result.err.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before
        return result.err

    return call


def fit_and_save(given):
    """Checkpoints come every few seconds; here at every chance, to have one to go on from."""
    Checkpoint.__init__.__defaults__ = (0.0,)
    return main(["fit", *map(str, given)])


@pytest.fixture
def stopped(apart):
    """Fit in another process and stop it by a signal once there is a checkpoint."""

    def stop(output, number, *given, pause=0.0):
        process = apart(fit_and_save, [*given, "-o", output])
        checkpoint = output.with_name(output.name + ".checkpoint")
        while not checkpoint.exists() and process.runs:
            time.sleep(0.001)
        time.sleep(pause)
        process.send_signal(number)
        status, out, err = process.ended()
        assert checkpoint.exists(), err
        assert not output.exists()
        return status, out, err

    return stop


@pytest.fixture(scope="session")
def here(tmp_path_factory):
    """A folder of small data files."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "lines.txt").write_text("\n".join(LINES * 8) + "\n")
    visits = [
        f"{user},{time},{'abc'[(user + time) % 3]}" for time in (2, 1, 3) for user in range(30)
    ]
    (folder / "visits.csv").write_text("user,time,page\n" + "\n".join(visits) + "\n")
    draw = random.Random(1)
    numbers = [f"{draw.gauss(0, 1):.4f},{draw.gauss(5, 2):.4f}" for _ in range(200)]
    (folder / "numbers.csv").write_text("a,b\n" + "\n".join(numbers) + "\n")
    chords = np.random.default_rng(0).integers(0, 2, (120, 3))
    np.save(folder / "chords.npy", chords.astype(np.float64))
    np.save(folder / "counts.npy", np.random.default_rng(0).poisson(3.0, (120, 2)).astype(float))
    return folder


@pytest.fixture(scope="session")
def model(here):
    """Model files by name, each learned when first asked for."""
    made = {}
    kinds = {
        **{kind: ["lines.txt", "--model", kind, *options] for kind, options in TINY.items()},
        "strict": ["lines.txt", "--model", "markov", "--order", "1", "--unknown", "error"],
        "stream": ["lines.txt", "--stream", "--unknown", "error", "--model", "markov"],
        "bytes": ["lines.txt", "--unit", "byte", "--model", "markov", "--order", "3"],
        "words": ["lines.txt", "--unit", "word", "--model", "markov", "--order", "1"],
        "items": ["visits.csv", "--group-by", "user", "--order-by", "time", "--item", "page",
                  "--model", "markov", "--order", "1"],
        "vectors": ["numbers.csv", "--model", "gru", *TINY["gru"]],
        "hmm-vectors": ["numbers.csv", "--model", "hmm", *TINY["hmm"]],
        "bits": ["chords.npy", "--space", "bits", "--model", "lstm", *TINY["lstm"]],
        "counts": ["counts.npy", "--space", "counts", "--model", "hmm", *TINY["hmm"]],
    }  # fmt: skip

    def find(name):
        if name not in made:
            made[name] = here / f"{name}.safetensors"
            data, *rest = kinds[name]
            assert main(["fit", str(here / data), *rest, "-o", str(made[name])]) == 0
        return made[name]

    return find
