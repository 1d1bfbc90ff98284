"""The tagger learned by counting on published treebanks, gold tokens."""

import os
from pathlib import Path

import pytest

from catena.formats import read_tokens
from catena.learn.labelled import LabelledHMM, count_labels
from catena.metrics import accuracy


@pytest.mark.parametrize(
    ("train", "test", "mark"),
    [
        ("ud_english_ewt/en_ewt-ud-train", "ud_english_ewt/en_ewt-ud-test", 0.928),
        ("ud_chinese_gsd_1.4/zh-ud-train", "ud_chinese_gsd_1.4/zh-ud-test", 0.898),
    ],
)
def test_parts_of_speech(train, test, mark):
    folder = os.environ.get("CATENA_DATA")
    paths = [Path(folder or ".") / f"{name}.conllu.xz" for name in (train, test)]
    if folder is None or not all(path.exists() for path in paths):
        pytest.skip(f"CATENA_DATA names no folder with {train}.conllu.xz")
    learn, judge = (read_tokens(path) for path in paths)
    model = LabelledHMM(count_labels(learn.column("form"), learn.labels()))
    assert accuracy(judge.labels(), model.tag(judge.column("form"))) >= mark
