"""Which kernel runs a cell, what may be asked for, and what is said of it."""

import pytest
import torch

import catena.nn
from catena import CatenaError, Sequences, scan
from catena.kernels import backends, explain
from catena.kernels.cell import dispatch
from catena.kernels.cell.cell import Cell, Weights
from catena.ladder.gru import GRUCell
from catena.ladder.lstm import LSTMCell
from catena.ladder.rnn import ElmanCell
from catena.layout import Layout

CELLS = (ElmanCell, GRUCell, LSTMCell)
every_cell = pytest.mark.parametrize("cell", CELLS)


def call(kind="lstm", dtype=torch.float32, device="cpu", **options):
    """A cell, its weights, and the rest of what `scan_cell` takes."""
    torch.manual_seed(0)
    cell = Cell(kind, **options)
    rows = 4 * cell.gates
    shapes = [(rows, 3), (rows, 4), (rows,), (rows,)]
    weights = Weights(*(torch.randn(shape, dtype=dtype, device=device) for shape in shapes))
    layout = Layout(torch.tensor([6, 2]))
    x = torch.randn(8, 3, dtype=dtype, device=device)
    state = tuple(torch.randn(2, 4, dtype=dtype, device=device) for _ in range(cell.states))
    return cell, weights, x, layout.batch_sizes, state


@pytest.fixture
def ran(monkeypatch):
    """The names of the kernels that ran, in order."""
    names = []

    def noted(name, kernel):
        def run(*args, **kwargs):
            names.append(name)
            return kernel(*args, **kwargs)

        return run

    for name, kernel in dispatch._RUN.items():
        monkeypatch.setitem(dispatch._RUN, name, noted(name, kernel))
    monkeypatch.setattr(dispatch.ops, "run", noted("native", dispatch.ops.run))
    return names


def test_float32_on_the_cpu_runs_natively(ran):
    for kind in ("rnn_tanh", "rnn_relu", "gru", "lstm"):
        dispatch.scan_cell(*call(kind))
    assert ran == ["native"] * 4


def test_float64_falls_to_pytorch(ran):
    dispatch.scan_cell(*call(dtype=torch.float64))
    assert ran == ["torch"]


def test_a_batch_of_few_steps_runs_by_pytorch(ran):
    """Where it can: packing the weights would take longer than the steps."""
    for kind, options in (("lstm", {}), ("lstm", {"coupled": True}), ("gru", {})):
        cell, weights, x, _, state = call(kind, **options)
        few = torch.full((dispatch.FEW_STEPS,), 2)
        dispatch.scan_cell(cell, weights, x, few, state)
    dispatch.scan_cell(cell, weights, x, few, state, backend="native")
    assert ran == ["torch", "native", "torch", "native"]


VARIANTS = {
    "peephole": {"peephole": torch.ones(3, 4)},
    "norm": {
        "norm_ih": torch.ones(16),
        "norm_hh": torch.ones(16),
        "norm_c": torch.ones(2, 4),
    },
}


@pytest.mark.parametrize("variant", [*VARIANTS, "coupled", "zoneout", "mask"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_variants_run_natively_or_by_the_reference(variant, dtype, ran):
    options = {"coupled": {"coupled": True}, "zoneout": {"zoneout": 0.5}}.get(variant, {})
    cell, weights, *rest = call(dtype=dtype, **options)
    further = VARIANTS.get(variant, {})
    weights = weights._replace(**{name: value.to(dtype) for name, value in further.items()})
    mask = torch.ones(2, 4, dtype=dtype) if variant == "mask" else None
    dispatch.scan_cell(cell, weights, *rest, mask)
    assert ran == ["native" if dtype == torch.float32 else "reference"]
    with pytest.raises(CatenaError, match="variants"):
        dispatch.scan_cell(cell, weights, *rest, mask, backend="torch")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_projection_runs_natively_or_by_pytorch(dtype, ran):
    cell, weights, x, sizes, (_, c) = call(dtype=dtype)
    projected = {"hh": weights.hh[:, :2], "projection": torch.ones(2, 4, dtype=dtype)}
    weights = weights._replace(**projected)
    given = cell, weights, x, sizes, (torch.zeros(2, 2, dtype=dtype), c)
    found, _ = dispatch.scan_cell(*given)
    wanted, _ = dispatch.scan_cell(*given, backend="reference")
    torch.testing.assert_close(found, wanted)
    assert ran == ["native" if dtype == torch.float32 else "torch", "reference"]


@pytest.mark.parametrize("backend", ["native", "torch", "reference"])
def test_what_is_asked_for_runs(backend, ran):
    wanted, _ = dispatch.scan_cell(*call())
    found, _ = dispatch.scan_cell(*call(), backend=backend)
    assert ran == ["native", backend]
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(
    ("backend", "given", "word"),
    [
        ("native", {"dtype": torch.float64}, "float32"),
        ("native", {"dtype": torch.float16}, "float32 and bfloat16"),
        ("native", {"device": "meta"}, "CPU"),
        ("torch", {"zoneout": 0.5}, "variants"),
        ("cuda", {}, "native, torch, reference"),
    ],
)
def test_or_raises_and_says_why(backend, given, word, ran):
    with pytest.raises(CatenaError, match=word):
        dispatch.scan_cell(*call(**given), backend=backend)
    assert ran == []


def test_only_the_native_kernel_computes_again(ran):
    dispatch.scan_cell(*call(), recompute=True)
    cell, weights, x, _, state = call()
    dispatch.scan_cell(cell, weights, x, torch.tensor([2, 2, 2, 2]), state, recompute=True)
    assert ran == ["native", "native"]
    for given, backend in (
        (call(), "torch"),
        (call(), "reference"),
        (call(dtype=torch.double), None),
    ):
        with pytest.raises(CatenaError, match="computes again"):
            dispatch.scan_cell(*given, backend=backend, recompute=True)


def test_a_layer_runs_what_it_was_made_with(ran):
    x = torch.randn(7, 2, 3)
    for backend in (None, "torch", "reference"):
        catena.nn.LSTM(3, 4, backend=backend)(x)
    catena.nn.LSTM(3, 4, dtype=torch.float64)(x.double())
    assert ran == ["native", "torch", "reference", "torch"]
    with pytest.raises(CatenaError, match="variants"):
        catena.nn.LSTM(3, 4, backend="torch", peephole=True)(x)
    with pytest.raises(CatenaError, match="float32"):
        catena.nn.LSTM(3, 4, backend="native", dtype=torch.float64)(x.double())


@every_cell
def test_explain(cell):
    name = cell.__name__
    assert backends(cell(3, 4)) == ["native", "torch", "reference"]
    assert explain(cell(3, 4)) == (
        f"{name}: native, the first that can run it (also: torch, reference)"
    )
    assert explain(cell(3, 4).double()) == (
        f"{name}: torch, the first that can run it (also: reference); "
        "not native: it takes float32 and bfloat16 and the weights are torch.float64"
    )
    assert "it runs on the CPU and the weights are on meta" in explain(cell(3, 4).to("meta"))


@every_cell
def test_a_scan_runs_what_is_asked_for(cell, ran):
    batch = Sequences.from_list([torch.randn(5, 3), torch.randn(0, 3), torch.randn(7, 3)])
    layer = cell(3, 4)
    scans = [scan(layer, batch, backend=name) for name in (None, "native", "torch")]
    assert ran == ["native", "native", "torch"]
    for other in scans[1:]:
        torch.testing.assert_close(other.features.values, scans[0].features.values)
    with pytest.raises(CatenaError, match=r"no 'native' kernel .* float32"):
        scan(layer.double(), batch.with_values(batch.values.double()), backend="native")
