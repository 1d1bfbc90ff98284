""".ts files: ragged, multivariate, with classes, targets and gaps."""

import lzma
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catena.errors import CatenaError
from catena.formats import read_series

HEADER = "# made by hand\n@problemName Two\n@timeStamps false\n@missing true\n@univariate false\n"
CLASSES = "@dimensions 2\n@equalLength false\n@classLabel true up down\n@data\n"
LINES = "1,2.5,?:-1e2,0,7:up\n\n% a remark\n4:nan:down\n"


def test_ragged_series_of_two_dimensions(write):
    path = write(HEADER + CLASSES + LINES, "two.ts")
    series = read_series(path)
    assert (len(series), series.labels, series.classes) == (2, ["up", "down"], ("up", "down"))
    assert series.sequences.lengths.tolist() == [3, 1]
    expected = [[1, -100], [2.5, 0], [float("nan"), 7], [4, float("nan")]]
    wanted = torch.tensor(expected, dtype=torch.float64)
    assert torch.equal(series.sequences.values.nan_to_num(-9), wanted.nan_to_num(-9))
    assert series.place(1) == f"{path}, line 13"


def test_series_without_classes_and_with_targets(write):
    plain = read_series(write("@univariate true\n@classLabel false\n@data\n1,2\n3\n"))
    assert (plain.labels, plain.sequences.values[:, 0].tolist()) == (None, [1, 2, 3])
    target = read_series(write("@univariate true\n@targetLabel true\n@data\r\n1,2:0.5\r\n3:7\r\n"))
    assert (target.labels, target.classes) == (["0.5", "7"], ())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,x:2,3:up", "line 10, dimension 1, step 2: 'x' is not a finite number"),
        ("1,2:2,inf:up", "line 10, dimension 2, step 2: 'inf' is not a finite number"),
        ("1,2:2,3:left", "line 10: the class 'left' is none of those .* \\(up, down\\)"),
        ("1,2:2,3:", "line 10: no class behind the last colon"),
        ("1", "line 10: no class behind the last colon"),
        ("1,2:3:up", "line 10: its dimensions have 1 to 2 numbers"),
        ("1,2:up", "line 10: 1 dimensions, but the header announces 2"),
        ("1:2:3:up", "line 10: 3 dimensions, but the header announces 2"),
        ("", "no series behind @data"),
    ],
)
def test_wrong_lines_are_named(write, line, message):
    with pytest.raises(CatenaError, match=message):
        read_series(write(HEADER + CLASSES + line + "\n", "two.ts"))


@settings(max_examples=100)
@given(st.text("12.,:?-e \n@#uop", max_size=30))
def test_whatever_is_in_a_file_it_is_read_or_refused(write, text):
    path = write("@classLabel true up\n@data\n" + text, "x.ts")
    series = refused = None
    try:
        series = read_series(path)
    except CatenaError as error:
        refused = str(error)
    if series is None:
        assert refused.startswith(str(path))
    else:
        assert set(series.labels) == {"up"}
        assert int(series.sequences.lengths.sum()) == series.sequences.total


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@classLabel true a\n1:a\n", "line 2: a .ts file begins with lines such as @classLabel"),
        ("@classLabel true a\n", "no line @data"),
        ("@timeStamps true\n@data\n", "line 1: series with time stamps are not read"),
        ("@dimensions two\n@data\n1\n", "@dimensions must be followed by a whole number"),
        (
            "@seriesLength 3\n@data\n1,2,3\n1,2\n",
            "line 4: a series of 2 steps, but @seriesLength is 3",
        ),
        ("@data\n1,2\n1:2\n", "line 3: 2 dimensions, but the first series has 1"),
    ],
)
def test_wrong_headers_are_named(write, text, message):
    with pytest.raises(CatenaError, match=message):
        read_series(write(text, "x.ts"))


@pytest.mark.parametrize(
    ("name", "size", "dim", "lengths", "classes"),
    [
        ("JapaneseVowels_TRAIN", 270, 12, (7, 26), 9),
        ("JapaneseVowels_TEST", 370, 12, (7, 29), 9),
        ("BasicMotions_TRAIN", 40, 6, (100, 100), 4),
        ("PickupGestureWiimoteZ_TEST", 50, 1, (37, 324), 10),
    ],
)
def test_files_of_the_archives(name, size, dim, lengths, classes):
    folder = os.environ.get("CATENA_DATA")
    path = Path(folder or ".") / "uea_ucr" / f"{name}.ts.xz"
    if folder is None or not path.exists():
        pytest.skip(f"CATENA_DATA names no folder with uea_ucr/{name}.ts.xz")
    series = read_series(path)
    found = series.sequences.lengths
    assert (len(series), series.sequences.event) == (size, (dim,))
    assert (int(found.min()), int(found.max()), len(series.classes)) == (*lengths, classes)
    last = lzma.decompress(path.read_bytes()).decode().split()[-1]
    assert series.labels is not None
    assert series.labels[-1] == last.rsplit(":", 1)[1]
    assert float(last.split(":")[-2].split(",")[-1]) == series.sequences.values[-1, -1]
