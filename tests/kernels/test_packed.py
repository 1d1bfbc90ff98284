"""Products with packed weights: those of torch.nn, and of the weights as they are now."""

from unittest.mock import patch

import pytest
import torch
from torch import nn

from catena.kernels import packed


@pytest.mark.parametrize(("inputs", "columns"), [(1, 1), (37, 53), (300, 16)])
@pytest.mark.parametrize("count", [0, 1, 5, 64])
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer(inputs, columns, count, bias):
    torch.manual_seed(0)
    layer, x = nn.Linear(inputs, columns, bias=bias), torch.randn(count, inputs)
    torch.testing.assert_close(packed.linear(layer, x), layer(x).detach(), atol=1e-5, rtol=1e-5)


def test_a_row_does_not_depend_on_the_others():
    layer, x = nn.Linear(70, 90), torch.randn(40, 70)
    together = packed.linear(layer, x)
    assert all(torch.equal(packed.linear(layer, x[i : i + 1])[0], together[i]) for i in (0, 13, 39))


def test_it_is_packed_once_and_anew_when_it_has_learned():
    layer, x = nn.Linear(9, 4), torch.randn(3, 9)
    with patch.object(packed, "pack_forward", wraps=packed.pack_forward) as pack:
        for _ in range(3):
            packed.linear(layer, x)
        assert pack.call_count == 1
        with torch.no_grad():
            layer.weight.mul_(2.0)
        torch.testing.assert_close(packed.linear(layer, x), layer(x).detach())
        assert pack.call_count == 2
        layer.weight = nn.Parameter(torch.randn(4, 9))
        torch.testing.assert_close(packed.linear(layer, x), layer(x).detach())
        assert pack.call_count == 3


def test_nothing_is_kept_of_a_layer_that_is_gone():
    before, layer = len(packed._PACKED), nn.Linear(3, 2)
    packed.linear(layer, torch.ones(1, 3))
    assert len(packed._PACKED) == before + 1
    del layer
    assert len(packed._PACKED) == before


def test_other_numbers_take_pytorchs_way():
    layer, x = nn.Linear(9, 4).double(), torch.randn(3, 9).double()
    assert torch.equal(packed.linear(layer, x), layer(x).detach())
    with torch.inference_mode():
        uncounted, x = nn.Linear(9, 4), torch.randn(3, 9)
        assert torch.equal(packed.linear(uncounted, x), uncounted(x))
