"""Every form of every command."""

import gzip
import io
import json
import lzma
import math
import subprocess
import sys
from dataclasses import fields

import pytest
import torch
from tiny import LINES, TINY

from catena import LADDER, Generator, Markov, load
from catena.cli.main import main
from catena.cli.options import OF_MODELS
from catena.ladder import options
from catena.learn import learner_for
from catena.metrics import copied
from catena.split import split

EVALUATION = {
    "bits_per_symbol", "perplexity", "log_likelihood", "symbols", "sequences", "unknown",
    "bits_per_character", "model", "data",
}  # fmt: skip
WHEN_READ = ["--group-by", "user", "--order-by", "time", "--item", "page"]


# -- fit and evaluate ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TINY)
def test_fit_writes_what_evaluate_reads_and_python_agrees(catena, model, here, kind):
    result = catena("evaluate", model(kind), here / "lines.txt", "--json")
    assert (result.status, result.err) == (0, "")
    found = json.loads(result.out)
    assert set(found) == EVALUATION
    same = load(model(kind)).evaluate(LINES * 8)
    assert found["bits_per_symbol"] == same.bits_per_symbol
    assert found["symbols"] == sum(len(line) + 1 for line in LINES) * 8
    assert found["sequences"] == 40
    bits = -found["log_likelihood"] / math.log(2) / found["symbols"]
    assert found["bits_per_symbol"] == pytest.approx(bits, rel=1e-12)
    assert found["perplexity"] == pytest.approx(2**bits, rel=1e-12)


def test_fit_says_what_it_did_on_standard_error_alone(catena, here, tmp_path):
    output = tmp_path / "m.safetensors"
    result = catena("fit", here / "lines.txt", "--model", "markov", "-o", output)
    assert (result.status, result.out) == (0, "")
    assert f"wrote {output}: Markov(order=5" in result.err
    assert list(tmp_path.iterdir()) == [output]


def test_options_reach_the_rung_and_the_learner(catena, here, tmp_path):
    output = tmp_path / "m.safetensors"
    given = ["--units", "3", "--layers", "2", "--dropout", "0.1", "--start", "zero", "--tied",
             "--embedding", "3", "--epochs", "1", "--batch", "7", "--weight-decay", "0.5",
             "--evaluations", "3"]  # fmt: skip
    catena("fit", here / "lines.txt", "--model", "gru", *given, "--seed", "5", "-o", output)
    found = load(output)
    assert (found.rung.units, found.rung.layers, found.rung.dropout) == (3, 2, 0.1)
    assert (found.rung.start, found.rung.tied, found.rung.embedding) == ("zero", True, 3)
    assert (found.learner_.epochs, found.learner_.batch) == (1.0, 7)
    assert (found.learner_.weight_decay, found.learner_.evaluations) == (0.5, 3)
    assert found.seed == 5


def test_every_option_of_a_rung_and_its_learner_is_offered():
    learners = {learner_for(rung()) for rung in LADDER}
    names = {name for rung in LADDER for name in options(rung)}
    assert names | {field.name for kind in learners for field in fields(kind)} == OF_MODELS


def test_held_out_data_is_used(catena, here, tmp_path):
    result = catena(
        "fit", here / "lines.txt", "--valid", here / "lines.txt", "--model", "rnn", *TINY["rnn"],
        "-o", tmp_path / "m.safetensors",
    )  # fmt: skip
    assert result.status == 0
    assert "valid" in load(tmp_path / "m.safetensors").history_.rows[-1]


def test_the_table_of_an_evaluation(catena, model, here):
    lines = catena("evaluate", model("words"), here / "lines.txt").out.splitlines()
    heads = [line.rsplit("  ", 1)[0].strip() for line in lines]
    assert heads[0] == str(here / "lines.txt")
    assert heads[1:] == [
        "bits per symbol", "perplexity", "bits per character", "log-likelihood (nats)", "symbols",
        "sequences", "unknown symbols",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("compress", "name"), [(gzip.compress, "x.txt.gz"), (lzma.compress, "x.txt.xz")]
)
def test_compressed_files_and_several_and_standard_input_are_one(
    catena, model, here, tmp_path, compress, name
):
    raw = (here / "lines.txt").read_bytes()
    (tmp_path / name).write_bytes(compress(raw))
    (tmp_path / "half.txt").write_bytes(b"\n".join(raw.splitlines()[:20]) + b"\n")
    half = tmp_path / "half.txt"
    plain = json.loads(catena("evaluate", model("markov"), here / "lines.txt", "--json").out)
    for given, stdin in (([tmp_path / name], None), ([half, half], None), (["-"], raw)):
        result = catena("evaluate", model("markov"), *given, "--json", stdin=stdin)
        found = json.loads(result.out)
        assert found["symbols"] == plain["symbols"]
        assert found["log_likelihood"] == pytest.approx(plain["log_likelihood"], rel=1e-9)


def test_data_is_read_as_the_model_was_trained(catena, model, here):
    found = json.loads(catena("evaluate", model("stream"), here / "lines.txt", "--json").out)
    assert found["sequences"] == 1
    found = json.loads(catena("evaluate", model("bits"), here / "chords.npy", "--json").out)
    assert (found["symbols"], found["bits_per_character"]) == (120, None)
    result = catena("evaluate", model("items"), here / "visits.csv", *WHEN_READ, "--json")
    assert json.loads(result.out)["symbols"] == 30 * (3 + 1)


def test_infinite_bits_are_null_in_json(catena, tmp_path):
    (tmp_path / "a.txt").write_text("ab\nab\n")
    (tmp_path / "b.txt").write_text("ba\n")
    chain, out = ["--model", "markov", "--order", "1", "--smoothing", "none"], tmp_path / "m"
    catena("fit", tmp_path / "a.txt", *chain, "-o", out)
    found = json.loads(catena("evaluate", out, tmp_path / "b.txt", "--json").out)
    assert (found["bits_per_symbol"], found["log_likelihood"]) == (None, None)
    steps = catena("surprise", out, tmp_path / "b.txt", "--json").out.splitlines()
    assert [json.loads(step)["bits"] for step in steps] == [None, None, None]
    assert catena("evaluate", out, tmp_path / "b.txt").status == 0


# -- generate -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*TINY, "words", "items"])
def test_generate_draws_what_python_draws(catena, model, kind):
    result = catena("generate", model(kind), "-n", "3", "--length", "20", "--seed", "4")
    drawn = load(model(kind)).sample(3, max_length=20, seed=4)
    shown = [" ".join(map(str, one)) if isinstance(one, list) else one for one in drawn]
    assert result.out == "".join(f"{line}\n" for line in shown)
    assert result.out == catena("generate", model(kind), "-n3", "--length=20", "--seed=4").out


def test_generate_goes_on_from_a_prompt(catena, model):
    result = catena("generate", model("markov"), "--prompt", "hel", "-n", "4", "--length", "5")
    lines = result.out.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("hel") and len(line) <= 8 for line in lines)
    items = catena("generate", model("items"), "--prompt", "a b", "--temperature", "0").out
    assert items.split()[:2] == ["a", "b"]
    assert (
        catena("generate", model("items"), "--prompt", '["a", "b"]', "--temperature=0").out == items
    )


def test_generate_bytes_numbers_and_streams(catena, model):
    assert catena("generate", model("bytes"), "--prompt", "h", "--temperature", "0").out[0] == "h"
    for kind, prompt, width in (("vectors", "[[1, 2]]", 2), ("bits", "[[1, 0, 1]]", 3)):
        result = catena("generate", model(kind), "--prompt", prompt, "--length", "4", "-n", "2")
        for line in result.out.splitlines():
            drawn = json.loads(line)
            assert (len(drawn), {len(one) for one in drawn}) == (5, {width})
            assert drawn[0] == json.loads(prompt)[0]
    drawn = catena("generate", model("stream"), "-n", "2", "--length", "30").out
    assert drawn.count("-" * 40) == 1


def test_generate_says_what_is_copied(catena, model, here, refused):
    lines = here / "lines.txt"
    result = catena("generate", model("markov"), "-n", "5", "--copied", lines)
    assert result.out == catena("generate", model("markov"), "-n", "5").out
    *said, total = result.err.splitlines()
    spans = copied(result.out.splitlines(), lines.read_text().splitlines()).spans
    for line, span, text in zip(said, spans, result.out.splitlines(), strict=True):
        assert f": {span.length} of {len(text)} symbols are copied" in line
        assert (f"{lines}, line {span.source + 1}" in line) == (span.length > 0)
    assert total.endswith(f"copied whole: {sum(span.whole for span in spans)}")
    assert "models of symbols" in refused("generate", model("vectors"), "--copied", lines)


def test_generate_by_beam_gives_the_likeliest(catena, model):
    result = catena("generate", model("markov"), "--beam", "4", "-n", "2", "--length", "12")
    found = load(model("markov")).beam(width=4, max_length=12)
    assert result.out.splitlines() == [text for text, _ in found[:2]]


def test_generate_keeps_to_a_form(catena, model, tmp_path):
    (tmp_path / "rhymes").write_text("e o\nd s\n")
    drawn = catena(
        "generate", model("stream"), "--acrostic", "hwh", "--line-length", "4,2,3",
        "--rhyme", tmp_path / "rhymes", "--scheme", "-A", "--contain", "el", "--forbid", "a",
        "-n", "8",
    ).out.split("-" * 40 + "\n")  # fmt: skip
    assert len(drawn) == 8
    for text in drawn:
        lines = text.splitlines()
        assert [line[0] for line in lines if line] == ["h", "w", "h"]
        assert [len(line) for line in lines if line] == [4, 2, 3]
        assert "el" in text
        assert "a" not in text
        assert next(line for line in lines if line[0:1] == "w")[-1] in "eods"
    for kind, begins, breaks in (("items", "a c", "b"), ("words", "who how", "there it")):
        out = catena("generate", model(kind), "--acrostic", begins, "--breaks", breaks).out
        assert out.startswith(begins[0])
    (best,) = catena(
        "generate", model("markov"), "--beam", "3", "--contain", "world", "--length", "20"
    ).out.splitlines()
    assert "world" in best


# -- next and surprise --------------------------------------------------------------------------


def test_next_gives_the_likeliest_symbols(catena, model):
    result = catena("next", model("markov"), "--prefix", "hel", "-k", "3", "--json")
    found = [(entry["symbol"], entry["probability"]) for entry in json.loads(result.out)]
    assert found == load(model("markov")).next("hel", 3)
    lines = catena("next", model("markov"), "--prefix", "hel", "-k", "3").out.splitlines()
    assert lines[0].split() == ["next", "probability", "bits"]
    symbol, p, bits = lines[1].split()
    assert (symbol, float(p)) == ("l", round(found[0][1], 4))
    assert float(bits) == pytest.approx(-math.log2(found[0][1]), abs=0.005)


def test_symbols_that_cannot_be_seen_are_spelled_out(catena, model, here):
    result = catena("next", model("stream"), "--prefix", "it", "-k", "1")
    assert result.out.splitlines()[1].startswith(r"'\n' ")
    rows = catena("surprise", model("stream"), here / "lines.txt").out.splitlines()
    assert len(rows) == 1 + len((here / "lines.txt").read_text())
    assert r"'\n'" in {row.split("\t")[3] for row in rows}
    assert "' '" in {row.split("\t")[3] for row in rows}


def test_surprise_names_every_step(catena, model, here):
    lines = catena("surprise", model("markov"), here / "lines.txt").out.splitlines()
    assert lines[0] == "bits\tplace\tstep\tsymbol"
    rows = [line.split("\t") for line in lines[1:]]
    first = load(model("markov")).surprise(LINES[0])
    assert [row[0] for row in rows[: len(first)]] == [f"{bits:.3f}" for bits in first]
    assert {row[1] for row in rows[: len(first)]} == {f"{here / 'lines.txt'}, line 1"}
    assert [row[2] for row in rows[: len(first)]] == [str(i + 1) for i in range(len(first))]
    assert [row[3] for row in rows[: len(first)]][-2:] == ["d", "⟨end⟩"]


def test_surprise_shows_the_most_surprising(catena, model, here):
    rows = catena("surprise", model("gru"), here / "lines.txt", "--json").out.splitlines()
    every = sorted((json.loads(row)["bits"] for row in rows), reverse=True)
    result = catena("surprise", model("gru"), here / "lines.txt", "--top", "7", "--json")
    top = [json.loads(row) for row in result.out.splitlines()]
    assert [row["bits"] for row in top] == every[:7]
    assert set(top[0]) == {"bits", "place", "step", "symbol"}


def test_surprise_of_numbers(catena, model, here):
    result = catena("surprise", model("hmm-vectors"), here / "numbers.csv", "--json")
    rows = [json.loads(row) for row in result.out.splitlines()]
    assert (len(rows), len(rows[0]["symbol"]), rows[0]["step"]) == (200, 2, 1)


# -- info and compare ---------------------------------------------------------------------------


def test_info(catena, model):
    found = json.loads(catena("info", model("lstm"), "--json").out)
    assert found["model"]["kind"] == "lstm"
    assert found["model"]["units"] == 4
    assert found["learner"]["epochs"] == 1.0
    learned = load(model("lstm")).model_.parameters()
    assert found["parameters"] == sum(tensor.numel() for tensor in learned)
    assert f"parameters  {found['parameters']:,}" in catena("info", model("lstm")).out


def test_compare_text(catena, here):
    data = here / "lines.txt"
    result = catena("compare", data, "--models", "markov,rnn", "--minutes", "0.01", "--json")
    assert result.status == 0
    found = json.loads(result.out)
    names = [row["name"] for row in found["rows"]]
    assert names == ["markov-0", "markov-1", "markov-2", "markov-k", "rnn"]
    parts = split(LINES * 8, 0)
    for order in range(3):
        alone = Generator(Markov(order)).fit(parts.train).bits(parts.test)
        assert found["rows"][order]["bits"] == pytest.approx(alone, rel=1e-12)


@pytest.mark.parametrize(
    ("data", "given"),
    [
        ("visits.csv", [*WHEN_READ, "--models", "markov"]),
        ("numbers.csv", ["--models", "hmm"]),
        ("chords.npy", ["--space", "bits", "--models", "hmm"]),
        ("counts.npy", ["--space", "counts", "--models", "hmm"]),
    ],
)
def test_compare_of_other_data(catena, here, data, given):
    result = catena("compare", here / data, *given, "--minutes", "0.01")
    assert result.status == 0
    assert ("bits/symbol" if data == "visits.csv" else "bits/step") in result.out
    assert " predicts best: " in result.out


def test_compare_writes_a_report(catena, here, tmp_path):
    page = tmp_path / "report.html"
    given = ["--models", "markov", "--minutes", "0.01", "--report", page]
    result = catena("compare", here / "lines.txt", *given)
    assert result.status == 0
    assert page.read_text().startswith("<!")
    assert f"wrote {page}" in result.err


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_table_fits_the_terminal_and_loses_nothing(catena, here, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    given = ["--models", "markov", "--minutes", "0.01"]
    lines = catena("compare", here / "lines.txt", *given).out.splitlines()
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for head in ("bits/character", "vs best [95%]", "perplexity", "explained", "scored/s"):
        assert text.count(head) == 1
    heads = [line for line in lines if line.startswith("model ")]
    assert len(heads) == {80: 2, 120: 2, 200: 1}[width]
    assert all(line.count("Markov-1 ") <= 1 for line in lines)
    assert "…" not in text


def test_a_piped_table_is_as_wide_as_it_needs_to_be(catena, here, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sys.__stdout__", None)
    given = ["--models", "markov", "--minutes", "0.01"]
    out = catena("compare", here / "lines.txt", *given).out
    assert sum(line.startswith("model ") for line in out.splitlines()) == 1


# -- as a program -------------------------------------------------------------------------------


def test_a_reader_that_leaves_is_no_error(model, here):
    script = f"{sys.executable} -m catena.cli.main surprise {model('markov')} {here / 'lines.txt'}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {script} | head -1"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "bits\tplace\tstep\tsymbol\n", "")


def test_an_encoding_without_the_symbol_is_no_error(model, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, "ascii"))
    assert main(["next", str(model("markov")), "--prefix", "it"]) == 0
    assert rb"\u27e8end\u27e9" in written.getvalue()


def test_the_same_seed_writes_the_same_file(catena, model, here, tmp_path):
    again = tmp_path / "again.safetensors"
    catena("fit", here / "lines.txt", "--model", "gru", *TINY["gru"], "-o", again)
    mine, theirs = load(again).model_.state_dict(), load(model("gru")).model_.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
