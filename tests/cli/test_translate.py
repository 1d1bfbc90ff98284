"""Translators on the command line: learned, used, measured, drawn; and what is refused."""

import gzip
import io
import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from catena import GRU, LSTM, Translator, Window, container, load
from catena.cli.main import main
from catena.formats import lines
from catena.scheduled import ScheduledSampling
from catena.tasks.encoder_decoder import Looking
from catena.tasks.translators import TranslatorEnsemble
from catena.tasks.writing import Written, beam_of

PAIRS = [
    ("das Haus ist alt", "the house is old"),
    ("das Haus ist neu", "the house is new"),
    ("der Hund ist alt", "the dog is old"),
    ("", ""),
    ("ein Hund", "a dog"),
    ("neu ist der Hund", "new is the dog"),
]
REFERENCES = Path("/proc/self/clear_refs")
SOURCES, TARGETS = map(list, zip(*PAIRS, strict=True))
TASK = ["--task", "translate"]
TINY = [*TASK, "--model", "gru", "--units", "8", "--batch", "4", "--span", "16"]
QUICK = [*TINY, "--unit", "word", "--epochs", "1"]
GOOD = [
    *TASK, "--model", "gru", "--units", "24", "--bidirectional", "--unit", "word", "--epochs", "60",
    "--label-smoothing", "0", "--rate", "0.03", "--batch", "4", "--span", "16",
]  # fmt: skip


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    """A folder with the same pairs in several formats."""
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "p.tsv").write_text("".join(f"{one}\t{other}\n" for one, other in PAIRS))
    (folder / "p.de").write_bytes("".join(f"{one}\n" for one in SOURCES).encode())
    (folder / "p.en.gz").write_bytes(gzip.compress("".join(f"{t}\n" for t in TARGETS).encode()))
    rows = [json.dumps({"de": one, "en": other}) for one, other in PAIRS]
    (folder / "p.jsonl").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="session")
def translator(pairs):
    """A file that translates these pairs."""
    path = pairs / "translator.safetensors"
    assert main(["fit", str(pairs / "p.tsv"), *GOOD, "-o", str(path)]) == 0
    return path


def same(one, other):
    a, b = load(one).model_.state_dict(), load(other).model_.state_dict()
    return a.keys() == b.keys() and all(container.same(a[name], b[name]) for name in a)


# -- fit ----------------------------------------------------------------------------------------


def test_every_format_gives_the_same_model(catena, pairs, tmp_path):
    ways = {
        "tabs": [pairs / "p.tsv"],
        "files": [pairs / "p.de", pairs / "p.en.gz"],
        "json": [pairs / "p.jsonl", "--source", "de", "--target", "en"],
    }
    for name, data in ways.items():
        result = catena("fit", *data, *QUICK, "-o", tmp_path / name)
        assert (result.status, result.out) == (0, "")
        assert f"wrote {tmp_path / name}: GRU(units=8" in result.err
        assert "9 and 8 symbols (word)" in result.err
    assert same(tmp_path / "tabs", tmp_path / "files")
    assert same(tmp_path / "tabs", tmp_path / "json")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(ways)


def test_options_reach_the_translator(catena, pairs, tmp_path):
    given = [
        *TASK, "--model", "lstm", "--units", "8", "--layers", "2", "--dropout", "0.1", "--tied",
        "--embedding", "6", "--bidirectional", "--decoder", "gru:12", "--decoder-layers", "1",
        "--attention", "multi-head", "--heads", "3", "--feeding", "--coverage", "--copy",
        "--scheduled", "0.3", "--unit", "bpe",
        "--subwords", "40", "--joint", "--minimum", "2", "--label-smoothing", "0.2", "--epochs",
        "1", "--rate", "0.01", "--seed", "7", "--valid", pairs / "p.de", "--valid",
        pairs / "p.en.gz",
    ]  # fmt: skip
    result = catena("fit", pairs / "p.tsv", *given, "-o", tmp_path / "m")
    assert result.status == 0
    assert "p.en.gz: perplexity " in result.err
    assert "symbols (bpe)" in result.err
    made = load(tmp_path / "m")
    shared = {"dropout": 0.1, "tied": True, "embedding": 6}
    assert made.rung == LSTM(units=8, layers=2, bidirectional=True, **shared)
    assert made.decoder == GRU(units=12, **shared)
    assert made.looking == Looking("multi-head", heads=3, feeding=True, coverage=True, copy=True)
    assert made.scheduled == ScheduledSampling(0.3)
    own = (made.unit, made.vocabulary, made.joint, made.minimum, made.smoothing, made.seed)
    assert own == ("bpe", 40, True, 2, 0.2, 7)
    assert (made.learner_.rate, made.learner_.epochs) == (0.01, 1)


def test_a_window_encodes_for_another_rung(catena, pairs, tmp_path):
    window = [*TASK, "--model", "window", "--width", "2", "--units", "8", "--unit", "char"]
    given = [*window, "--decoder", "gru", "--epochs", "1", "-o", tmp_path / "m"]
    assert catena("fit", pairs / "p.tsv", *given).status == 0
    made = load(tmp_path / "m")
    assert (made.rung, made.decoder) == (Window(width=2, units=8), GRU(units=8, embedding=32))


# -- translate ----------------------------------------------------------------------------------


def test_a_line_out_for_each_line_in(catena, translator, tmp_path):
    (tmp_path / "new.de").write_bytes("\r\n".join([*SOURCES, "", "ein Hund"]).encode())
    wanted = "\n".join([*TARGETS, "", "a dog", ""])
    result = catena("translate", translator, tmp_path / "new.de")
    assert (result.status, result.out, result.err) == (0, wanted, "")
    packed = gzip.compress((tmp_path / "new.de").read_bytes())
    (tmp_path / "new.gz").write_bytes(packed)
    assert catena("translate", translator, tmp_path / "new.gz").out == wanted
    piped = catena("translate", translator, stdin=(tmp_path / "new.de").read_bytes())
    assert (piped.status, piped.out) == (0, wanted)
    assert catena("translate", translator, "-", stdin=b"").out == ""
    assert catena("translate", translator, stdin=b"\n\n \n").out == "\n\n\n"


class Slow(io.BytesIO):
    """Standard input that says what was written when it was asked for more."""

    def __init__(self, content, written):
        super().__init__(content)
        self.written, self.seen = written, []

    def read1(self, size=-1, /):
        self.seen.append(self.written())
        return super().read1(size)


def test_translations_come_before_the_input_has_ended(translator, monkeypatch, capsys):
    out = ""

    def written():
        nonlocal out
        out += capsys.readouterr().out
        return out

    monkeypatch.setattr(lines, "BLOCK", 9)
    slow = Slow(b"ein Hund\nein Hund\nein Hund", written)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(slow))
    assert main(["translate", str(translator)]) == 0
    assert [text.count("\n") for text in slow.seen] == [0, 1, 2, 2]
    assert written() == "a dog\n" * 3


@pytest.mark.skipif(not REFERENCES.exists(), reason="peak memory is read as Linux tells it")
def test_more_lines_take_no_more_memory(translator, monkeypatch, tmp_path):
    """The search sees a block of lines at a time; here all but the search is what is looked at."""

    def candidates(self, lines, *how, **options):
        return [[Written(line, 0.0, 0.0)] for line in lines]

    def peak(count):
        (tmp_path / "new.de").write_text("das Haus ist alt und der Hund ist neu\n" * count)
        REFERENCES.write_text("5")
        before = resident("VmRSS")
        with (tmp_path / "out").open("w") as out, monkeypatch.context() as patched:
            patched.setattr("sys.stdout", out)
            assert main(["translate", str(translator), str(tmp_path / "new.de")]) == 0
        taken = resident("VmHWM") - before
        assert (tmp_path / "out").read_bytes() == (tmp_path / "new.de").read_bytes()
        return taken

    def resident(name):
        told = Path("/proc/self/status").read_text().partition(f"{name}:")[2]
        return int(told.split()[0]) / 1024  # MiB

    monkeypatch.setattr(Translator, "candidates", candidates)
    peak(5_000)
    few, many = peak(5_000), peak(50_000)  # 0.2 MiB and 1.8 MiB, several times that as texts
    assert many < few + 4


def test_the_n_best_and_json(catena, translator):
    python = load(translator)
    given = ["--n-best", "2", "--beam", "3"]
    result = catena("translate", translator, *given, stdin=b"ein Hund\n\nneu unbekannt\n")
    rows = [line.split("\t") for line in result.out.splitlines()]
    assert [row[0] for row in rows] == ["1", "1", "2", "3", "3"]
    found = python.candidates(["ein Hund"], 3)[0]
    assert [row[3] for row in rows[:2]] == [one.text for one in found[:2]]
    assert float(rows[0][1]) == pytest.approx(found[0].log_prob, abs=1e-4)
    assert rows[2] == ["2", "0.0000", "0.0000", ""]
    result = catena("translate", translator, *given, "--json", stdin=b"\nein Hund\n")
    told = [json.loads(line) for line in result.out.splitlines()]
    assert told[0] == {"line": 1, "translations": [{"text": "", "log_prob": 0.0, "score": 0.0}]}
    assert [one["text"] for one in told[1]["translations"]] == [one.text for one in found[:2]]


def test_the_search_has_its_options(catena, translator):
    def translated(*given):
        result = catena("translate", translator, *given, stdin=b"das Haus ist alt\n")
        assert result.status == 0
        return result.out.split()

    assert len(translated("--max-length", "2")) == 2
    assert len(translated("--min-length", "6")) >= 6
    many = translated("--min-length", "6", "--no-repeat", "1", "--exact", "--length-penalty", "0.5")
    assert len(set(many)) == len(many) >= 6
    assert translated("--gnmt", "--coverage-penalty", "0.1", "--beam", "2") == TARGETS[0].split()


def test_a_line_break_is_no_line(catena, tmp_path):
    rows = [json.dumps({"source": one, "target": "x\ny"}) for one in ("ab", "ba")]
    (tmp_path / "p.jsonl").write_text("\n".join(rows * 4))
    given = [*TINY, "--unit", "char", "--epochs", "40", "--rate", "0.05", "-o", tmp_path / "m"]
    assert catena("fit", tmp_path / "p.jsonl", *given).status == 0
    assert catena("translate", tmp_path / "m", stdin=b"ab\nba\n").out == "x y\nx y\n"


def test_long_lines_are_named_and_cut_off_where_asked(catena, pairs, translator, tmp_path):
    given = ["--limit", "2"]
    long = b"ein Hund\nein Hund ist alt\n"
    result = catena("translate", translator, *given, stdin=b"\n" + long)
    place = "standard input, line 3 has 4 symbols, more than 2"
    assert (result.status, result.err) == (0, f"{place}: translated whole\n")
    assert result.out == catena("translate", translator, stdin=b"\n" + long).out
    result = catena("translate", translator, *given, "--truncate", stdin=long)
    assert (result.status, result.out) == (0, "a dog\na dog\n")
    assert result.err == f"{place.replace('3', '2')}: cut off after 2\n"
    (tmp_path / "pair.tsv").write_text("ein Hund ist alt\ta dog\n")
    result = catena("evaluate", translator, tmp_path / "pair.tsv", *given, "--truncate", "--json")
    assert json.loads(result.out)["chrf"] == pytest.approx(100)
    assert (
        result.err
        == f"{tmp_path / 'pair.tsv'}, line 1 has 4 symbols, more than 2: cut off after 2\n"
    )
    (tmp_path / "long.tsv").write_text("ein Hund\ta dog\n" + "ein " * 1001 + "\ta dog\n")
    result = catena("evaluate", translator, tmp_path / "long.tsv", "--beam", "1")
    assert result.err == (
        f"{tmp_path / 'long.tsv'}, line 2 has 1001 symbols, more than 1000: translated whole\n"
    )


def test_words_that_must_and_must_not_occur(catena, translator):
    free = catena("translate", translator, stdin=b"ein Hund\nder Hund ist alt\n").out.split("\n")
    assert free == ["a dog", "the dog is old", ""]
    given = ["--contain", "new", "--contain", "the dog", "--forbid", "old"]
    result = catena("translate", translator, *given, stdin=b"ein Hund\n\nder Hund ist alt\n")
    assert (result.status, result.err) == (0, "")
    first, empty, second, _ = result.out.split("\n")
    assert empty == ""
    for text in (first, second):
        assert "the dog" in text
        assert {"new", "old"} & set(text.split()) == {"new"}
    told = catena("translate", translator, "--forbid", "dog", "--json", stdin=b"ein Hund\n").out
    assert "dog" not in json.loads(told)["translations"][0]["text"]


def test_phrases_beside_each_line(catena, translator):
    lines = "ein Hund\thouse\tnew\nein Hund\n\tdog\nein Hund\t\n"
    result = catena("translate", translator, "--phrases", stdin=lines.encode())
    asked, *free = result.out.splitlines()
    assert {"house", "new"} <= set(asked.split())
    assert (free, result.err) == (["a dog", "", "a dog"], "")


def test_phrases_of_a_line_go_with_what_is_asked_of_all(catena, pairs, translator, tmp_path):
    given = ["--phrases", "--contain", "new", "--forbid", "is"]
    result = catena("translate", translator, *given, stdin=b"der Hund ist alt\thouse\n")
    words = set(result.out.split())
    assert {"house", "new"} <= words
    assert "is" not in words
    pieces = [*TINY, "--unit", "bpe", "--subwords", "24", "--epochs", "5", "--rate", "0.03"]
    assert catena("fit", pairs / "p.tsv", *pieces, "-o", tmp_path / "m").status == 0
    asked = ["--contain", "house new", "--forbid", "dog"]
    result = catena("translate", tmp_path / "m", *asked, stdin=b"ein Hund\n")
    assert "house new" in result.out
    assert "dog" not in result.out.split()


def test_what_no_translation_can_hold_is_refused_by_its_line(refused, translator):
    given = ["translate", translator]
    told = refused(*given, "--phrases", stdin=b"ein Hund alt neu\nein Hund\tzebra\n")
    assert "standard input, line 2: 'zebra' holds a symbol that the model has not seen" in told
    told = refused(*given, "--contain", "zebra", stdin=b"ein Hund\n")
    assert "'zebra' holds a symbol that the model has not seen" in told
    short = b"ein Hund alt ist neu\nein Hund\tdog house new\n"
    told = refused(*given, "--phrases", "--max-length", "2", stdin=short)
    assert "standard input, line 2: the constraint needs 3 symbols more" in told


def test_an_ensemble_translates_and_is_measured(catena, refused, pairs, translator, tmp_path):
    pytest.importorskip("sacrebleu")
    other = tmp_path / "other"
    assert catena("fit", pairs / "p.tsv", *GOOD, "--seed", "1", "-o", other).status == 0
    with_it = ["--ensemble", other]
    told = catena("translate", translator, *with_it, "--json", stdin=b"ein Hund\n").out
    both = TranslatorEnsemble([load(translator), load(other)])
    assert json.loads(told)["translations"][0] == both.candidates(["ein Hund"])[0][0]._asdict()
    three = [*with_it, "--ensemble", translator]
    told = catena("translate", translator, *three, "--json", stdin=b"ein Hund\n").out
    all_three = TranslatorEnsemble([load(path) for path in (translator, other, translator)])
    found = all_three.candidates(["ein Hund"])[0][0]._asdict()
    assert json.loads(told)["translations"][0] == found
    told = catena("translate", translator, *with_it, "--json", stdin=b"ein Hund\n").out
    mean = [*with_it, "--mean", "geometric"]
    apart = catena("translate", translator, *mean, "--json", stdin=b"ein Hund\n").out
    assert apart != told
    result = catena("evaluate", translator, pairs / "p.tsv", *with_it)
    assert result.out.splitlines()[0].split()[-1] == "ensemble"
    told = catena("evaluate", translator, pairs / "p.tsv", *with_it, "--json").out
    assert json.loads(told)["perplexity"] == both.evaluate(PAIRS).perplexity
    (tmp_path / "few.tsv").write_text("ein Hund\ta dog\n")
    few = tmp_path / "few"
    assert catena("fit", tmp_path / "few.tsv", *QUICK, "-o", few).status == 0
    told = refused("translate", translator, "--ensemble", few, stdin=b"ein Hund\n")
    assert "translator 2 of the ensemble has other symbols than the first" in told
    told = refused("translate", translator, "--mean", "geometric", stdin=b"ein Hund\n")
    assert "--mean is for several models" in told


def test_the_average_of_models(catena, refused, pairs, translator, tmp_path):
    out = tmp_path / "mean"
    result = catena("average", translator, translator, "-o", out)
    assert (result.status, result.out) == (0, "")
    assert result.err == f"wrote {out}: the average of 2 models\n"
    assert same(out, translator)
    few = tmp_path / "few"
    assert catena("fit", pairs / "p.tsv", *QUICK, "-o", few).status == 0
    told = refused("average", translator, few, "-o", tmp_path / "no")
    assert f"{few} is not like the first: they differ in rung" in told


def test_unknown_words_are_read_and_may_be_replaced(catena, tmp_path):
    words = [f"w{i}" for i in range(12)]
    rows = "".join(f"{word}\t{word}\n" for word in words for _ in range(2))
    (tmp_path / "p.tsv").write_text(rows + "rare\trare\nodd\todd\n")
    given = [*TINY, "--unit", "word", "--minimum", "2", "--epochs", "40", "--rate", "0.03"]
    output = tmp_path / "m"
    fit = catena("fit", tmp_path / "p.tsv", *given, "--label-smoothing", "0", "-o", output)
    assert fit.status == 0
    result = catena("translate", output, stdin=b"w3\nneu\n")
    assert result.out.splitlines()[0] == "w3"
    assert "⟨unk⟩" not in result.out
    replaced = catena("translate", output, "--replace-unknown", stdin="w3\nneu 汉\n".encode())
    assert replaced.out.splitlines() == ["w3", "neu"]


def test_lines_before_invalid_bytes_are_translated(catena, translator):
    result = catena("translate", translator, stdin=b"ein Hund\nein \xffHund\nein Hund\n")
    assert (result.status, result.out) == (2, "a dog\n")
    assert result.err.startswith("catena: standard input, line 2, byte 14 of the file: 0xff is not")
    given = ["--errors", "ignore"]
    result = catena("translate", translator, *given, stdin=b"ein Hund\nein \xffHund\n")
    assert (result.status, result.out) == (0, "a dog\n" * 2)


def test_other_encodings_are_read(catena, translator, tmp_path):
    given = ["--encoding", "latin-1"]
    assert catena("translate", translator, *given, stdin=b"ein \xfc\n").status == 0
    (tmp_path / "p.tsv").write_bytes(b"ein \xfc\ta dog\n")
    assert catena("align", translator, tmp_path / "p.tsv", *given).status == 0
    assert catena("align", translator, tmp_path / "p.tsv", "--errors", "ignore").status == 0


# -- evaluate, align, info ----------------------------------------------------------------------


def test_evaluate(catena, pairs, translator):
    pytest.importorskip("sacrebleu")
    found = load(translator).evaluate(PAIRS)
    result = catena("evaluate", translator, pairs / "p.de", pairs / "p.en.gz")
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines()[1].split() == ["BLEU", f"{found.bleu:.2f}"]
    assert f"bleu  {found.signatures['bleu']}" in result.out
    given = [pairs / "p.jsonl", "--source", "de", "--target", "en", "--json", "--beam", "2"]
    told = json.loads(catena("evaluate", translator, *given).out)
    assert told["signatures"] == found.signatures
    short = replace(beam_of(2), max_length=1)
    one = json.loads(catena("evaluate", translator, *given, "--max-length", "1").out)
    assert one["chrf"] == load(translator).evaluate(PAIRS, short).chrf < found.chrf
    cut = json.loads(catena("evaluate", translator, *given, "--tokenize", "char").out)
    assert "tok:char" in cut["signatures"]["bleu"]
    assert told["perplexity"] == pytest.approx(load(translator).perplexity(PAIRS))
    keys = ["bleu", "chrf", "signatures", "perplexity", "sentences", "model", "data"]
    assert (list(told), told["sentences"]) == (keys, 6)


def test_align(catena, pairs, translator, tmp_path):
    result = catena("align", translator, pairs / "p.tsv")
    rows = [line.split("\t") for line in result.out.splitlines()]
    assert rows[0] == ["place", "target", "source", "weight"]
    assert len(rows) == 1 + sum(len(target.split()) + 1 for target in TARGETS)
    place = f"{pairs / 'p.tsv'}, line 4"
    assert [row for row in rows if row[0] == place] == [[place, "⟨end⟩", "", ""]]
    told = catena("align", translator, "-", "--json", stdin=b"ein Hund\ta dog\n").out
    (aligned,) = load(translator).align([("ein Hund", "a dog")])
    one = json.loads(told)
    assert (one["source"], one["target"]) == (["ein", "Hund"], ["a", "dog"])
    assert one["place"] == "standard input, line 1"
    assert np.array(one["weights"]) == pytest.approx(aligned.weights, abs=1e-6)
    most = [aligned.source[row.argmax()] for row in aligned.weights]
    shown = [tuple(row[1:3]) for row in rows if row[0].endswith("line 5")]
    assert shown == list(zip(["a", "dog", "⟨end⟩"], most, strict=True))


def test_a_picture_of_alignments(catena, refused, pairs, translator, tmp_path):
    result = catena("align", translator, pairs / "p.tsv", "--picture", tmp_path / "a.svg")
    assert (result.status, result.err) == (0, f"wrote {tmp_path / 'a.svg'}\n")
    drawn = (tmp_path / "a.svg").read_text()
    assert all(f">{word}</text>" in drawn for word in ("Hund", "house", "⟨end⟩"))
    many = "".join(f"{one}\t{other}\n" for one, other in PAIRS * 2).encode()
    given = ["align", translator, "-", "--picture"]
    assert "12 pairs, and --picture has room" in refused(*given, tmp_path / "b.png", stdin=many)
    assert "a picture's name ends in one of png" in refused(
        "align", translator, "-", "--picture", tmp_path / "a.bmp", stdin=b"ein\ta\n"
    )


def test_info(catena, translator):
    told = json.loads(catena("info", translator, "--json").out)
    assert (told["task"], told["unit"], told["source_symbols"]) == ("translate", "word", 9)
    assert told["attention"]["attention"] == "general"
    assert told["decoder"] is None
    assert "translate" in catena("info", translator).out


# -- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "given", "told"),
    [
        ("a b\n", QUICK, "d.tsv, line 1: no tab; write source<TAB>target"),
        ("a\tb\nc\n", QUICK, "d.tsv, line 2: no tab"),
        ("\tb\n\tc\n", QUICK, "d.tsv: all sources or all targets are empty"),
        ("", QUICK, "d.tsv: empty"),
        (
            "a\tb\n",
            [*TASK, "--model", "markov"],
            "--model must be one of window, rnn, gru, lstm wi",
        ),
        ("a\tb\n", [*TASK, "--model", "window"], "--decoder is one of rnn, gru, lstm with --task"),
        ("a\tb\n", [*TINY, "--decoder", "crf"], "or with its size gru:128, not 'crf'"),
        ("a\tb\n", [*TINY, "--decoder", "gru:x"], "not 'gru:x'"),
        ("a\tb\n", [*TINY, "--attention", "full"], "attention must be one of"),
        ("a\tb\n", [*QUICK, "--attention", "multi-head", "--heads", "3"], "3 heads"),
        ("a\tb\n", [*QUICK, "--attention", "dot", "--bidirectional"], "dot"),
        ("a\tb\n", [*TINY, "--unit", "byte"], "unit must be one of bpe, unigram, word, char"),
        ("a\tb\n", [*TINY, "--subwords", "0"], "vocabulary must be at least 1"),
        ("abc\tb\n", [*TINY, "--unit", "unigram", "--subwords", "2"], "2 unigram subwords cannot"),
        ("a\tb\n", [*QUICK, "--label-smoothing", "1"], "smoothing must be"),
        ("a\tb\n", [*QUICK, "--scheduled", "2"], "share must be"),
        ("a\tb\n", [*QUICK, "--emission", "full"], "--emission is not an option of gru"),
        ("a\tb\n", [*QUICK, "--order", "2"], "--order is not an option of gru"),
        ("a\tb\n", [*QUICK, "--smoothing", "add"], "--smoothing is not an option of gru"),
        ("a\tb\n", [*QUICK, "--stream"], "--stream is for --task generate, not for translate"),
        ("a\tb\n", [*QUICK, "--columns", "a"], "--columns is for --task tag, not for translate"),
        ("a\tb\n", [*QUICK, "--valid", "nowhere.tsv"], "nowhere.tsv: there is no such file"),
        ("a\tb\n", ["--model", "gru", "--joint"], "--joint is for --task translate, not for gen"),
        ("a\tb\n", ["--model", "gru", "--decoder", "gru"], "--decoder is for --task tag, tran"),
    ],
)
def test_a_fit_that_is_refused(refused, tmp_path, content, given, told):
    (tmp_path / "d.tsv").write_text(content)
    assert told in refused("fit", tmp_path / "d.tsv", *given, "-o", tmp_path / "m")


def test_files_of_unequal_length(refused, translator, tmp_path):
    (tmp_path / "l.de").write_text("a\nb\n")
    (tmp_path / "l.en").write_text("a\nb\nc\n")
    files = tmp_path / "l.de", tmp_path / "l.en"
    for command in (["fit", *files, *QUICK, "-o", tmp_path / "m"], ["evaluate", translator, *files],
                    ["align", translator, *files]):  # fmt: skip
        assert f"line 3 of {files[1]} has no counterpart" in refused(*command)


def test_what_is_no_search(refused, translator):
    for given, told in {
        ("--beam", "0"): "--beam must be at least 1",
        ("--n-best", "6"): "--n-best must be from 1 to 5, the width of --beam",
        ("--n-best", "0"): "--n-best must be from 1",
        ("--limit", "0"): "--limit must be at least 1",
        ("--length-penalty", "-1"): "length_penalty must be",
        ("--min-length", "3", "--max-length", "2"): "min_length 3 is above max_length 2",
    }.items():
        assert told in refused("translate", translator, *given, stdin=b"a\n"), given


def test_models_and_commands_that_do_not_go_together(refused, translator, model, pairs, tmp_path):
    for command in ("generate", "next"):
        assert "for the task 'translate', not 'generate'" in refused(command, translator)
    line = refused("translate", model("markov"), stdin=b"a\n")
    assert "for the task 'generate', not 'translate'" in line
    line = refused("evaluate", translator, pairs / "p.tsv", "--unit", "word")
    assert "--unit is for --task generate or classify, not for translate" in line
    line = refused("evaluate", model("markov"), pairs / "p.tsv", "--beam", "2")
    assert "--beam is for --task " in line
    assert "nowhere: there is no such file" in refused("translate", translator, "nowhere")
    tensors, facts = container.read(model("markov"))
    other = tmp_path / "other"
    container.write(other, tensors, {**facts, "task": {"kind": "paint"}})
    for command in (["info", other], ["evaluate", other, pairs / "p.tsv"]):
        assert "for the task 'paint', which is used in Python" in refused(*command)


# -- Ctrl-C -------------------------------------------------------------------------------------


def test_a_stopped_fit_goes_on(catena, stopped, pairs, tmp_path):
    long = [pairs / "p.tsv", *TINY, "--unit", "bpe", "--subwords", "40", "--epochs", "20"]
    whole, output = tmp_path / "whole", tmp_path / "m"
    assert catena("fit", *long, "-o", whole).status == 0
    status, out, err = stopped(output, signal.SIGINT, *long)
    assert (status, out) == (130, "")
    told = f"the work so far is in {output}.checkpoint: run the same command with --resume"
    assert told in err
    assert catena("fit", *long, "-o", output, "--resume").status == 0
    assert same(output, whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "whole"]
