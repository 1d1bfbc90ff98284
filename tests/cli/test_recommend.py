"""Recommenders on the command line: learned, used, measured, compared; and what is refused."""

import errno
import json
import re
import signal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from catena import load
from catena.cli.main import main

# What comes next is certain but for the ends: tea, cup, spoon; ink, pen, paper.
ROUND = {"tea": "cup", "cup": "spoon", "spoon": "tea", "ink": "pen", "pen": "paper", "paper": "ink"}
TASK = ["--task", "recommend"]


def log(sessions=40, first=0):
    rows, time = ["session,item,time"], 100 * first
    for number in range(sessions):
        item = list(ROUND)[(number * 5) % 6]
        for _ in range(2 + number % 4):
            rows.append(f"s{number + first},{item},{time}")
            item, time = ROUND[item], time + 1
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sessions")
    (folder / "log.csv").write_text(log())
    (folder / "later.csv").write_text(log(10, 40))
    return folder


@pytest.fixture
def shop(catena, folder):
    """The file of an item-to-item chain."""
    path = folder / "shop.safetensors"
    if not path.exists():
        options = ["--model", "markov", "--order", "1", "--smoothing", "witten_bell"]
        result = catena("fit", folder / "log.csv", *TASK, *options, "-o", path)
        assert (result.status, result.out) == (0, "")
        assert "6 items in 40 sessions" in result.err
    return path


def test_sessions_of_a_table_get_items_in_their_order(catena, folder, shop):
    result = catena("recommend", shop, folder / "later.csv", "-k", "2", "--exclude-seen")
    lines = [line.split("\t") for line in result.out.splitlines()]
    assert [line[0] for line in lines] == [f"s{number}" for number in range(40, 50)]
    assert lines[0][1] == "spoon"
    assert all(len(line) == 3 for line in lines)


def test_lines_get_lines_and_unknown_items_are_counted(catena, shop):
    result = catena("recommend", shop, "-", "-k", "1", "--json", stdin=b"tea\n\nink samovar\n")
    found = [json.loads(line) for line in result.out.splitlines()]
    assert [one["session"] for one in found] == ["1", "2", "3"]
    assert [one["unknown"] for one in found] == [0, 0, 1]
    assert [one["items"][0]["item"] for one in found][::2] == ["cup", "pen"]
    assert len(found[1]["items"]) == 1


class Closed:
    """Standard output whose first line is taken; what then is written fails."""

    def __init__(self, error):
        self.error, self.taken = error, []

    def write(self, text):
        if "\n" in "".join(self.taken):
            raise self.error
        self.taken.append(text)

    def flush(self):
        pass

    def fileno(self):
        raise OSError


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (BrokenPipeError(), 0, ""),
        (OSError(errno.ENOSPC, "no room"), 2, "catena: the result cannot be written: no room\n"),
    ],
)
def test_a_reader_that_goes_and_a_disk_that_is_full(
    shop, monkeypatch, capsys, tmp_path, error, status, said
):
    (tmp_path / "lines.txt").write_text("tea\ncup\nink\n")
    out = Closed(error)
    monkeypatch.setattr("catena.cli.main._silence_output", lambda: None)
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", out)
        assert main(["recommend", str(shop), str(tmp_path / "lines.txt"), "-k", "1"]) == status
    assert "".join(out.taken) == "1\tcup\n"
    assert capsys.readouterr().err == said


def test_an_interrupted_network_goes_on_to_the_same_bits(catena, stopped, tmp_path):
    data, output, whole = (tmp_path / name for name in ("log.csv", "m", "n"))
    data.write_text(log())
    given = [data, *TASK, "--model", "gru", "--units", 4, "--samples", 3, "--epochs", 9]
    status, _, err = stopped(output, signal.SIGINT, *given)
    assert (status, output.exists()) == (130, False)
    assert "run the same command with --resume" in err
    assert catena("fit", *given, "--resume", "-o", output).status == 0
    assert catena("fit", *given, "-o", whole).status == 0
    one, other = (load(path).model_.state_dict() for path in (output, whole))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_whole_numbers_are_items_in_lines_too(catena, tmp_path):
    (tmp_path / "log.csv").write_text("session,item,time\n1,10,1\n1,20,2\n2,10,3\n2,20,4\n")
    path = tmp_path / "shop.safetensors"
    data = tmp_path / "log.csv"
    assert catena("fit", data, *TASK, "--model", "session-knn", "-o", path).status == 0
    assert (
        catena("recommend", path, "-", "-k", "1", "--exclude-seen", stdin=b"10\n").out == "1\t20\n"
    )


def test_items_are_the_same_whether_a_file_has_them_as_numbers_or_as_texts(catena, tmp_path):
    columns = {"session": [1, 1, 2, 2], "item": [10, 20, 10, 20], "time": [1, 2, 3, 4]}
    numbers, texts = tmp_path / "log.parquet", tmp_path / "log.csv"
    pq.write_table(pa.table(columns), numbers)
    texts.write_text("session,item,time\n1,10,1\n1,20,2\n2,10,3\n2,20,4\n")
    for train, other in ((numbers, texts), (texts, numbers)):
        path = tmp_path / f"{train.suffix}.safetensors"
        given = ["--model", "markov", "--order", 1, "--valid", other]
        assert catena("fit", train, *TASK, *given, "-o", path).status == 0
        found = json.loads(catena("evaluate", path, other, "--json").out)
        assert (found["predictions"], found["cold"]) == (2, 0)
        shown = catena("recommend", path, other, "-k", 1, "--json").out.splitlines()
        assert [json.loads(line)["unknown"] for line in shown] == [0, 0]
    parts = ["--valid", texts, "--test", texts, "--models", "popularity", "--json"]
    assert json.loads(catena("compare", numbers, *TASK, *parts).out)["rows"][0]["recall"] == 1


def test_events_and_lines_of_another_encoding(catena, refused, tmp_path):
    data, path, way = tmp_path / "log.csv", tmp_path / "m.safetensors", ["--encoding", "latin-1"]
    data.write_bytes("session,item,time\n1,th\xe9,1\n1,cup,2\n".encode("latin-1"))
    model = ["--model", "session-knn", "-o", path]
    assert "--encoding" in refused("fit", data, *TASK, *model)
    assert catena("fit", data, *TASK, *model, *way).status == 0
    asked = ["-k", 1, "--exclude-seen", *way]
    assert catena("recommend", path, "-", *asked, stdin=b"th\xe9\n").out == "1\tcup\n"
    shown = catena("recommend", path, data, "-k", 2, *way).out
    assert {*shown.split()} == {"1", "th\xe9", "cup"}
    assert catena("evaluate", path, data, *way).status == 0


def test_a_network_is_learned_as_its_options_say(catena, folder):
    path, data = folder / "gru.safetensors", folder / "log.csv"
    options = [
        "--model", "gru", "--units", "16", "--tied", "--epochs", "40", "--loss", "bpr_max",
        "--samples", "5", "--exponent", "0", "--regularisation", "0.1", "--rate", "0.1",
    ]  # fmt: skip
    result = catena("fit", data, "--valid", folder / "later.csv", *TASK, *options, "-o", path)
    assert result.status == 0
    model = load(path)
    assert (model.loss.samples, model.loss.regularisation) == (5, 0.1)
    assert (model.learner_.optimizer, model.learner_.rate) == ("adagrad", 0.1)
    result = catena("recommend", path, "-", "-k", "1", stdin=b"spoon tea\nink pen\n")
    assert result.out == "1\tcup\n2\tpaper\n"
    facts = json.loads(catena("info", path, "--json").out)
    assert (facts["task"], facts["items"], facts["loss"]["kind"]) == ("recommend", 6, "bpr_max")


def test_a_recommender_is_measured(catena, folder, shop):
    options = [shop, folder / "later.csv", "--cutoffs", "1,3"]
    found = json.loads(catena("evaluate", *options, "--json").out)
    assert found["recall"] == {"1": 1.0, "3": 1.0}
    assert (found["predictions"], found["ties"], found["cold"]) == (23, "conservative", 0)
    assert set(found) > {"mrr", "ndcg", "coverage", "popularity", "tied", "short"}
    result = catena("evaluate", *options, "--last-only")
    assert result.out.splitlines()[1].split() == ["recall", "1.0000", "1.0000"]
    assert "10 predictions in 10 sessions" in result.out
    assert "counted conservatively" in result.out


def test_models_are_compared(catena, folder, tmp_path):
    report = tmp_path / "report.html"
    options = ["--models", "popularity,session-knn,markov,hmm,gru", "--minutes", "0.03"]
    result = catena("compare", folder / "log.csv", *TASK, *options, "--report", report, "--json")
    assert result.status == 0
    found = json.loads(result.out)
    rows = {row["name"]: row for row in found["rows"]}
    assert list(rows) == ["popularity", "session-knn", "markov-1", "markov-k", "hmm", "gru"]
    assert rows["markov-1"]["mrr"] == 1.0 > rows["popularity"]["mrr"]
    assert not rows["session-knn"]["network"]
    assert rows["hmm"]["rung"].startswith("HMM(states=")
    assert rows["hmm"]["epochs"] > 1
    assert rows["gru"]["network"]
    assert "by the end of each session" in found["rule"]
    assert "MRR@20" in report.read_text()
    assert "Predictions of the test part ranked a second." in report.read_text()


def test_a_comparison_takes_parts_as_given(catena, folder):
    parts = ["--valid", folder / "later.csv", "--test", folder / "later.csv"]
    options = [*TASK, "--models", "popularity,markov"]
    result = catena("compare", folder / "log.csv", *options, *parts)
    assert (result.status, "Markov-1" in result.out) == (0, True)


def test_odd_events_are_said_and_left_out_when_asked(catena, tmp_path):
    data, path = tmp_path / "log.csv", tmp_path / "m.safetensors"
    data.write_text("session,item,time\na,x,3\na,y,1\na,x,3\nb,,2\nb,z,\nc,x,9\nc,y,9\nd,x,1\n")
    options = ["--model", "popularity", "--skip-bad", "-o", path]
    err = catena("fit", data, *TASK, *options).err
    assert "1 rows without item were left out" in err
    assert "1 rows without time were left out" in err
    assert "1 events say what another says, and are kept; see --drop-repeats" in err
    assert "nothing comes next in 1 sessions of one event" in err
    assert load(path).counts_.tolist() == [4, 2]
    err = catena("fit", data, *TASK, *options, "--drop-repeats").err
    assert "1 events say what another says, and were left out" in err
    assert load(path).counts_.tolist() == [3, 2]
    # Events were out of order: y came first.
    assert catena("recommend", path, data, "--skip-bad").out.startswith("a\t")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("session,item,time\na,x,1\na,,2\n", "line 3.*item"),
        ("session,item,time\na,x,1\na,y,\n", "line 3.*time"),
        ("session,item,time\na,x,1\n,y,2\n", "line 3.*session"),
        ("session,item\na,x\na,y\n", "no column 'time'"),
        ("user,item,time\na,x,1\na,y,2\n", "no column 'session'"),
    ],
)
def test_events_that_lack_something_are_named(refused, tmp_path, rows, message):
    data = tmp_path / "log.csv"
    data.write_text(rows)
    options = ["--model", "popularity", "-o", tmp_path / "m.safetensors"]
    err = refused("fit", data, *TASK, *options)
    assert "log.csv" in err
    assert re.search(message, err), err


def test_without_times_the_order_of_the_rows_can_be_taken(catena, tmp_path):
    data, path = tmp_path / "log.csv", tmp_path / "m.safetensors"
    data.write_text("user,page\na,x\nb,x\na,y\n")
    columns = ["--group-by", "user", "--item", "page", "--order-by", "-"]
    assert catena("fit", data, *TASK, "--model", "session-knn", *columns, "-o", path).status == 0
    assert catena("recommend", path, data, *columns, "-k", "1").out == "a\tx\nb\tx\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--model", "bayes"],
            "--model must be one of popularity, session-popularity, session-knn",
        ),
        (["--model", "popularity", "--units", "8"], "--units is not an option of popularity"),
        (["--model", "popularity", "--loss", "bpr_max"], "--loss is not an option of popularity"),
        (["--model", "session-knn", "--neighbours", "0"], "neighbours must be at least 1"),
        (["--model", "gru", "--neighbours", "9"], "--neighbours is not an option of gru"),
        (["--model", "markov", "--samples", "9"], "--samples is not an option of markov"),
        (["--model", "gru", "--loss", "hinge"], "--loss must be one of cross_entropy, bpr_max"),
        (["--model", "gru", "--regularisation", "1"], "not an option of cross_entropy"),
        (["--model", "gru", "--bidirectional"], "--bidirectional is not an option of gru"),
        (["--model", "gru", "--unit", "word"], "--unit is for --task generate"),
    ],
)
def test_options_that_do_not_fit_are_refused(refused, folder, tmp_path, options, message):
    out = tmp_path / "m.safetensors"
    assert message in refused("fit", folder / "log.csv", *TASK, *options, "-o", out)


def test_one_click_sessions_teach_a_network_nothing(catena, tmp_path):
    data, out = tmp_path / "log.csv", tmp_path / "m.safetensors"
    data.write_text("session,item,time\na,x,1\nb,y,2\n")
    result = catena("fit", data, *TASK, "--model", "gru", "-o", out)
    assert result.status == 2
    assert "nothing comes next in 2 sessions of one event" in result.err
    assert "catena: no session has two items" in result.err
    assert not out.exists()


def test_commands_refuse_what_they_cannot_read(refused, catena, folder, shop, tmp_path):
    assert "--cutoffs takes whole numbers" in refused(
        "evaluate", shop, folder / "later.csv", "--cutoffs", "a"
    )
    assert "k must be a whole number from 1 up" in refused(
        "recommend", shop, "-", "-k", "0", stdin=b"tea\n"
    )
    assert "is for tables of events" in refused(
        "recommend", shop, "-", "--item", "page", stdin=b"tea\n"
    )
    assert "not both" in refused("recommend", shop, "-", folder / "later.csv", stdin=b"tea\n")
    assert "give --valid and --test" in refused(
        "compare", folder / "log.csv", *TASK, "--test", folder / "later.csv"
    )
    assert "--stream is not for --task recommend" in refused(
        "compare", folder / "log.csv", *TASK, "--stream"
    )
    assert "there is no model 'crf'" in refused(
        "compare", folder / "log.csv", *TASK, "--models", "crf"
    )
