"""What the documents promise: commands run and print what is shown, links lead somewhere, and
every public name is described.

A block marked ```console is a session: its commands run in order, in a folder of the document's
own, and what they print is compared with what is shown (`...` stands for anything). A comment
`<!-- file: NAME -->` before a block puts that block into the folder as a file.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib.util
import inspect
import io
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

import catena
from catena.cli.main import app, main
from catena.comparing import generating, labelled, verdict

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
WITH_COMMANDS = [path for path in DOCUMENTS if "```console" in path.read_text("utf-8")]
BAR = "━"

# Commands that are not run here, each with the reason; their options are still checked.
MINUTES = "trains for minutes"
NOT_RUN = {
    "catena compare shakespeare --report report.html": MINUTES,
    "catena compare visits.csv --group-by user --order-by time --item page": MINUTES,
    "catena compare train.tsv --task classify --test test.tsv": MINUTES,
    "catena compare train.conll --task tag --models majority,hmm,crf": "needs those sentences",
    "catena fit shakespeare --model lstm --minutes 5 -o lstm.safetensors": MINUTES,
    "catena fit shakespeare --model lstm --minutes 5 -o lstm.safetensors --resume": MINUTES,
    "catena fit italian.txt german.txt --task classify --label-by file --model lstm "
    "-o names.safetensors": "needs those files",
    "catena fit recordings/*/*.csv --task classify --label-by folder --model gru "
    "-o motions.safetensors": "needs those files",
    "catena fit train.tsv --valid valid.tsv --task caption --model lstm --picture-size 64 "
    "-o captioner.safetensors": "needs those pictures",
    "catena fit train.npy train.txt --task caption --model lstm -o captioner.safetensors": (
        "needs those features"
    ),
    "catena caption captioner.safetensors holiday/*.jpg": "needs that model",
    "catena caption captioner.safetensors dog.png --picture looked.svg": "needs that model",
    "catena evaluate captioner.safetensors test.tsv --beam 8 --json": "needs that model",
    'catena generate lstm.safetensors --prompt "ROMEO:" -n 3 --temperature 0.8': "needs that model",
    "catena fit clicks.csv --valid later.csv --task recommend --model gru --units 100 --embedding "
    "100 --tied --dropout 0.3 --embedding-dropout 0.2 --epochs 3 -o shop.safetensors": (
        "needs that log"
    ),
    "catena recommend shop.safetensors today.csv -k 20 --exclude-seen": "needs that model",
    "catena recommend shop.safetensors lines.txt --json": "needs that model",
    "catena evaluate shop.safetensors later.csv --cutoffs 5,20 --json": "needs that model",
    "catena compare clicks.csv --task recommend --models popularity,session-knn,markov,gru "
    "--report report.html": "needs that log",
    "catena fit chorales/ --valid held-out/ --task compose --form frames --transpose 5 --model "
    "lstm --units 256 -o chorales.safetensors": "needs those files",
}


@dataclass(frozen=True)
class Step:
    """A command of a session and what the document says it prints."""

    command: str
    shown: str


def blocks(text: str, mark: str) -> list[str]:
    """The contents of the fenced blocks of this kind."""
    return re.findall(rf"^```{mark}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def files(text: str) -> dict[str, str]:
    """The files that the document writes out, by name."""
    found = re.findall(r"^<!-- file: (\S+) -->\n```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return dict(found)


def session(text: str) -> list[Step]:
    """The commands of all blocks, in order."""
    steps: list[Step] = []
    for block in blocks(text, "console"):
        parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
        for part in parts[1:]:
            command, _, shown = part.replace("\\\n", "").partition("\n")
            steps.append(Step(" ".join(command.split()), shown))
    return steps


def run(command: str) -> tuple[int, str]:
    """The exit status of a command and what a person sees, progress bars left out."""
    given = b""
    if " | " in command:
        feeder, command = command.split(" | ", 1)
        given = subprocess.run(["bash", "-c", feeder], capture_output=True, check=True).stdout
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(given), "utf-8")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(shlex.split(command)[1:])
    finally:
        sys.stdin = before
    out.seek(0)
    told = [line for line in err.getvalue().splitlines() if BAR not in line]
    return status, out.read() + "\n".join(told)


def agrees(shown: str, printed: str) -> bool:
    """Whether the document shows what was printed, up to white space and `...`."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(shown.strip(), printed.strip(), flags)


def check_options(command: str) -> None:
    """Raises where a command has an option that there is not."""
    _, name, *arguments = shlex.split(command)
    group = typer.main.get_command(app)
    group.commands[name].make_context(name, arguments)  # type: ignore[attr-defined]


@pytest.mark.parametrize("document", WITH_COMMANDS, ids=lambda path: path.name)
def test_commands_print_what_is_shown(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    text, status = document.read_text("utf-8"), 0
    for name, content in files(text).items():
        Path(name).write_text(content, "utf-8")
    for step in session(text):
        if step.command == "echo $?":
            assert step.shown.strip() == str(status), f"{document.name}: the status of the last"
            status = 0
            continue
        assert status == 0, f"{document.name}: the command before {step.command} failed"
        if step.command in NOT_RUN:
            check_options(step.command)
            continue
        assert "catena" in step.command, f"{document.name}: {step.command} is not catena's"
        status, printed = run(step.command)
        assert agrees(step.shown, printed), (
            f"{document.name}: $ {step.command}\nshows\n{step.shown}\nbut prints\n{printed}"
        )
    assert status == 0, f"{document.name}: the last command failed"


def test_what_is_not_run_is_shown_somewhere():
    shown = {step.command for path in WITH_COMMANDS for step in session(path.read_text("utf-8"))}
    assert set(NOT_RUN) <= shown


def test_an_option_that_there_is_not_is_noticed():
    with pytest.raises(Exception, match="No such option"):
        check_options("catena compare tang --no-such-thing")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    text = document.read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        name, _, heading = target.partition("#")
        path = document.parent / name if name else document
        assert path.exists(), f"{document.name}: {target} leads nowhere"
        if heading:
            assert heading in headings(path), f"{document.name}: no heading for {target}"


def headings(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_verdict_is_described_by_its_own_constants():
    told = " ".join((ROOT / "docs" / "compare.md").read_text("utf-8").split())
    assert f"fitted in at most {verdict.CHEAPER} of its time" in told
    assert f"the cheapest within {generating.CLOSE} bits" in told
    assert f"within {labelled.CLOSE} of" in told


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = {
        t for p in DOCUMENTS for t in re.findall(r"(?:^|`)make (\w+)", p.read_text("utf-8"), re.M)
    }
    assert {"demo", "test"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"no make {target}"


@pytest.mark.parametrize("name", catena.__all__)
def test_public_names_are_described(name):
    thing = getattr(catena, name)
    if inspect.isclass(thing) or callable(thing):
        own = thing.__dict__.get("__doc__") if inspect.isclass(thing) else thing.__doc__
        assert own, f"{name} has no docstring"
    mentions = re.compile(rf"\b{name}\b")
    assert any(mentions.search(path.read_text("utf-8")) for path in DOCUMENTS), (
        f"no document mentions {name}"
    )


@pytest.mark.parametrize("example", sorted(ROOT.glob("examples/*.py")), ids=lambda p: p.name)
def test_examples_run(example, capsys):
    spec = importlib.util.spec_from_file_location(example.stem, example)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.__doc__
    if example.name == "shakespeare.py":  # trains for a minute: it need only be importable
        return
    module.main()
    assert capsys.readouterr().out
