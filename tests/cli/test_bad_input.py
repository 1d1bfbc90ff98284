"""What a user can put right is one line on standard error, status 2, and nothing written."""

import errno
import os
import resource
import signal
import struct
import subprocess
import sys

import pytest

from catena import container
from catena.cli.main import main
from catena.ladder import options

MARKOV = ["--model", "markov", "-o"]


@pytest.fixture
def fit(refused, tmp_path):
    """Fit, which must be refused; the line."""

    def call(*given, stdin=None):
        return refused("fit", *given, "-o", tmp_path / "out.safetensors", stdin=stdin)

    return call


# -- data ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "given", "told"),
    [
        ("empty.txt", b"", [], ["empty.txt", "empty"]),
        ("bad.txt", b"ok\nna\xefve\n", [], ["bad.txt", "line 2", "--encoding", "--errors"]),
        ("r.csv", b"a,b\n1,2\n3\n", [], ["r.csv", "line 3"]),
        ("n.csv", b"a,b\n1,2\n3,nan\n", ["--space", "vectors"], ["n.csv", "line 3"]),
        ("i.csv", b"a,b\n1,2\n3,inf\n", ["--space", "vectors"], ["i.csv", "line 3"]),
        ("x.csv", b"a\n1\n", ["--item", "b"], ["x.csv", "b"]),
    ],
)
def test_data_that_cannot_be_read(fit, tmp_path, name, content, given, told):
    (tmp_path / name).write_bytes(content)
    line = fit(tmp_path / name, "--model", "hmm", *given)
    assert all(part in line for part in told), line


def test_a_missing_file(fit, refused, model, tmp_path):
    assert "nowhere.txt" in fit(tmp_path / "nowhere.txt", "--model", "markov")
    assert "nowhere.txt" in refused("evaluate", model("markov"), tmp_path / "nowhere.txt")
    assert "nowhere" in refused("info", tmp_path / "nowhere")
    assert "nowhere.txt" in refused("compare", tmp_path / "nowhere.txt")


def test_invalid_bytes_can_be_read_otherwise(catena, tmp_path):
    data, out = tmp_path / "bad.txt", tmp_path / "m"
    data.write_bytes(b"ok\nna\xefve\n" * 3)
    for given in (["--encoding", "latin-1"], ["--errors", "replace"]):
        assert catena("fit", data, *given, *MARKOV, out).status == 0


def test_empty_standard_input(fit):
    assert "standard input" in fit("-", "--model", "markov", stdin=b"")


def test_markov_needs_symbols(fit, here):
    line = fit(here / "numbers.csv", "--model", "markov")
    assert "Markov" in line
    assert "symbols" in line


def test_compare_without_a_rung_for_the_data(refused, here):
    line = refused("compare", here / "numbers.csv", "--models", "markov")
    assert "Markov" in line


def test_bits_that_are_not_bits(fit, here):
    line = fit(here / "numbers.csv", "--space", "bits", "--model", "hmm")
    assert "numbers.csv" in line
    assert "is not 0 or 1" in line


# -- symbols that training did not have ---------------------------------------------------------


def test_an_unseen_symbol_is_named_with_file_and_line(refused, model, here, tmp_path):
    data = tmp_path / "new.txt"
    data.write_text("hello\nwho is zoe\n")
    for command in ("evaluate", "surprise"):
        line = refused(command, model("strict"), here / "lines.txt", data)
        assert f"{data}, line 2, position 8: the symbol 'z'" in line


def test_in_a_stream_too(refused, model, tmp_path):
    data = tmp_path / "new.txt"
    data.write_text("hello\nwho is zoe\n")
    line = refused("evaluate", model("stream"), data)
    assert f"{data}, line 2: the symbol 'z'" in line


def test_an_unseen_symbol_of_held_out_data(fit, here, tmp_path):
    data = tmp_path / "held.txt"
    data.write_text("hello\nZ\n")
    line = fit(here / "lines.txt", "--unknown", "error", "--valid", data, "--model", "rnn")
    assert f"{data}, line 2, position 1: the symbol 'Z'" in line


def test_compare_names_the_line_that_its_parts_have_lost(refused, tmp_path):
    data = tmp_path / "rare.txt"
    data.write_text("".join(f"{'abc' * 3}{chr(0x4E00 + i)}\n" for i in range(30)))
    line = refused("compare", data, "--models", "markov", "--unknown", "error")
    assert f"{data}, line " in line
    number = int(line.split(", line ")[1].split(",")[0])
    assert repr(chr(0x4E00 + number - 1)) in line


@pytest.mark.parametrize(
    ("kind", "prompt"),
    [
        ("markov", "ZZZ"),
        ("strict", "helZo"),
        ("items", "nowhere"),
        ("items", "[[1]]"),
        ("vectors", "1, 2"),
        ("vectors", "[[1, 2, 3]]"),
        ("vectors", "[[1, NaN]]"),
        ("vectors", "[" * 100_000),
        ("vectors", "5"),
        ("bits", "[[0, 1, 0.5]]"),
    ],
)
def test_a_prompt_that_cannot_be_encoded(refused, model, kind, prompt):
    assert "prompt" in refused("generate", model(kind), "--prompt", prompt)


def test_next_needs_symbols(refused, model):
    assert "symbols" in refused("next", model("vectors"))


# -- options ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--model", "markov", "--order", "-1"], "order must be at least 0"),
        (["--model", "hmm", "--states", "0"], "states must be at least 1"),
        (["--model", "lstm", "--units", "0"], "units"),
        (["--model", "gru", "--layers", "0"], "layers"),
        (["--model", "window", "--width", "0"], "width"),
        (["--model", "rnn", "--dropout", "1"], "dropout"),
        (["--model", "rnn", "--minutes", "0"], "minutes"),
        (["--model", "rnn", "--epochs", "nan"], "epochs"),
        (["--model", "rnn", "--device", "abacus"], "abacus"),
        (["--model", "lstm", "--bidirectional"], "bidirectional"),
        (["--model", "crf"], "--model must be one of markov"),
        (["--model", "markov", "--task", "tag"], "--task"),
        (["--model", "markov", "--unit", "verse"], "--unit must be one of"),
        (["--model", "markov", "--encoding", "morse"], "--encoding"),
        (["--model", "markov", "--unknown", "shrug"], "unknown must be one of"),
        (["--model", "markov", "--minimum", "0"], "minimum"),
        (["--model", "markov", "--order", "two"], "--order"),
        (["--model", "markov", "--seed", "-1"], "--seed"),
        (["--model", "markov", "--frobnicate"], "--frobnicate"),
        ([], "--model"),
    ],
)
def test_options_out_of_range(fit, here, given, told):
    assert told in fit(here / "lines.txt", *given)


OTHERS = {
    "markov": ["--units=3", "--states=3", "--epochs=1", "--minutes=1", "--iterations=3"],
    "hmm": ["--order=3", "--units=3", "--epochs=1", "--start=zero", "--rate=1"],
    "window": ["--order=3", "--states=3", "--tied", "--restarts=2"],
    "lstm": ["--order=3", "--states=3", "--width=3", "--alpha=1", "--pseudocount=1"],
}


@pytest.mark.parametrize(("kind", "flag"), [(k, f) for k, flags in OTHERS.items() for f in flags])
def test_options_of_another_rung(fit, here, kind, flag):
    from catena import LADDER

    line = fit(here / "lines.txt", "--model", kind, flag)
    assert f"{flag.split('=')[0]} is not an option of {kind}" in line
    rung = next(rung for rung in LADDER if rung.kind == kind)
    assert all(f"--{name.replace('_', '-')}" in line for name in options(rung))


@pytest.mark.parametrize(
    "given",
    [
        ["generate", "-n", "-1"],
        ["generate", "--length", "-1"],
        ["generate", "--temperature", "-1"],
        ["generate", "--top-k", "0"],
        ["generate", "--top-p", "2"],
        ["generate", "--beam", "0"],
        ["next", "-k", "0"],
    ],
)
def test_what_cannot_be_drawn(refused, model, given):
    command, *rest = given
    refused(command, model("markov"), *rest)


def test_top_of_nothing(refused, model, here):
    assert "--top" in refused("surprise", model("markov"), here / "lines.txt", "--top", "0")


@pytest.mark.parametrize("given", [["--models", "markov,crf"], ["--minutes", "0"]])
def test_options_of_compare(refused, here, given):
    refused("compare", here / "lines.txt", *given)


def test_too_little_data_to_compare(refused, tmp_path):
    (tmp_path / "two.txt").write_text("a\nb\n")
    assert "cannot be cut" in refused("compare", tmp_path / "two.txt")


def test_a_command_that_there_is_not(refused):
    assert "No such command 'fly'" in refused("fly")


# -- models -------------------------------------------------------------------------------------


def test_other_data_than_the_model_was_trained_on(refused, model, here):
    refused("evaluate", model("vectors"), here / "lines.txt")
    refused("evaluate", model("markov"), here / "numbers.csv")
    refused("evaluate", model("vectors"), here / "chords.npy")
    line = refused("evaluate", model("markov"), here / "lines.txt", "--unit", "byte")
    assert "--unit byte" in line
    refused("evaluate", model("items"), here / "lines.txt")


def _newer(path):
    tensors, facts = container.read(path)
    container.write(path, tensors, {**facts, "format": facts["format"] + 1})


def _another_task(path):
    tensors, facts = container.read(path)
    container.write(path, tensors, {**facts, "task": {**facts["task"], "kind": "tag"}})


def _cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def _headless(path):
    path.write_bytes(path.read_bytes()[:5])


def _text(path):
    path.write_text("To be, or not to be")


def _foreign(path):
    header = b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))


@pytest.mark.parametrize("spoil", [_newer, _another_task, _cut, _headless, _text, _foreign])
def test_a_file_that_is_no_model_of_ours(refused, model, tmp_path, spoil):
    path = tmp_path / "m.safetensors"
    path.write_bytes(model("markov").read_bytes())
    spoil(path)
    for command in (["info"], ["generate"], ["next"]):
        assert str(path) in refused(*command, path)


# -- where to write -----------------------------------------------------------------------------


def test_a_folder_that_is_not_there(refused, here, tmp_path):
    missing = tmp_path / "no" / "m.safetensors"
    assert str(missing.parent) in refused("fit", here / "lines.txt", *MARKOV, missing)
    assert str(missing.parent) in refused("compare", here / "lines.txt", "--report", missing)
    assert str(tmp_path) in refused("fit", here / "lines.txt", *MARKOV, tmp_path)


def test_a_full_disk_leaves_the_old_file_whole(catena, here, tmp_path, monkeypatch):
    output = tmp_path / "m.safetensors"
    catena("fit", here / "lines.txt", *MARKOV, output, "--order", "1")
    before = output.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    result = catena("fit", here / "lines.txt", *MARKOV, output, "--order", "2")
    assert result.status == 2
    assert f"catena: {output}: cannot be written: No space left on device" in result.err
    assert (output.read_bytes(), list(tmp_path.iterdir())) == (before, [output])


def fit_within(most, given):
    """Fit where no file may have more than so many bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    return main(["fit", *map(str, given)])


def test_a_file_that_may_not_grow_leaves_the_old_one_whole(here, tmp_path, apart):
    output = tmp_path / "m.safetensors"
    assert main(["fit", str(here / "lines.txt"), *MARKOV, str(output), "--order", "1"]) == 0
    before = output.read_bytes()
    status, _, err = apart(fit_within, 2000, [here / "lines.txt", *MARKOV, output]).ended()
    assert status == 2
    assert err.splitlines()[-1].startswith(f"catena: {output}: cannot be written: ")
    assert (output.read_bytes(), list(tmp_path.iterdir())) == (before, [output])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_result_that_cannot_be_written(model):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "catena.cli.main", "info", model("markov")],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr == "catena: the result cannot be written: No space left on device\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--acrostic", "hx"], "'x' holds a symbol that the model has not seen"),
        (["--scheme", "AB"], "--scheme needs --rhyme FILE"),
        (["--rhyme", "nowhere"], "nowhere: cannot be read"),
        (["--line-length", "5,x"], "--line-length must be a number, or numbers like 5,7,5"),
        (["--line-length", "0"], "at least 1"),
        (["--lines", "3", "--line-length", "5,7"], "2 lengths are given for 3 lines"),
        (["--contain", "he", "--forbid", "h"], "no sequence of this model's symbols"),
        (["--contain", "hello", "--length", "3"], "needs 5 symbols more"),
        (["--lines", "1", "--breaks", "o", "--prompt", "oh"], "prompt 1, symbol 1"),
    ],
)
def test_forms_that_cannot_be_kept_to_are_refused(refused, model, options, message):
    assert message in refused("generate", model("markov"), *options)


def test_a_form_needs_symbols(refused, model):
    assert "numeric" in refused("generate", model("vectors"), "--forbid", "1")
