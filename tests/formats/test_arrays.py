"""NumPy's own files."""

import io
import pickle

import numpy as np
import pytest

from catena.errors import CatenaError
from catena.formats import read


def as_npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 2), (3, 5, 2), (3, 5, 1)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_fractions_are_measurements_of_any_shape(write, shape, order):
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32, order=order)
    data = read([write(as_npy(array), "a.npy")])
    count, dim = (3 if len(shape) == 3 else 1), (1 if len(shape) == 1 else shape[-1])
    assert data.sequences.lengths.tolist() == [5] * count
    assert np.array_equal(data.sequences.values.numpy(), array.reshape(-1, dim))
    assert (data.space, data.stream) == ("vectors", count == 1)


def test_whole_numbers_one_a_step_are_symbols(write):
    path = write(as_npy(np.array([[[3], [1]], [[2], [3]]], np.uint8)), "a.npy")
    data = read([path])
    assert (data.sequences, data.unit, data.stream) == ([[3, 1], [2, 3]], "item", False)
    assert data.place(1) == f"{path}, sequence 2"
    assert read([write(as_npy(np.arange(3)), "b.npy")]).sequences == [[0, 1, 2]]
    assert read([write(as_npy(np.eye(3, dtype=int)), "b.npy")]).space == "vectors"


def test_space_decides(write):
    chord = write(as_npy(np.eye(3, dtype=bool)), "a.npy")
    assert read([chord], space="bits").sequences.values.tolist() == np.eye(3).tolist()
    assert read([write(as_npy(np.arange(3)), "b.npy")], space="counts").sequences.total == 3


def test_an_array_from_standard_input(pipe):
    assert read([pipe(as_npy(np.arange(3)))]).sequences == [[0, 1, 2]]


GOOD = as_npy(np.arange(6.0).reshape(3, 2))
HUGE = GOOD.replace(b"'shape': (3, 2), }          ", b"'shape': (99999999999999, 2),}")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"1,2", {}, r"not a \.npy file; write it with numpy\.save"),
        (GOOD[:-3], {}, r"damaged or cut short .*; write it again with numpy\.save"),
        (GOOD[:9], {}, r"damaged or cut short"),
        (HUGE[:128], {}, r"damaged or cut short"),
        (as_npy(np.array([[1], "a"], object), allow_pickle=True), {},
         r"holds pickled Python objects, which could run code and are not read; save an array of"),
        (pickle.dumps([1, 2]), {}, r"not a \.npy file"),
        (as_npy(np.array(["a"])), {}, r"an array of <U1, not of numbers; convert it with astype"),
        (as_npy(np.array([1j])), {}, r"an array of complex128, not of numbers"),
        (as_npy(np.float64(1)), {}, r"an array of shape \(\); catena reads \[T\], \[T, d\] and"),
        (as_npy(np.zeros((2, 0))), {}, r"an array of shape \(2, 0\)"),
        (as_npy(np.zeros((1, 1, 1, 1))), {}, r"an array of shape \(1, 1, 1, 1\)"),
        (as_npy(np.array([0.0, np.nan])), {}, r", step 2, column 1: nan is not a finite number"),
        (as_npy(np.array([[[0.0]], [[np.inf]]])), {}, r"sequence 2, step 1, column 1: inf is not"),
        (as_npy(np.arange(3)), {"space": "bits"}, r"step 3, column 1: 2 is not 0 or 1"),
        (GOOD, {"space": "symbols"}, r"symbols are whole numbers, one a step; float64 \(3, 2\)"),
        (GOOD, {"item": "a"}, r"--item is for tables .*, and this is an array of numbers"),
        (GOOD, {"group_by": "a"}, r"--group-by is for tables"),
        (GOOD, {"unit": "char"}, r"--unit is for texts, and this is an array of numbers"),
        (GOOD, {"unit": "item"}, r"--unit is for texts, and this is an array of measurements"),
        (GOOD, {"encoding": "utf-8"}, r"--encoding is for files of characters"),
        (as_npy(np.zeros((2, 2, 2))), {"stream": True}, r"--stream is .* array of several seq"),
    ],
)  # fmt: skip
def test_bad_arrays_are_named(write, content, options, message):
    path = write(content, "bad.npy")
    with pytest.raises(CatenaError, match=r"bad\.npy.*" + message) as caught:
        read([path], **options)
    assert "\n" not in str(caught.value)
