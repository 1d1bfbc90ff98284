"""log p of one of many symbols, against PyTorch's chain of softmax and choice in float64."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from catena.softmax import log_softmax_of


def _case(
    count: int, width: int, symbols: int, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(count)
    x = torch.randint(symbols, (count,), generator=generator)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=dtype, generator=generator).requires_grad_()

    return x, drawn(count, width), drawn(symbols, width), drawn(symbols)


def _plain(x: Tensor, hidden: Tensor, table: Tensor, bias: Tensor, smoothing: float) -> Tensor:
    raw = linear(hidden, table, bias)
    return -cross_entropy(raw, x, reduction="none", label_smoothing=smoothing)


def test_values_and_gradients_are_those_of_the_chain_for_any_weights_of_rows():
    for count, symbols in ((1, 2), (7, 16), (50, 37), (0, 5)):
        case = _case(count, 6, symbols)
        weight = torch.randn(count, dtype=torch.float64)
        for smoothing in (0.0, 0.1, 1.0):
            found = log_softmax_of(*case, smoothing)
            expected = _plain(*case, smoothing)
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
            parts = case[1:]
            mine = torch.autograd.grad((found * weight).sum(), parts)
            theirs = torch.autograd.grad((expected * weight).sum(), parts)
            torch.testing.assert_close(mine, theirs, rtol=1e-11, atol=1e-12)


def test_scores_of_any_size_neither_overflow_nor_exceed_probability_one():
    x, hidden, table, bias = _case(40, 8, 100, torch.float32)
    for scale in (1e-3, 1.0, 1e3):
        found = log_softmax_of(x, hidden * scale, table, bias)
        exact = _plain(x, hidden.double() * scale, table.double(), bias.double(), 0.0)
        assert torch.isfinite(found).all()
        assert (found <= 0).all()
        torch.testing.assert_close(found.double(), exact, rtol=2e-6, atol=2e-6 * max(1, scale))


def test_bfloat16_features_are_scored_in_bfloat16_and_added_up_in_float32():
    x, hidden, table, bias = _case(20, 8, 50, torch.float32)
    halved = hidden.detach().bfloat16().requires_grad_()
    found = log_softmax_of(x, halved, table, bias, 0.1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, _plain(x, hidden, table, bias, 0.1), rtol=0.02, atol=0.1)
    found.sum().backward()
    assert halved.grad is not None
    assert halved.grad.dtype == torch.bfloat16
    assert table.grad is not None
    assert table.grad.dtype == torch.float32
