"""CRFsuite's data and its models: what CRFsuite itself reads out of them, and damaged ones."""

from __future__ import annotations

import itertools
import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from catena import AdaGrad, from_crfsuite, load
from catena.errors import CatenaError
from catena.features.attributes import Attributes
from catena.formats.crfsuite import read_crfsuite, write_crfsuite
from catena.formats.crfsuite_model import read_crfsuite_model

HERE = Path(__file__).parent / "crfsuite"
MODEL = HERE / "tiny.crfsuite"


def steps_of(attributes):
    names, offsets = attributes.names.to_pylist(), attributes.offsets.tolist()
    values = attributes.values
    values = [1.0] * len(attributes.codes) if values is None else values.tolist()
    pairs = [(names[code], value) for code, value in zip(attributes.codes, values, strict=True)]
    return [pairs[first:last] for first, last in itertools.pairwise(offsets)]


def test_data_is_read(write):
    path = write("B\ta\tb:2.5\t\tc\\:d\\\\e:-1\nI\n\n\n@weight:0.5\nB\\:x\ta:1\ta:3\tx\\y\tz:\n")
    data = read_crfsuite(path)
    assert data.labels == ["B", "I", "B:x"]
    assert data.lengths.tolist() == [2, 1]
    assert data.weights.tolist() == [1.0, 0.5]
    assert steps_of(data.attributes) == [
        [("a", 1.0), ("b", 2.5), ("c:d\\e", -1.0)],
        [],
        [("a", 1.0), ("a", 3.0), ("x\\y", 1.0), ("z", 1.0)],
    ]
    assert data.where(2) == f"{path}, line 6"


def test_what_is_written_is_read_again(tmp_path):
    steps = [{"w": "a:b", "n": 0.1}, ["x\\", "\\:", "ü"], [], {"w": "c", "z": -2}]
    attributes = Attributes.from_steps(steps)
    path = tmp_path / "data"
    write_crfsuite(path, ["A", "B:", "A", "\\"], [3, 0, 1], attributes)
    data = read_crfsuite(path)
    assert data.labels == ["A", "B:", "A", "\\"]
    assert data.lengths.tolist() == [3, 1]
    assert steps_of(data.attributes) == steps_of(attributes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A\ta\n\tb\n", "line 2: no label"),
        ("A\ta\nA\tb:x\n", "line 2: 'x' in 'b:x' is not a finite number"),
        ("A\ta:1:2\n", "line 1: '1:2'"),
        ("A\ta:nan\n", "line 1: 'nan'"),
        ("A\ta\n\n@wait:1\nA\n", "line 3: @wait is no declaration"),
        ("@weight:-1\nA\n", "line 1: a weight must be"),
        ("A:b\tc\n", "line 1: 'A:b'"),
        ("\n\n", "only empty lines"),
    ],
)
def test_bad_data_names_file_and_line(write, text, message):
    path = write(text)
    with pytest.raises(CatenaError) as error:
        read_crfsuite(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("labels", "steps", "message"),
    [
        (["@a"], [["x"]], "starts with @"),
        (["a\tb"], [["x"]], "label 'a\\\\tb'"),
        (["a"], [["x\ny"]], "attribute 'x\\\\ny'"),
        (["a"], [[""]], "empty"),
        (["a", "b"], [["x"]], "2 labels"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, labels, steps, message):
    path = tmp_path / "data"
    with pytest.raises(CatenaError, match=message):
        write_crfsuite(path, labels, [1], Attributes.from_steps(steps))
    assert not path.exists()


def test_a_model_holds_what_crfsuite_reads_out_of_it():
    model, expected = read_crfsuite_model(MODEL), json.loads((HERE / "tiny.json").read_text())
    assert list(model.labels) == expected["labels"]
    index = {label: i for i, label in enumerate(model.labels)}
    for source, label, weight in expected["transitions"]:
        assert float(model.transitions[index[source], index[label]]) == pytest.approx(
            weight, abs=1e-6
        )
    names, pairs = model.vocabulary.names.to_pylist(), model.features.pairs.tolist()
    found = {
        (names[a], model.labels[int(model.features.labels[k])]): float(model.weights[k])
        for a, (first, last) in enumerate(itertools.pairwise(pairs))
        for k in range(first, last)
    }
    assert set(found) == {(name, label) for name, label, _ in expected["states"]}
    for name, label, weight in expected["states"]:
        assert found[name, label] == pytest.approx(weight, abs=1e-6)


def test_a_model_tags_as_crfsuite_does():
    """The best path and its probability, from all paths."""
    model, expected = read_crfsuite_model(MODEL), json.loads((HERE / "tiny.json").read_text())
    for tagged in expected["tagged"]:
        words = tagged["words"]
        steps = [
            {
                "w": word,
                "length": len(word) / 4,
                "first": i == 0,
                "before": [words[i - 1]] if i else [],
            }
            for i, word in enumerate(words)
        ]
        data = model.vocabulary.encode(Attributes.from_steps(steps))
        scores = model.features.scores(data, model.weights)
        paths = {
            path: sum(float(scores[t, y]) for t, y in enumerate(path))
            + sum(float(model.transitions[a, b]) for a, b in itertools.pairwise(path))
            for path in itertools.product(range(len(model.labels)), repeat=len(words))
        }
        best = max(paths, key=paths.__getitem__)
        assert [model.labels[y] for y in best] == tagged["labels"]
        share = math.exp(paths[best]) / sum(map(math.exp, paths.values()))
        assert share == pytest.approx(tagged["probability"], rel=1e-9)


def test_a_model_is_a_tagger(tmp_path):
    expected, tagger = json.loads((HERE / "tiny.json").read_text()), from_crfsuite(MODEL)
    assert tagger.labels_ == expected["labels"]
    for tagged in expected["tagged"]:
        words = tagged["words"]
        steps = [
            {"w": word, "length": len(word) / 4, "first": not i, "before": words[max(i - 1, 0) : i]}
            for i, word in enumerate(words)
        ]
        assert tagger.predict([steps]) == [tagged["labels"]]
        best = tagger.n_best([steps], 1)[0][0]
        assert best.probability == pytest.approx(tagged["probability"], rel=1e-9)
    tagger.save(tmp_path / "m")
    again = load(tmp_path / "m")
    assert again.predict([[["w:dog"], ["w:old"]]]) == tagger.predict([[["w:dog"], ["w:old"]]])
    assert "which tells not how it was learned" in again.history_.notes[0]
    again.set_params(learner=AdaGrad()).partial_fit([[["w:new"]]] * 9, [["Z"]] * 9)
    assert again.predict([[["w:new"]]]) == [["Z"]]


def test_other_labels_in_the_same_file(write):
    data = read_crfsuite(write("B\ta:2\ta:1\tb\n@weight:0.5\nI\\:x\n\n\nB\tc\\:d\n"))
    assert data.replaced(["X", "Y:", "Z"]) == ("X\ta:2\ta:1\tb\n@weight:0.5\nY\\:\n\n\nZ\tc\\:d\n")
    assert data.steps() == [{"a": 3.0, "b": 1.0}, {}, {"c:d": 1.0}]
    assert data.by_sequence(data.labels) == [["B", "I:x"], ["B"]]
    plain = read_crfsuite(write("B\ta\ta\n"))
    assert plain.steps() == [["a", "a"]]


def test_features_may_lie_in_any_order(write):
    """The first state feature and the last one change places, and with them their numbers."""
    raw = bytearray(MODEL.read_bytes())
    lists, states = int.from_bytes(raw[44:48], "little"), 80
    words = np.frombuffer(raw, "<u4")
    at = words[lists // 4 + 3 :][: words[lists // 4 + 2]] // 4
    features = np.frombuffer(raw, np.dtype("V20"), states, 60)
    features[[0, states - 1]] = features[[states - 1, 0]]
    for place in at:
        named = words[place + 1 : place + 1 + words[place]]
        first, last = named == 0, named == states - 1
        named[first], named[last] = states - 1, 0
    plain, moved = read_crfsuite_model(MODEL), read_crfsuite_model(write(bytes(raw), "moved"))
    assert torch.equal(moved.weights, plain.weights)
    assert torch.equal(moved.features.labels, plain.features.labels)


def test_every_cut_is_refused(write):
    raw = MODEL.read_bytes()
    for size in [*range(60), *range(60, len(raw), 97), len(raw) - 1]:
        with pytest.raises(CatenaError):
            read_crfsuite_model(write(raw[:size], "cut.crfsuite"))
        # With the size put right, the damage is deeper inside.
        patched = raw[:4] + size.to_bytes(4, "little") + raw[8:size]
        with pytest.raises(CatenaError):
            read_crfsuite_model(write(patched[:size], "cut.crfsuite"))


def test_flipped_bytes_never_crash(write):
    raw, draw = MODEL.read_bytes(), random.Random(0)
    refused = 0
    for _ in range(600):
        damaged = bytearray(raw)
        for _ in range(draw.randint(1, 4)):
            damaged[draw.randrange(len(raw))] = draw.choice(
                [0, 1, 127, 128, 255, draw.randrange(256)]
            )
        path = write(bytes(damaged), "flipped.crfsuite")
        try:
            model = read_crfsuite_model(path)
        except CatenaError:
            refused += 1
        else:
            assert torch.isfinite(model.weights).all()
            assert len(model.features) == len(model.weights)
    assert refused > 100


def test_another_file_is_refused(write):
    with pytest.raises(CatenaError, match="not a model of CRFsuite's"):
        read_crfsuite_model(write(b"x" * 200))
    with pytest.raises(CatenaError, match="no such file"):
        read_crfsuite_model("nowhere.crfsuite")


def test_a_model_in_another_encoding(write):
    raw = MODEL.read_bytes()
    latin = raw.replace("ü".encode(), b"\xfc\xfc")
    assert latin != raw
    path = write(latin, "latin.crfsuite")
    with pytest.raises(CatenaError, match="not valid utf-8"):
        read_crfsuite_model(path)
    assert "w:üüber" in read_crfsuite_model(path, "latin-1").vocabulary.names.to_pylist()
    with pytest.raises(CatenaError, match="no encoding"):
        read_crfsuite_model(path, "klingon")


def test_a_big_count_costs_no_memory(write):
    raw = bytearray(MODEL.read_bytes())
    raw[24:28] = (2**32 - 1).to_bytes(4, "little")
    with pytest.raises(CatenaError, match="cut short"):
        read_crfsuite_model(write(bytes(raw), "big.crfsuite"))
