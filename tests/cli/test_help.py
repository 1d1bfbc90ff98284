"""The help is quick, and shows how."""

import re
import subprocess
import sys

import pytest

from catena import __version__

COMMANDS = [
    "compare", "fit", "evaluate", "tag", "classify", "translate", "align", "chat", "caption",
    "compose", "recommend", "generate", "next", "surprise", "average",
    "info",
]  # fmt: skip
HEAVY = ("torch", "numpy", "scipy", "pyarrow", "matplotlib", "rich", "safetensors")


def test_the_help_of_the_program_lists_the_commands(catena):
    result = catena("--help")
    assert (result.status, result.err) == (0, "")
    listed = re.findall(r"^  ([a-z]+)  +[A-Z]", result.out, re.MULTILINE)
    assert listed == COMMANDS
    assert "..." not in result.out.split("Commands:")[1]


def test_no_command_is_an_error_that_shows_the_help(catena):
    result = catena()
    assert (result.status, result.out) == (2, "")
    assert result.err == catena("--help").out


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("width", [80, 120])
def test_the_help_of_every_command_has_an_example(catena, monkeypatch, command, width):
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", width)
    result = catena(command, "--help")
    assert (result.status, result.err) == (0, "")
    assert re.search(rf"^ +catena {command} \S", result.out, re.MULTILINE)
    assert max(map(len, result.out.splitlines())) <= width
    example = next(line for line in result.out.splitlines() if f" catena {command} " in line)
    assert len(example.rstrip()) <= 80


def test_the_version(catena):
    assert catena("--version").out == f"catena {__version__}\n"


def test_help_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "catena.cli.main", "--help"],
        capture_output=True,
        text=True,
    )
    imported = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert not {name for name in imported if name.split(".")[0] in HEAVY}


def test_help_reads_little():
    """What the help needs is read on every call, so it is counted."""
    counted = (
        "import runpy, sys; sys.argv = ['catena', '--help']\n"
        "try: runpy.run_module('catena.cli.main', run_name='__main__')\n"
        "except SystemExit: print(len(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", counted], capture_output=True, text=True)
    assert int(done.stdout.splitlines()[-1]) < 250
