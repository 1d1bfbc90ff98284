"""Files that are damaged, foreign, newer or absurd, and disks that fill."""

import errno
import os
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import catena
from catena import (
    EM,
    GRU,
    HMM,
    LSTM,
    CatenaError,
    Custom,
    FromFunction,
    Generator,
    Gradient,
    Markov,
    Vectors,
    Window,
    container,
    load,
)
from catena.learn.checkpoint import Checkpoint
from catena.save import load_model

ONCE = Gradient(epochs=1, batch=2, span=8)
MODELS = {
    "markov": Generator(Markov(order=2)),
    "lstm": Generator(LSTM(units=3, layers=2, tied=True), learner=ONCE),
    "window": Generator(Window(width=2, units=3, embedding=2), learner=ONCE),
    "hmm": Generator(HMM(states=2), learner=EM(restarts=1, iterations=2)),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, model in MODELS.items():
        model.fit(["abab", "ba", ""]).save(folder / name)
    vectors = Generator(GRU(units=3), learner=ONCE).fit([[0.5, 1.5], [2.5]])
    vectors.save(folder / "vectors")
    return folder


def rewritten(path, target, change):
    """A copy whose facts were changed, sealed again as whoever means harm would seal it."""
    tensors, facts = container.read(path)
    changed = change(facts)
    container.write(target, tensors, facts if changed is None else changed)
    return target


def python(script, *arguments):
    """Run a script in a process of its own, which finds this catena."""
    home = {**os.environ, "PYTHONPATH": str(Path(catena.__file__).parents[1])}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=home)


def refused(path, match=None, rung=None):
    with pytest.raises(CatenaError, match=match) as caught:
        load(path, rung)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message


# -- damage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_a_file_cut_short_anywhere_is_refused(files, tmp_path, name):
    content = (files / name).read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    regions = [0, 1, 7, 8, 9, 8 + size // 2, 7 + size, 8 + size, 9 + size]
    cuts = [*regions, *range(8 + size, len(content), max(1, (len(content) - size) // 9))]
    for cut in [*cuts, len(content) - 1]:
        (tmp_path / "cut").write_bytes(content[:cut])
        refused(tmp_path / "cut")
    (tmp_path / "long").write_bytes(content + b"\0")
    refused(tmp_path / "long")


def flipped(content, bit):
    """The same bytes but for one bit."""
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


@pytest.mark.parametrize("name", [*MODELS, "vectors"])
def test_a_model_with_one_bit_flipped_is_refused(files, tmp_path, name):
    content = (files / name).read_bytes()
    size = 8 * (8 + struct.unpack("<Q", content[:8])[0])
    generator = torch.Generator().manual_seed(1)
    header = torch.randint(64, size, (150,), generator=generator).tolist()
    tensors = torch.randint(size, 8 * len(content), (150,), generator=generator).tolist()
    for bit in [*range(64), *header, *tensors]:
        (tmp_path / "flipped").write_bytes(flipped(content, bit))
        refused(tmp_path / "flipped")


KINDS = [torch.float32, torch.bfloat16, torch.int64]


def test_no_bit_of_a_file_can_flip_unnoticed(tmp_path):
    tensors = {str(kind): torch.tensor([[1, 0], [2, 3]]).to(kind).T for kind in KINDS}
    tensors |= {"none": torch.zeros(0, 3), "one": torch.tensor(2.5), "bits": torch.ones(3) > 0}
    facts = {"items": ["é", '"', "\\"], "rate": 0.1}
    container.write(tmp_path / "whole", tensors, facts)
    back, told = container.read(tmp_path / "whole")
    assert told == facts
    assert back.keys() == tensors.keys()
    assert all(container.same(back[name], tensors[name]) for name in tensors)
    content = (tmp_path / "whole").read_bytes()
    for bit in range(8 * len(content)):
        (tmp_path / "flipped").write_bytes(flipped(content, bit))
        with pytest.raises(CatenaError):
            container.read(tmp_path / "flipped")


def test_what_is_not_there(tmp_path):
    refused(tmp_path / "nothing", "no such file")
    refused(tmp_path, "no such file")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04pickle", b"{}" * 50, b"\0" * 64])
def test_a_file_of_another_kind(tmp_path, content):
    (tmp_path / "foreign").write_bytes(content)
    refused(tmp_path / "foreign", "not a catena file")


def test_a_foreign_safetensors_file(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "foreign")
    refused(tmp_path / "foreign", "not one that catena wrote")
    save_file({"weight": torch.zeros(2)}, tmp_path / "foreign", {"catena": "{"})
    refused(tmp_path / "foreign", "not JSON")
    for text in ("[]", "3", "null", '"format"', "[" * 100_000):
        save_file({"weight": torch.zeros(2)}, tmp_path / "foreign", {"catena": text})
        refused(tmp_path / "foreign", "not a JSON object|not JSON")
    save_file({"weight": torch.zeros(2)}, tmp_path / "foreign", {"catena": "{}"})
    refused(tmp_path / "foreign", "incomplete")


def test_a_newer_format_asks_for_an_upgrade(files, tmp_path):
    for version in (2, 10**30):
        path = rewritten(
            files / "lstm", tmp_path / "newer", lambda f, v=version: f.update(format=v)
        )
        refused(path, "written by a newer catena.*upgrade")
    for version in (0, -1, None, "1", 1.5):
        path = rewritten(files / "lstm", tmp_path / "odd", lambda f, v=version: f.update(format=v))
        refused(path, "damaged")


def test_a_file_of_another_task(files, tmp_path):
    tag = "lacks 'function'"  # what the space of a tagger has and that of a text has not
    for kind, told in (("dance", "for the task 'dance', not"), ("tag", tag)):
        change = {"kind": kind}
        path = rewritten(
            files / "lstm", tmp_path / "m", lambda f, new=change: f["task"].update(new)
        )
        refused(path, told)


def test_a_checkpoint_is_not_a_model(tmp_path):
    Checkpoint(tmp_path / "c", {"learner": {}}).save({"x": torch.zeros(1)}, {})
    refused(tmp_path / "c", "a checkpoint of unfinished work, not a model")


def test_a_model_is_not_a_checkpoint(files):
    with pytest.raises(CatenaError, match="another model, other options or other data"):
        Checkpoint(files / "lstm", {"learner": {}}).load()


# -- absurd descriptions ----------------------------------------------------------------------

HUGE = 10**12
ABSURD = {
    "units": ("lstm", lambda f: f["rung"].update(units=HUGE)),
    "units-that-would-fit": ("lstm", lambda f: f["rung"].update(units=3000)),
    "layers": ("lstm", lambda f: f["rung"].update(layers=10**6)),
    "layers-window": ("window", lambda f: f["rung"].update(layers=10**6)),
    "width": ("window", lambda f: f["rung"].update(width=HUGE)),
    "embedding": ("lstm", lambda f: f["rung"].update(embedding=HUGE)),
    "order": ("markov", lambda f: f["rung"].update(order=10**6)),
    "order-that-would-fit": ("markov", lambda f: f["rung"].update(order=900)),
    "states": ("hmm", lambda f: f["rung"].update(states=HUGE)),
    "states-that-would-fit": ("hmm", lambda f: f["rung"].update(states=1000)),
    "vocabulary": ("lstm", lambda f: f["space"].update(items=[str(i) for i in range(100_000)])),
    "vocabulary-markov": ("hmm", lambda f: f["space"].update(items=["⟨unk⟩", *range(50_000)])),
    "dim": ("vectors", lambda f: f["space"].update(dim=HUGE)),
    "dim-and-nothing": ("vectors", lambda f: f["space"].update(dim=HUGE, shift=[], scale=[])),
    "dim-bits": ("vectors", lambda f: f.update(space={"kind": "bits", "dim": HUGE})),
    "dim-counts": (
        "vectors",
        lambda f: f.update(space={"kind": "counts", "dim": HUGE, "mean": []}),
    ),
    "dim-full": (
        "vectors",
        lambda f: (
            f["rung"].update(emission="full"),
            f["space"].update(dim=900, shift=[], scale=[]),
        ),
    ),
}


@pytest.mark.parametrize("name", ABSURD)
def test_an_absurd_size_is_refused_before_it_is_allocated(files, tmp_path, name):
    model, change = ABSURD[name]
    path = rewritten(files / model, tmp_path / "absurd", lambda f: change(f) and None)
    tracemalloc.start()
    try:
        refused(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * path.stat().st_size + 20_000_000


LIMITED = """
import resource, sys
from catena import CatenaError, load
from catena.ladder import LADDER
in_use = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + 200_000_000,) * 2)
for path in sys.argv[1:]:
    try:
        load(path)
    except CatenaError:
        continue
    sys.exit(path + " was loaded")
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_absurd_sizes_are_refused_within_200_megabytes(files, tmp_path):
    paths = [
        str(rewritten(files / model, tmp_path / name, lambda f, c=change: c(f) and None))
        for name, (model, change) in ABSURD.items()
    ]
    done = python(LIMITED, *paths)
    assert (done.returncode, done.stderr) == (0, "")


BROKEN = {
    "no-rung": lambda f: f.pop("rung") and None,
    "no-space": lambda f: f.pop("space") and None,
    "no-learner": lambda f: f.pop("learner") and None,
    "no-task": lambda f: f.pop("task") and None,
    "rung-list": lambda f: f.update(rung=[]),
    "task-list": lambda f: f.update(task=["generate"]),
    "learner-text": lambda f: f.update(learner="gradient"),
    "rung-kind": lambda f: f["rung"].update(kind="transformer"),
    "rung-kind-list": lambda f: f["rung"].update(kind=[]),
    "rung-option": lambda f: f["rung"].update(size=3),
    "units-text": lambda f: f["rung"].update(units="many"),
    "units-negative": lambda f: f["rung"].update(units=-3),
    "units-float": lambda f: f["rung"].update(units=1e18),
    "units-none": lambda f: f["rung"].update(units=None),
    "start": lambda f: f["rung"].update(start="warm"),
    "bidirectional": lambda f: f["rung"].update(bidirectional=True),
    "space-kind": lambda f: f["space"].update(kind="dreams"),
    "space-other": lambda f: f.update(space={"kind": "bits", "dim": 2}),
    "items-twice": lambda f: f["space"].update(items=["⟨unk⟩", "a", "a"]),
    "items-nested": lambda f: f["space"].update(items=[["a"], {}]),
    "items-number": lambda f: f["space"].update(items=3),
    "items-fewer": lambda f: f["space"].update(items=["⟨unk⟩", "a"]),
    "learner-kind": lambda f: f["learner"].update(kind="magic"),
    "learner-option": lambda f: f["learner"].update(speed=3),
    "learner-value": lambda f: f["learner"].update(epochs=-1),
    "task-unit": lambda f: f["task"].pop("unit") and None,
    "history": lambda f: f["task"].update(history=3),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_description_is_refused(files, tmp_path, name):
    refused(rewritten(files / "lstm", tmp_path / "broken", BROKEN[name]))


def test_tensors_that_do_not_fit_are_refused(files, tmp_path):
    tensors, facts = container.read(files / "lstm")
    some = next(name for name in tensors if "weight_hh" in name)
    for change, message in [
        ({some: None}, "missing"),
        ({some: torch.zeros(2, 2)}, "shape"),
        ({some: tensors[some].reshape(-1)}, "shape|size mismatch"),
        ({some: torch.zeros(500, 500)}, "size mismatch"),
        ({"extra": torch.zeros(1)}, "extra"),
    ]:
        changed = {n: t for n, t in {**tensors, **change}.items() if t is not None}
        container.write(tmp_path / "m", changed, facts)
        refused(tmp_path / "m", message)


def test_a_custom_rung_is_given_again(tmp_path):
    rung = Custom(lambda n: FromFunction(lambda s, x, theta: (x,), [n]), embedding=2)
    model = Generator(rung, learner=ONCE).fit(["ab"])
    model.save(tmp_path / "m")
    refused(tmp_path / "m", r"load\(path, rung=Custom")
    assert load(tmp_path / "m", rung).bits(["ab"]) == model.bits(["ab"])
    wider = Custom(lambda n: FromFunction(lambda s, x, theta: (x,), [n]), embedding=3)
    refused(tmp_path / "m", "shape", wider)


def test_loading_leaves_the_users_random_numbers_alone(files):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    load_model(files / "lstm")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_vocabulary_of_any_characters_survives(tmp_path):
    texts = ["床前明月光\U0001f600", 'a\ud800\x00"\\']
    model = Generator(Markov(order=1)).fit(texts)
    model.save(tmp_path / "m")
    assert load(tmp_path / "m").space_ == model.space_


def test_the_space_of_vectors_survives_to_the_last_bit(tmp_path):
    model = Generator(HMM(states=1), learner=EM(restarts=1, iterations=1)).fit([[0.1, 0.7], [1e9]])
    model.save(tmp_path / "m")
    back = load(tmp_path / "m")
    assert isinstance(back.space_, Vectors)
    assert back.space_ == model.space_


# -- writing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
def test_a_full_disk_leaves_the_old_file_whole(files, tmp_path, monkeypatch, call):
    model, path = load(files / "lstm"), tmp_path / "model"
    path.write_bytes((files / "markov").read_bytes())
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(CatenaError, match=r"No space left.*unharmed"):
        model.save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model"]


def save_within(most, model, path):
    """Save where no file may have more than so many bytes."""
    import resource  # Windows has none

    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    with pytest.raises(CatenaError, match="cannot be written: File too large"):
        model.save(path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_file_that_may_not_grow_leaves_the_old_one_whole(files, tmp_path, apart):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    status, _, err = apart(save_within, 1000, load(files / "lstm"), path).ended()
    assert status == 0, err
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model"]


def test_an_interruption_while_writing_leaves_no_litter(files, tmp_path, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        load(files / "lstm").save(tmp_path / "model")
    assert os.listdir(tmp_path) == []


def test_where_nothing_can_be_written(files, tmp_path):
    model = load(files / "lstm")
    with pytest.raises(CatenaError, match="No such file or directory"):
        model.save(tmp_path / "missing" / "model")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CatenaError, match="cannot be written: Is a directory"):
        model.save(tmp_path / "folder")
    assert os.listdir(tmp_path) == ["folder"]


def test_a_saved_file_has_the_users_usual_permissions(files, tmp_path):
    mask = os.umask(0o027)
    try:
        load(files / "lstm").save(tmp_path / "model")
    finally:
        os.umask(mask)
    assert (tmp_path / "model").stat().st_mode & 0o777 == 0o640


def test_bits_are_compared_with_nan_and_signs():
    nan = torch.tensor([float("nan"), -0.0])
    assert container.same(nan, nan.clone())
    assert not container.same(torch.tensor([0.0]), torch.tensor([-0.0]))
    assert not container.same(torch.tensor([0.0]), torch.tensor([0]))
    assert container.same(torch.tensor(3.0), torch.tensor(3.0))
    assert not container.same(torch.zeros(1, 2), torch.zeros(2))
    assert container.same(torch.zeros(0, 2), torch.zeros(0, 2))


@pytest.mark.parametrize(
    ("model", "option"), [("markov", "order"), ("lstm", "layers"), ("window", "layers")]
)
def test_no_more_layers_are_built_than_there_are_tensors(files, tmp_path, model, option):
    path = rewritten(files / model, tmp_path / "m", lambda f: f["rung"].update({option: 200}))
    refused(path, f"{option}=200 in a file")
