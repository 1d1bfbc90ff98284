"""What every test shares: one thread, the same hypothesis draws on every run, and processes that
begin at once."""

import gc
import multiprocessing
import os
import signal
import sys
import warnings

import pytest
import torch
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "house",
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    max_examples=int(os.environ.get("CATENA_EXAMPLES", "4")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("house")
torch.set_num_threads(1)


def pytest_collection_finish():
    """Thousands of tests are held to the end: the garbage collector need not walk them."""
    gc.collect()
    gc.freeze()


class Apart:
    """A function at work in a process of its own; `ended` is its exit status, output and errors."""

    def __init__(self, folder, run, arguments):
        self._told = folder / "out", folder / "err"
        forking = multiprocessing.get_context("fork")
        self._process = forking.Process(target=self._run, args=(run, arguments), daemon=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This process")  # ... is multi-threaded
            self._process.start()

    def _run(self, run, arguments):
        signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
        for number, path in enumerate(self._told, 1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        sys.exit(run(*arguments))

    @property
    def runs(self):
        return self._process.is_alive()

    def send_signal(self, number):
        os.kill(self._process.pid, number)

    def ended(self):
        self._process.join(120)
        self._process.kill()
        return self._process.exitcode, *(path.read_text() for path in self._told)


@pytest.fixture
def apart(tmp_path_factory):
    """Start a function in a process of its own: a copy of this one, which imports nothing again."""
    if not hasattr(os, "fork"):
        pytest.skip("needs processes that are copies of this one")

    def start(run, *arguments):
        return Apart(tmp_path_factory.mktemp("apart"), run, arguments)

    return start
