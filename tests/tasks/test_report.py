"""The report of a comparison: one file that shows everything, whatever the data is called."""

import errno
import math
import os
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from catena.comparing.bootstrap import Interval
from catena.comparing.generating import terms_of
from catena.comparing.palette import PAPER, colours
from catena.comparing.report import page, write_report
from catena.comparing.result import Comparison, Row, numbered
from catena.comparing.table import columns
from catena.errors import CatenaError
from catena.space import Symbols, Vectors

VOID = {"meta", "br"}
ATTACK = '<script>alert("&")</script>'


class Page(HTMLParser):
    """What a browser would make of a page: its elements, and the text in each."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((tuple(self.open), data))

    def inside(self, *tags: str) -> list[str]:
        """The texts directly inside these elements, in order, blank ones left out."""
        return [text for path, text in self.texts if path[-len(tags) :] == tags and text.strip()]


def row(label: str, bits: float, seconds: float, **facts) -> Row:
    figures = {"bits": bits, "perplexity": 2**bits, "bits_per_character": None}
    known = {
        "name": label.lower(),
        "label": label,
        "rung": f"{label}()",
        "figures": {key: facts.pop(key, value) for key, value in figures.items()},
        "parameters": 1234,
        "seconds": seconds,
        "search_seconds": 1.5,
        "peak_memory": 3 << 20,
        "speed": 50_000.0,
        "epochs": 3.0,
        "tried": [],
        "curve": [(seconds, None, None)],
        "positions": [(1, 1, bits + 1), (2, 3, bits + 0.5), (4, 7, bits)],
        "sample": "To be, or not",
        "notes": [],
        "against_best": Interval(0.5, 0.25, 0.75),
    }
    return Row(**(known | facts))


def comparison(*rows: Row, **facts) -> Comparison:
    known = {
        "data": "shakespeare",
        "terms": terms_of(Symbols(("⟨unk⟩", "a"), "char")),
        "rule": "by position: the last 10% for the test",
        "sizes": (900, 50, 100),
        "seed": 7,
        "minutes": 4.0,
        "rows": list(rows),
        "baseline": "markov-1",
        "machine": {"processor": "a processor", "torch": "2.9"},
        "verdict": ["LSTM predicts best: 2.100 bits a character.", "It is worth it."],
    }
    return Comparison(**(known | facts))


def ladder() -> Comparison:
    curve = [(1.0, 4.0, 4.1), (2.0, 3.0, 3.2), (3.0, 2.5, 2.9)]
    return comparison(
        row("Markov-0", 4.8, 0.1),
        row("Markov-1", 3.5, 0.1),
        row("HMM", 3.0, 20.0, curve=curve, notes=["stopped after 0.3 minutes"]),
        row("LSTM", 2.1, 60.0, curve=curve, against_best=None, tried=[("LSTM()", 2.25)]),
    )


def numeric() -> Comparison:
    rows = [
        row("independent", 0.5, 0.2, sample=None),
        row("HMM", -1.25, 2.0, sample=None, against_best=None),
    ]
    return comparison(*rows, terms=terms_of(Vectors(2)), baseline="independent")


def titles(source: str) -> list[str]:
    """The plots that a page shows."""
    return re.findall(r'<svg [^>]*aria-label="([^"]*)"', source)


def test_the_page_is_well_formed_and_says_the_verdict_before_the_table():
    source = page(ladder())
    read = Page(source)
    assert not read.open
    assert read.tags["html"] == read.tags["title"] == read.tags["h1"] == 1
    assert read.inside("title") == ["catena compare: shakespeare"]
    assert source.index("It is worth it.") < source.index("<table")


def test_ids_are_unique_and_every_reference_leads_to_one():
    source = page(ladder())
    ids = Counter(value for name, value in Page(source).attributes if name == "id")
    assert max(ids.values()) == 1
    referred = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', source)
    assert referred
    assert {first or second for first, second in referred} <= set(ids)


def test_nothing_is_loaded_and_nothing_runs():
    source = page(ladder())
    read = Page(source)
    assert not re.search(r"https?:|//[a-z]|@import|data:", source)
    assert not {"script", "link", "img", "iframe", "object", "image"} & set(read.tags)
    assert not [name for name, _ in read.attributes if name in ("src", "srcset", "action")]
    assert all(value.startswith("#") for name, value in read.attributes if "href" in name)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in read.attributes


def test_every_rung_is_named_in_the_tables_plots_and_samples():
    read = Page(page(ladder()))
    for label in ("Markov-0", "Markov-1", "HMM", "LSTM"):
        assert read.inside("th").count(label) == 2
        assert read.inside("h3").count(label) == 1
        # Bits, cost and position name all of them; the learning curves those that have one.
        assert read.inside("text").count(label) == (4 if label in ("HMM", "LSTM") else 3)


def test_the_table_holds_what_the_terminal_shows():
    found = ladder()
    read = Page(page(found))
    heads, cells = (
        read.inside("thead", "tr", "th"),
        [text for path, text in read.texts if "td" in path],
    )
    expected = columns(found)
    assert heads[: len(expected)] == [column.head for column in expected]
    wanted = [column.cell(one) for one in found.rows for column in expected[1:]]
    # An interval stands in an element of its own, under its value.
    parts = [part for text in wanted for part in text.replace(" [", "\n[").split("\n")]
    assert cells[: len(parts)] == parts
    assert "[+0.250, +0.750]" in parts


def test_the_table_tells_the_best_from_the_row_above():
    found = comparison(row("LSTM", 2.0, 1.0, against_below=Interval(-0.125, -0.5, 0.25)))
    cells = [column.cell(found.rows[0]) for column in columns(found)]
    assert cells[:4] == ["LSTM", "2.000", "+0.500 [+0.250, +0.750]", "-0.125 [-0.500, +0.250]"]
    assert cells[4:] == ["4.00", "–", "1,234", "1.0 s", "3.0", "3 MiB", "50,000"]


def test_a_sample_may_be_empty():
    assert Page(page(comparison(row("LSTM", 2.0, 1.0, sample="")))).tags["pre"] == 1


def test_what_was_tried_and_chosen_and_noted_is_shown():
    read = Page(page(ladder()))
    assert read.inside("b", "code") == ["LSTM()"]
    assert any("2.250" in text for text in read.inside("td", "b"))
    assert "stopped after 0.3 minutes" in read.inside("td")


def test_how_it_was_measured_is_told():
    told = " ".join(Page(page(ladder())).inside("dd"))
    for fact in ("900", "the last 10%", "seed 7", "4 minutes", "a processor", "torch 2.9"):
        assert fact in told
    assert "paired bootstrap" in told
    assert "drop in bits from Markov-1" in told


def test_the_same_comparison_gives_the_same_bytes():
    assert page(ladder()) == page(ladder())


def test_the_users_own_plot_settings_neither_matter_nor_change():
    import matplotlib

    before = page(ladder())
    with matplotlib.rc_context(
        {"axes.linewidth": 9, "grid.linestyle": ":", "svg.fonttype": "path"}
    ):
        settings = dict(matplotlib.rcParams)
        assert page(ladder()) == before
        assert dict(matplotlib.rcParams) == settings


@pytest.mark.parametrize("field", ["data", "rule", "verdict", "machine", "terms"])
def test_text_about_the_data_stays_text(field):
    terms = replace(ladder().terms, examples=ATTACK, loss=ATTACK, speed=ATTACK)
    odd = {"verdict": [ATTACK], "machine": {ATTACK: ATTACK}, "terms": terms}
    text = odd.get(field, ATTACK)
    read = Page(page(replace(ladder(), **{field: text})))
    assert not read.tags["script"]
    assert ATTACK in "".join(text for _, text in read.texts)


@pytest.mark.parametrize("field", ["label", "rung", "sample", "notes", "tried"])
def test_text_about_a_model_stays_text(field):
    text = {"notes": [ATTACK], "tried": [(ATTACK, 1.0)]}.get(field, ATTACK)
    found = ladder()
    found.rows[0] = replace(found.rows[0], **{field: text})
    read = Page(page(found))
    assert not read.tags["script"]
    assert ATTACK in "".join(text for _, text in read.texts)


def test_samples_keep_every_letter_and_line():
    sample = "\n床前明月光，\n  疑是地上霜。 שלום 🎶"
    found = comparison(row("LSTM", 2.0, 1.0, sample=sample), data="唐詩")
    read = Page(page(found))
    # The line break that opens a <pre> is not part of it.
    assert read.inside("pre") == ["\n" + sample]
    assert "唐詩" in read.inside("h1")[0]


def test_what_html_cannot_hold_is_made_visible(tmp_path):
    found = comparison(row("LSTM", 2.0, 1.0, sample="a\x00b\x1bc\rd\x7fe\ud800f\tg\nh"))
    write_report(found, tmp_path / "report.html")
    read = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert read.inside("pre") == ["\na␀b␛c␍d␡e\ufffdf\tg\nh"]


def test_a_name_in_any_script_can_be_drawn():
    read = Page(page(comparison(row("链", 2.0, 1.0), row("$x_1$", 1.0, 1.0))))
    assert "链" in read.inside("text")
    assert "$x_1$" in read.inside("text")


def test_numbers_have_no_perplexity_and_no_samples():
    read = Page(page(numeric()))
    assert "perplexity" not in read.inside("th")
    assert not read.tags["pre"]
    assert "bits/step" in read.inside("th")
    assert "density" in " ".join(read.inside("dd"))


def test_words_have_bits_a_character_too():
    terms = terms_of(Symbols(("⟨unk⟩", "a"), "word"))
    found = comparison(row("LSTM", 8.0, 1.0, bits_per_character=1.75), terms=terms)
    read = Page(page(found))
    assert "bits/character" in read.inside("th")
    assert "1.750" in read.inside("td")


def test_one_model_alone_makes_a_report():
    alone = row("Markov-1", 3.5, 0.1, against_best=None, explained=None)
    source = page(comparison(alone, baseline=None))
    assert titles(source) == [
        "Bits a character on the test part",
        "Bits against cost",
        "Bits by position in the sequence",
    ]
    assert "Not given" in source


def test_plots_without_anything_to_show_are_left_out():
    source = page(comparison(row("Markov-1", 3.5, 0.0, positions=[(1, 1, 3.5)])))
    assert titles(source) == ["Bits a character on the test part", "Bits against cost"]


@pytest.mark.parametrize(
    ("bits", "shown", "why"),
    [(math.inf, "∞", "probability 0"), (math.nan, "undefined", "undefined")],
)
def test_bits_that_are_no_number_are_named_and_not_drawn(bits, shown, why):
    gap = Interval(bits, bits, bits)
    odd = row("Markov-3", bits, 0.1, perplexity=bits, against_best=gap, explained=-bits)
    found = ladder()
    read = Page(page(replace(found, rows=[*found.rows, odd])))
    assert shown in read.inside("td")
    assert "Markov-3" not in read.inside("text")
    (note,) = read.inside("p")[-1:]
    assert note.startswith("Not drawn: Markov-3")
    assert why in note


def test_an_infinite_position_or_evaluation_does_not_stop_the_rest():
    positions = [(1, 1, math.inf), (2, 3, 2.0), (4, 7, 2.0)]
    curve = [(0.0, None, math.nan), (1.0, 3.0, 2.5), (2.0, 2.0, 2.0), (3.0, math.nan, math.inf)]
    source = page(comparison(row("LSTM", 2.0, 1.0, positions=positions, curve=curve)))
    assert len(titles(source)) == 4
    assert not re.search(r"[ML ](nan|inf)", source)


def test_nothing_finite_leaves_only_the_table():
    found = comparison(row("Markov-3", math.inf, 0.1), row("Markov-4", math.nan, 0.1))
    source = page(found)
    assert not titles(source)
    assert "Not drawn: Markov-3" in source
    assert "Not drawn: Markov-4" in source


def test_many_models_are_all_named_once_a_plot():
    found = comparison(*(row("LSTM", 2 + place / 100, 1.0 + place) for place in range(40)))
    names = numbered([row.label for row in found.rows])
    assert names[0] == "LSTM (1)"
    assert len(set(names)) == 40
    read = Page(page(found))
    assert [read.inside("text").count(name) for name in names] == [3] * 40


def test_a_long_name_leaves_the_plots_their_room():
    name = "AnElaborateRecurrenceOfMyOwn" * 4
    read = Page(page(comparison(row(name, 2.0, 1.0), row(name, 2.5, 2.0))))
    assert read.inside("h3")[-2:] == [f"{name} (1)", f"{name} (2)"]
    assert read.inside("text").count("AnElaborate…yOwn (2)") == 3


def test_a_stream_leaves_out_positions_that_were_seen_once():
    places = [(2**b, 2 ** (b + 1) - 1, 2.0) for b in range(10)]
    stream = comparison(row("LSTM", 2.0, 1.0, positions=places), sizes=(9000, 500, 1000))
    many = replace(stream, sizes=(9000, 500, 20_000))
    assert "Positions before 32 are left out" in page(stream)
    assert "left out" not in page(many)


def test_each_row_has_a_colour_of_its_own_that_stands_out_from_the_paper():
    found = colours(ladder().rows)
    for side, paper in zip(("light", "dark"), PAPER, strict=True):
        chosen = [getattr(colour, side) for colour in found]
        assert len(set(chosen)) == len(chosen)
        # A faded grey has less than the 3 to 1 that WCAG asks of marks without a label beside them.
        assert min(contrast(colour, paper) for colour in chosen) > 1.7


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2."""

    def luminance(colour: str) -> float:
        parts = [part / 255 for part in bytes.fromhex(colour[1:])]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_colours_of_the_plots_are_those_of_the_page():
    source = page(ladder())
    used = set(re.findall(r"var\((--[\w-]+)\)", source))
    defined = set(re.findall(r"(--[\w-]+):", source))
    assert used <= defined
    assert {f"--row-{place}" for place in range(4)} <= used
    assert not re.search("#f[ab]00", source)


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(CatenaError, match="cannot be written"):
        write_report(ladder(), tmp_path / "missing" / "report.html")


def test_a_full_disk_leaves_the_old_report_whole(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CatenaError, match="No space left"):
        write_report(ladder(), path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_real_comparison_makes_a_report(tmp_path):
    from catena import LSTM, Markov, compare

    texts = ["ab" * (2 + place % 4) for place in range(40)]
    found = compare(texts, [Markov(1), LSTM(4)], minutes=0.005, name="ab & ab")
    write_report(found, str(tmp_path / "report.html"))
    source = Path(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Learning curves" in titles(source)
    assert "Which rung does ab &amp; ab need?" in source
