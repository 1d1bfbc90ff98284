"""`catena chat` and the other commands for models that converse."""

import json
from dataclasses import replace

import pytest

from catena import GRU, Chat, Gradient, load
from catena.cli.conversation import Transcript
from catena.formats import read_dialogues
from catena.search import Sampling
from catena.tasks.chat import Session
from catena.tasks.writing import beam_of

DIALOGUES = [["hello", "hi there", "who are you ?", "a robot"], ["bye", "see you"]]
TALK = "hello\nhi there\nwho are you ?\na robot\n\nbye\nsee you\n"


@pytest.fixture(scope="module")
def talker(tmp_path_factory):
    path = tmp_path_factory.mktemp("chat") / "m"
    learner = Gradient(epochs=40, rate=0.03, batch=4, span=16)
    Chat(GRU(units=16), unit="word", learner=learner).fit(DIALOGUES).save(path)
    return path


@pytest.fixture
def converse(talker, catena):
    def converse(said, *options):
        raw = said if isinstance(said, bytes) else said.encode()
        found = catena("chat", talker, *options, stdin=raw)
        return found.status, found.out, found.err

    return converse


def texts(path):
    return [[turn.text for turn in turns] for turns in read_dialogues(path).turns]


def test_every_line_gets_its_reply(converse):
    status, out, err = converse("hello\n\n who are  you ?\nbye", "--beam", 3)
    assert (status, err) == (0, "")
    assert out.splitlines()[:2] == ["hi there", "a robot"]
    assert len(out.splitlines()) == 3


def test_draws_follow_the_seed_and_the_options(converse):
    said = "hello\n" * 6
    wild = ("--temperature", 4, "--top-k", 20, "--top-p", 1)
    assert converse(said, *wild, "--seed", 1) == converse(said, *wild, "--seed", 1)
    assert converse(said, *wild, "--seed", 1) != converse(said, *wild, "--seed", 2)
    first = "hello\n/reset\n" * 3
    assert converse(first, "--temperature", 0)[1] == converse(first, "--beam", 1)[1]
    status, _, err = converse(said, "--beam", 3, "--top-k", 2)
    assert status == 2
    assert "--top-k is for drawing" in err
    assert converse(said, "--top-p", 7)[0] == 2


@pytest.mark.parametrize(
    ("given", "how"),
    [
        (("--temperature", 5), Sampling(5.0, top_p=0.9)),
        (("--temperature", 5, "--top-k", 2), Sampling(5.0, top_k=2, top_p=0.9)),
        (("--temperature", 5, "--top-p", 0.3), Sampling(5.0, top_p=0.3)),
        ((), Sampling(0.7, top_p=0.9)),
    ],
    ids=str,
)
def test_what_is_not_said_of_drawing_is_as_the_help_says(converse, talker, given, how):
    session = load(talker).session(how, seed=3)
    wanted = [session.say("hello") for _ in range(5)]
    assert converse("hello\n" * 5, *given, "--seed", 3)[1].splitlines() == wanted


def test_commands(converse, tmp_path):
    said = f"/what\n/save\n/undo\nhello\n/undo\nhello\nwho are you ?\n/save {tmp_path}/d d\n"
    status, out, err = converse(said + f"/save {tmp_path}/d d\n/help\n/quit\nhello\n", "--beam", 3)
    assert status == 0
    assert out.splitlines() == ["hi there", "hi there", "a robot"]
    assert texts(tmp_path / "d d") == [DIALOGUES[0]]
    lines = err.splitlines()
    assert lines[0] == "/what: no such command; /help lists them"
    assert lines[1].startswith("/save FILE needs a name")
    assert lines[2].startswith("wrote ")
    assert lines[3].endswith("there is such a file already; name another")
    assert lines[4].startswith("/reset")


def test_a_file_for_a_dialogue_may_be_at_home_and_must_have_a_folder(
    converse, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    status, _, err = converse("hello\n/save ~/no/d\n/save ~/d\n", "--beam", 3)
    assert status == 0
    assert texts(tmp_path / "d") == [DIALOGUES[0][:2]]
    assert f"{tmp_path / 'no'}: there is no such folder" in err.splitlines()[0]


def test_the_transcript_holds_whole_dialogues_and_is_only_added_to(converse, tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("was\nhere\n")
    said = "hello\nwho are you ?\n/undo\nwho are you ?\n/reset\nbye\n"
    assert converse(said, "--beam", 3, "--transcript", path)[0] == 0
    whole = DIALOGUES[0]
    assert texts(path) == [["was", "here"], whole, whole, DIALOGUES[1]]
    before = path.read_bytes()
    assert converse("bye\n", "--beam", 3, "--transcript", path)[0] == 0
    assert path.read_bytes() == before + b"\nbye\nsee you\n"


def test_a_transcript_that_cannot_be_written_ends_it_before_it_begins(converse, tmp_path):
    status, out, err = converse("hello\n", "--transcript", tmp_path / "no" / "t.txt")
    assert (status, out) == (2, "")
    assert "cannot be written" in err


def test_a_cut_off_last_line_stays_a_turn_of_its_own(tmp_path):
    path = tmp_path / "t"
    path.write_text("cut o")
    Transcript(path).add(["a", "b"])
    assert texts(path) == [["cut o"], ["a", "b"]]


def test_bytes_that_are_no_text_are_named_by_their_line(converse):
    status, out, err = converse(b"hello\n\xff\n", "--beam", 3)
    assert (status, out) == (2, "hi there\n")
    assert "standard input, line 2: not UTF-8" in err


def test_a_byte_order_mark_is_not_said(converse):
    assert converse(b"\xef\xbb\xbfhello\n", "--beam", 3) == (0, "hi there\n", "")


class Terminal:
    def isatty(self):
        return True


def test_in_a_terminal_the_end_and_ctrl_c_end_it_cleanly(talker, catena, monkeypatch):
    lines = ["hello", "half \udcff of it"]

    def typed(prompt):
        assert prompt == "> "
        if not lines:
            raise EOFError
        return lines.pop(0)

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("builtins.input", typed)
    found = catena("chat", talker, "--beam", 3)
    assert found.status == 0
    assert found.out.startswith("hi there\n")
    assert found.out.endswith("\n\n")
    assert "Ctrl-D" in found.err

    def stopped(self, text):
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "say", stopped)
    lines.append("hello")
    found = catena("chat", talker)
    assert (found.status, found.out) == (0, "\n")


def test_fit_evaluate_info_and_what_is_refused(catena, refused, tmp_path):
    data, path = tmp_path / "talk.txt", tmp_path / "m"
    data.write_text(TALK)
    fit = ["fit", data, "--task", "chat", "--model", "gru", "--units", 8, "-o", path]
    options = ["--unit", "word", "--context", 1, "--epochs", 2, "--valid", data]
    assert "context 1," in catena(*fit, *options).err
    pytest.importorskip("sacrebleu")
    found = json.loads(catena("evaluate", path, data, "--tokenize", "char", "--json").out)
    assert found["sentences"] == 4
    assert "tok:char" in found["signatures"]["bleu"]
    assert "replies" in catena("evaluate", path, data, "--beam", 2).out
    facts = json.loads(catena("info", path, "--json").out)
    assert (facts["task"], facts["context"], facts["unit"]) == ("chat", 1, "word")
    assert facts["longest"] == 4
    assert "--source is for --task translate" in refused(*fit, "--source", 1)
    assert "no turn answers another and is 'me'" in refused(*fit, "--speaker", "me")
    assert "context must be" in refused(*fit, "--context", 0)
    assert "not 'translate'" in refused("translate", path, stdin=b"a")
    data.write_text("a\n")
    assert str(data) in refused(*fit)


def test_evaluate_reads_and_searches_as_it_is_told(catena, refused, talker, tmp_path):
    pytest.importorskip("sacrebleu")
    data = tmp_path / "talk.txt"
    data.write_bytes(TALK.encode().replace(b"robot", b"robot\xff"))
    assert "not valid utf-8" in refused("evaluate", talker, data)
    given = ["--errors", "ignore", "--json"]
    found = json.loads(catena("evaluate", talker, data, *given, "--max-length", 1).out)
    short = load(talker).evaluate(DIALOGUES, replace(beam_of(5), max_length=1))
    assert found["chrf"] == short.chrf < 100
    assert json.loads(catena("evaluate", talker, data, *given).out)["chrf"] == 100


def test_held_out_dialogues_and_resume_reach_fit(catena, tmp_path, monkeypatch):
    given, data = [], tmp_path / "talk.txt"
    data.write_text(TALK)

    def fit(self, turns, valid, **options):
        given.append((turns, valid, options["resume"], options["checkpoint"]))
        raise KeyboardInterrupt

    monkeypatch.setattr(Chat, "fit", fit)
    command = ["fit", data, "--task", "chat", "--model", "gru", "-o", tmp_path / "m"]
    assert catena(*command).status == 130
    (tmp_path / "m.checkpoint").write_bytes(b"")
    assert catena(*command, "--valid", data, "--resume").status == 130
    turns = read_dialogues(data).turns
    checkpoint = tmp_path / "m.checkpoint"
    assert given == [(turns, None, False, checkpoint), (turns, turns, True, checkpoint)]
