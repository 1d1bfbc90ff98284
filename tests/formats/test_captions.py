"""Captions: their files, and what is said of those that are wrong."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from catena import CatenaError, Sequences
from catena.formats.captions import read_captioned, read_features


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("f.npy", np.arange(6, dtype=np.float32).reshape(3, 2))
    (tmp_path / "in").mkdir()
    return tmp_path


def write(path, *lines):
    path.write_text("".join(line + "\n" for line in lines), "utf-8")
    return path


def test_tabs_and_json_lines_say_the_same(folder):
    rows = [("a.png", ["a cat"]), ("sub/b.png", ["a dog", "one dog", ""])]
    tabs = write(folder / "in" / "c.tsv", "", *("\t".join([name, *own]) for name, own in rows))
    lines = [
        {"picture": "a.png", "caption": "a cat"},
        {"picture": "sub/b.png", "captions": rows[1][1]},
    ]
    objects = write(folder / "in" / "c.jsonl", "", *map(json.dumps, lines))
    for path in (tabs, objects):
        found = read_captioned([path])
        assert found.sources == [folder / "in" / name for name, _ in rows]
        assert found.captions == [own for _, own in rows]
        assert found.where(1) == f"{path}, line 3"


def test_features_and_lines(folder):
    path = write(folder / "c.txt", "a cat", "a dog\tone dog", "")
    found = read_captioned(["f.npy", path])
    assert isinstance(found.sources, Sequences)
    assert found.sources.values.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert found.captions == [["a cat"], ["a dog", "one dog"], [""]]
    assert found.where(2) == f"{path}, line 3"


def test_every_form_of_features(folder):
    values = torch.arange(12.0).reshape(3, 2, 2)
    save_file({"anything": values}, "alone.safetensors")
    save_file({"features": values[:, 0].contiguous()}, "flat.safetensors")
    lengths = torch.tensor([1, 0, 5])
    save_file({"features": values.flatten(0, 1), "lengths": lengths}, "ragged.safetensors")
    np.save("grid.npy", values.numpy())
    assert read_features("alone.safetensors").lengths.tolist() == [2, 2, 2]
    assert read_features("flat.safetensors").lengths.tolist() == [1, 1, 1]
    assert read_features("ragged.safetensors").lengths.tolist() == [1, 0, 5]
    assert torch.equal(read_features("grid.npy").values, values.flatten(0, 1))


@pytest.mark.parametrize(
    ("names", "content", "told"),
    [
        (["c.tsv"], "a.png\tcat\nb.png\n", "c.tsv, line 2: no picture<TAB>caption, but 'b.png'"),
        (["c.tsv"], " \n\n", "c.tsv: only empty lines"),
        (["c.jsonl"], '{"picture": "a"}', r'c.jsonl, line 1: {"picture": "...", "caption"'),
        (["c.jsonl"], '{"picture": "a", "captions": [1]}', "line 1: a caption is no text"),
        (["f.npy", "c.txt"], "a\nb\n", "row 3 of f.npy has no counterpart"),
        (["f.npy", "c.txt"], "a\nb\nc\nd\n", "line 4 of c.txt has no counterpart"),
        (["f.npy"], "", "f.npy: captions come as picture<TAB>caption"),
        (["c.txt", "f.npy"], "a\n", "c.txt, f.npy: captions come as"),
        (["bad.npy", "c.txt"], "a\n", "bad.npy: no array of numbers"),
        (["text.npy", "c.txt"], "a\n", "text.npy: no array of numbers"),
        (["cube.npy", "c.txt"], "a\n", r"cube.npy: features are .*, not \(1, 1, 1, 1\) of float64"),
        (["bad.safetensors", "c.txt"], "a\n", "bad.safetensors: not a .safetensors file"),
        (["two.safetensors", "c.txt"], "a\n", "two.safetensors: holds a, b; one tensor, or"),
        (["sum.safetensors", "c.txt"], "a\n", "sum.safetensors: the lengths sum to 5, but there"),
    ],
)
def test_what_cannot_be_read_is_named(folder, names, content, told):
    for name in names:
        if name.startswith("c."):
            write(folder / name, content.removesuffix("\n"))
    (folder / "bad.npy").write_text("no array")
    (folder / "bad.safetensors").write_text("no tensors")
    np.save("text.npy", np.array(["a", "b"]))
    np.save("cube.npy", np.zeros((1, 1, 1, 1)))
    save_file({"a": torch.zeros(1, 2), "b": torch.zeros(1, 2)}, "two.safetensors")
    lengths = torch.tensor([5])
    save_file({"features": torch.zeros(2, 2), "lengths": lengths}, "sum.safetensors")
    with pytest.raises(CatenaError, match=told):
        read_captioned(names)
