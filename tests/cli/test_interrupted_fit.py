"""A fit that was stopped, by Ctrl-C or by force, ends once resumed like one that was not."""

import signal

import pytest

from catena import container, load
from catena.cli.main import main

LONG = {
    "gru": ["--model", "gru", "--units", "8", "--layers", "2", "--dropout", "0.3",
            "--batch", "2", "--epochs", "15", "--seed", "3"],
    "hmm": ["--model", "hmm", "--states", "8", "--iterations", "60", "--restarts", "3",
            "--tolerance", "0", "--seed", "3"],
}  # fmt: skip


@pytest.fixture(scope="session")
def whole(here):
    """The files of fits that nobody stopped, by kind of model."""
    made = {kind: here / f"whole-{kind}.safetensors" for kind in LONG}
    for kind, output in made.items():
        assert main(["fit", str(here / "lines.txt"), *LONG[kind], "-o", str(output)]) == 0
    return made


def same(one, other):
    a, b = load(one).model_.state_dict(), load(other).model_.state_dict()
    return a.keys() == b.keys() and all(container.same(a[name], b[name]) for name in a)


@pytest.mark.parametrize("kind", LONG)
def test_ctrl_c_keeps_the_work_and_says_how_to_go_on(catena, here, tmp_path, stopped, whole, kind):
    output = tmp_path / "m.safetensors"
    status, out, err = stopped(output, signal.SIGINT, here / "lines.txt", *LONG[kind])
    assert (status, out) == (130, "")
    told = f"catena: stopped; the work so far is in {output}.checkpoint: "
    assert err.splitlines()[-1] == told + "run the same command with --resume"
    result = catena("fit", here / "lines.txt", *LONG[kind], "-o", output, "--resume")
    assert (result.status, "beginning anew" in result.err) == (0, False)
    assert same(output, whole[kind])
    assert not output.with_name(output.name + ".checkpoint").exists()


@pytest.mark.parametrize("kind", LONG)
def test_a_killed_fit_resumes(catena, here, tmp_path, stopped, whole, kind):
    output = tmp_path / "m.safetensors"
    given = here / "lines.txt", *LONG[kind]
    assert stopped(output, signal.SIGKILL, *given, pause=0.05)[0] == -signal.SIGKILL
    result = catena("fit", here / "lines.txt", *LONG[kind], "-o", output, "--resume")
    assert (result.status, "beginning anew" in result.err) == (0, False)
    assert same(output, whole[kind])


def test_nothing_to_resume_is_said(catena, here, tmp_path, model):
    output = tmp_path / "m.safetensors"
    quick = ["--model", "rnn", "--units", "4", "--epochs", "1"]
    result = catena("fit", here / "lines.txt", *quick, "-o", output, "--resume")
    assert result.status == 0
    assert f"{output}.checkpoint: there is nothing to resume; beginning anew" in result.err
    assert same(output, model("rnn"))


def test_unfinished_work_that_is_not_resumed_is_said(catena, here, tmp_path, model):
    output = tmp_path / "m.safetensors"
    unfinished = output.with_name(output.name + ".checkpoint")
    unfinished.write_text("some earlier work")
    quick = ["--model", "rnn", "--units", "4", "--epochs", "1"]
    result = catena("fit", here / "lines.txt", *quick, "-o", output)
    assert f"{unfinished}: beginning anew; --resume goes on" in result.err
    assert same(output, model("rnn"))
    assert not unfinished.exists()


def test_a_checkpoint_of_another_job_is_refused(catena, refused, here, tmp_path, stopped):
    output = tmp_path / "m.safetensors"
    stopped(output, signal.SIGINT, here / "lines.txt", *LONG["gru"])
    before = output.with_name(output.name + ".checkpoint").read_bytes()
    for other in (["--epochs", "14"], ["--units", "9"], ["--dropout", "0.4"], ["--seed", "4"]):
        given = [*LONG["gru"], *other, "-o", output, "--resume"]
        result = catena("fit", here / "lines.txt", *given)
        assert (result.status, result.out) == (2, "")
        assert f"catena: {output}.checkpoint: belongs to a run with" in result.err
    assert output.with_name(output.name + ".checkpoint").read_bytes() == before
    assert f"{output}.checkpoint: a checkpoint" in refused("info", f"{output}.checkpoint")
