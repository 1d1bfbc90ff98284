"""A source of 10,000 symbols: memory grows with its length and not with its square."""

import ctypes
from pathlib import Path

import pytest
import torch

from catena import GRU, Sequences, Symbols
from catena.search import Beam, beam
from catena.tasks.encoder_decoder import Looking, encoder_decoder

STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")
READ = Symbols(("⟨unk⟩", *"abcdefgh"))
SHORT, LONG = 2_500, 10_000
LOOKING = [{}, {"copy": True, "attention": "multi-head"}, {"feeding": True, "coverage": True}]


def resident(name):
    """Of this process, in MiB."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def cost(action):
    """Peak memory in MiB beyond what was there; the lesser of two runs."""
    runs = []
    for _ in range(2):
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what is free would be taken again, unseen
        REFERENCES.write_text("5")
        before = resident("VmRSS")
        action()
        runs.append(resident("VmHWM") - before)
    return min(runs)


@pytest.mark.skipif(not REFERENCES.exists(), reason="peak memory is read as Linux tells it")
@pytest.mark.parametrize("looking", LOOKING, ids=str)
def test_memory_grows_with_the_length_of_the_source(looking):
    torch.manual_seed(0)
    rung = GRU(units=32, embedding=8, bidirectional=True)
    decoder = GRU(units=32, embedding=8)
    model = encoder_decoder(rung, decoder, READ, READ, Looking(**looking))
    target = Sequences.from_list([torch.randint(1, 9, (24,))])

    def learn(source):
        model.train().log_prob(source, target).values.sum().backward()

    def translate(source):
        nothing = Sequences(torch.zeros(0, dtype=torch.int64), torch.zeros(1, dtype=torch.int64))
        with torch.no_grad():
            (found,) = beam(
                model.eval().given(source), nothing, Beam(3, min_length=24, max_length=24)
            )
        assert len(found[0].numbers) == 24

    for use in (learn, translate):
        costs = []
        for length in (SHORT, LONG):
            source = Sequences.from_list([torch.randint(1, 9, (length,))])
            costs.append(cost(lambda source=source, use=use: use(source)))
        memory, more = costs
        # Four times the length is four times the memory; sixteen times if anything were quadratic.
        assert more < 6 * memory + 4, f"{use.__name__}: {memory:.0f} MiB, then {more:.0f}"
