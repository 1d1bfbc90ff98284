"""The files of the shared tasks, read to the end: how many spans their papers say there are.

Tjong Kim Sang and Buchholz 2000 (106,978 chunks for training, 23,852 for test); Tjong Kim Sang and
De Meulder 2003 (23,499 names, 5,942 and 5,648).
"""

import os
from pathlib import Path

import pytest

from catena.formats import read_tokens
from catena.schemes import SCHEMES, check, convert, detect, spans


@pytest.mark.parametrize(
    ("name", "scheme", "count"),
    [
        ("conll2000/train.txt.xz", "IOB2", 106978),
        ("conll2000/test.txt.xz", "IOB2", 23852),
        ("conll2003/eng.train.xz", "IOB1", 23499),
        ("conll2003/eng.testa.xz", "IOB1", 5942),
        ("conll2003/eng.testb.xz", "IOB1", 5648),
    ],
)
def test_every_span_is_found_and_survives_conversion(name, scheme, count):
    folder = os.environ.get("CATENA_DATA")
    path = Path(folder or ".") / name
    if folder is None or not path.exists():
        pytest.skip(f"CATENA_DATA names no folder with {name}")
    file = read_tokens(path)
    labels = file.labels()
    assert detect(labels) == scheme
    check(labels, scheme, file.place)
    assert sum(len(spans(tags)) for tags in labels) == count
    for other in SCHEMES:
        there = [convert(tags, scheme, other) for tags in labels[:300]]
        assert [convert(tags, other, scheme) for tags in there] == labels[:300]
