"""The native kernels as PyTorch operators: compiled, exported, differentiated twice."""

import os

import pytest
import torch
from torch import Tensor

import catena.nn
from catena.kernels.cell import ops
from catena.kernels.cell.cell import Cell, Weights
from catena.kernels.cell.reference import reference
from catena.layout import Layout

KINDS = ("rnn_tanh", "rnn_relu", "gru", "lstm")
CLOSE = {"rtol": 1e-5, "atol": 1e-6}  # roundings of numbers about 1 in size, in another order
LAYERS = {
    "RNN": ("RNN", {}),
    "relu": ("RNN", {"nonlinearity": "relu"}),
    "GRU": ("GRU", {"num_layers": 2}),
    "LSTM": ("LSTM", {"bidirectional": True}),
    "variants": ("LSTM", {"peephole": True, "zoneout": 0.2, "recurrent_dropout": 0.3}),
    "norm": ("LSTM", {"layer_norm": True}),
    "recompute": ("GRU", {"recompute": True}),
    "projection": ("LSTM", {"proj_size": 2}),
}


def given(kind, lengths=(6, 4, 1), variant=False, norm=False, projection=False):
    """A cell and what `scan` is called with."""
    torch.manual_seed(0)
    options = {"zoneout": 0.3} if variant else {}
    lstm = kind == "lstm"
    cell = Cell(kind, coupled=variant and lstm, **options)
    rows, units, seen = 5 * cell.gates, 5, 2 if projection else 5
    shapes = [(rows, 3), (rows, seen), (rows,), (rows,)]
    weights = Weights(*(0.5 * torch.randn(shape) for shape in shapes))
    if variant and lstm:
        weights = weights._replace(peephole=torch.randn(3, units))
    if projection:
        weights = weights._replace(projection=torch.randn(seen, units))
    if norm:
        gains = [torch.rand(rows) + 0.5 for _ in range(2)]
        weights = weights._replace(norm_ih=gains[0], norm_hh=gains[1])
        if lstm:
            weights = weights._replace(norm_c=torch.rand(2, units))
    sizes = Layout(torch.tensor(lengths)).batch_sizes
    x = torch.randn(sum(lengths), 3)
    state = tuple(torch.randn(len(lengths), size) for size in (seen, units)[: cell.states])
    mask = torch.randint(2, (len(lengths), seen)).float() * 2 if variant else None
    return cell, weights, x, sizes, state, mask, 7 if variant else None


class Recorder(torch.utils._python_dispatch.TorchDispatchMode):
    """The arguments with which an operator of ours is called."""

    def __init__(self, name):
        super().__init__()
        self.name, self.calls = name, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.name() == self.name:
            self.calls.append(args)
        return func(*args, **(kwargs or {}))


def call_of(name, kind, recompute=False, **options):
    """The arguments of the one call of this operator in a training step."""
    cell, weights, x, *rest = given(kind, **options)
    x = x.requires_grad_()
    with Recorder(name) as recorder:
        out, last = ops.run(cell, weights, x, *rest, recompute)
        (out.sum() + sum(part.sum() for part in last)).backward()
    [args] = recorder.calls
    return args


VARIANTS = [
    *(
        (kind, variant)
        for kind in KINDS
        for variant in ("plain", "variant", "norm", "few", "recompute")
    ),
    ("lstm", "projection"),
]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("kind", "variant"), VARIANTS)
def test_opcheck(kind, variant, training):
    options = {variant: True} if variant in ("variant", "norm", "projection") else {}
    if variant == "few":
        options["lengths"] = (3, 1)
    options["recompute"] = variant == "recompute"
    args = call_of("catena::cell", kind, **options)
    tensors = [
        part.detach().requires_grad_(training)
        if isinstance(part, Tensor) and part.is_floating_point() and part.numel()
        else part
        for part in args[:-1]
    ]
    if tensors[_MASK] is not None:
        tensors[_MASK].requires_grad_(False)
    torch.library.opcheck(torch.ops.catena.cell.default, (*tensors, training))


_MASK = [part.name for part in torch.ops.catena.cell.default._schema.arguments].index("mask")


@pytest.mark.parametrize(("kind", "variant"), VARIANTS)
def test_opcheck_of_the_way_back(kind, variant):
    options = {variant: True} if variant in ("variant", "norm", "projection") else {}
    if variant == "few":
        options["lengths"] = (3, 1)
    options["recompute"] = variant == "recompute"
    args = call_of("catena::cell_backward", kind, **options)
    names = [part.name for part in torch.ops.catena.cell_backward.default._schema.arguments]
    by_name = dict(zip(names, args, strict=True))
    differentiated = ("x", "ih", "hh", "bias_ih", "bias_hh", "projection")
    there = [by_name[name] is not None for name in differentiated]
    for wanted in (there, [False] * len(there)):
        detached = [part.detach() if isinstance(part, Tensor) else part for part in args[:-1]]
        torch.library.opcheck(
            torch.ops.catena.cell_backward.default,
            (*detached, wanted),
            test_utils=("test_schema", "test_faketensor"),
        )


# -- second derivatives ------------------------------------------------------------------------


def penalty(run, call, dtype):
    """Gradients of a gradient's square norm by x, the weights and the first states."""
    cell, weights, x, sizes, state, *rest = call
    x, *parts = (part.detach().to(dtype).requires_grad_() for part in (x, *state, *weights[:4]))
    state, own = parts[: cell.states], parts[cell.states :]
    rest = [part.to(dtype) if isinstance(part, Tensor) else part for part in rest]
    others = [None if part is None else part.to(dtype) for part in weights[4:]]
    out, last = run(cell, Weights(*own, *others), x, sizes, tuple(state), *rest)
    loss = out.square().sum() + sum(part.sin().sum() for part in last)
    grads = torch.autograd.grad(loss, [x, *parts], create_graph=True)
    return torch.autograd.grad(sum(grad.square().sum() for grad in grads), [x, *parts])


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((kind, options) for kind in KINDS for options in ({}, {"variant": True}, {"norm": True})),
        ("lstm", {"projection": True}),
    ],
    ids=str,
)
def test_the_gradient_of_a_gradient(kind, options):
    call = given(kind, **options)
    found = penalty(ops.run, call, torch.float32)
    for ours, wanted in zip(found, penalty(reference, call, torch.float64), strict=True):
        scale = float(wanted.abs().max())
        torch.testing.assert_close(ours.double(), wanted, rtol=0, atol=2e-5 * scale)


def carried(run, call, dtype):
    """A gradient to be differentiated again, of two scans: the second begins where the first ended,
    so its state depends on the weights that it is given beside it."""
    cell, weights, x, sizes, state, *_ = call
    weights = Weights(*(None if part is None else part.to(dtype) for part in weights))
    x, state = x.to(dtype), tuple(part.to(dtype) for part in state)
    hh = weights.hh.clone().requires_grad_()
    weights = weights._replace(hh=hh)
    _, last = run(cell, weights, x, sizes, state)
    out, _ = run(cell, weights, x, sizes, last)
    [grad] = torch.autograd.grad(out.square().sum(), [hh], create_graph=True)
    return grad.detach(), torch.autograd.grad(grad.square().sum(), [hh])[0]


@pytest.mark.parametrize("kind", KINDS)
def test_an_argument_that_depends_on_another(kind):
    found = carried(ops.run, given(kind), torch.float32)
    exact = carried(reference, given(kind), torch.float64)
    for ours, wanted in zip(found, exact, strict=True):
        scale = float(wanted.abs().max())
        torch.testing.assert_close(ours.double(), wanted, rtol=0, atol=2e-5 * scale)


@pytest.mark.parametrize("create_graph", [False, True])
def test_one_tensor_in_two_places(create_graph):
    cell, weights, _, sizes, state, *_ = given("rnn_tanh")
    found = []
    for run in (ops.run, reference):
        x, both = torch.randn(11, 5, generator=torch.Generator().manual_seed(1)), weights.hh.clone()
        both.requires_grad_()
        out, _ = run(cell, weights._replace(ih=both, hh=both), x, sizes, state)
        found += torch.autograd.grad(out.square().sum(), [both], create_graph=create_graph)
    torch.testing.assert_close(*found, **CLOSE)


def test_a_gradient_that_was_not_kept_is_not_made_up():
    """`keep` is decided when the scan runs; afterwards nothing can be differentiated."""
    cell, weights, x, sizes, state, *_ = given("gru")
    with torch.no_grad():
        out, _ = ops.run(cell, weights._replace(hh=weights.hh.requires_grad_()), x, sizes, state)
    assert not out.requires_grad


# -- torch.compile, torch.export, torch.func ------------------------------------------------------


def layer_of(name, dropped=True):
    home, options = LAYERS[name]
    torch.manual_seed(0)
    return getattr(catena.nn, home)(3, 5, **options).train(dropped)


def learned(layer, run, x):
    """The outputs and the gradients of all parameters, by the same random draws."""
    layer.zero_grad()
    torch.manual_seed(1)
    output, _ = run(x)
    output.square().sum().backward()
    return output.detach(), *(part.grad.clone() for part in layer.parameters())


@pytest.fixture
def compiler():
    """The default backend, which needs a compiler of its own; under a sanitizer, whose runtime a
    compiler would load too, only what comes before it."""
    torch._dynamo.reset()
    yield "aot_eager" if "asan" in os.environ.get("LD_PRELOAD", "") else "inductor"
    torch._dynamo.reset()


# What PyTorch's own compiler warns of while it works.
quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@quiet
@pytest.mark.parametrize("name", LAYERS)
def test_compile_in_training(name, compiler):
    """In one piece, forwards and backwards."""
    backend = compiler if name in ("GRU", "LSTM") else "aot_eager"
    layer = layer_of(name, dropped=name != "variants")
    compiled = torch.compile(layer, fullgraph=True, backend=backend)
    for steps in (7, 9):
        x = torch.randn(steps, 4, 3)
        for ours, wanted in zip(learned(layer, compiled, x), learned(layer, layer, x), strict=True):
            torch.testing.assert_close(ours, wanted, **CLOSE)


@quiet
@pytest.mark.parametrize("name", LAYERS)
def test_compile_in_inference(name, compiler):
    backend = compiler if name == "relu" else "aot_eager"
    layer = layer_of(name, dropped=False)
    compiled = torch.compile(layer, fullgraph=True, backend=backend)
    packed = torch.nn.utils.rnn.pack_sequence([torch.randn(4, 3), torch.randn(2, 3)])
    with torch.no_grad():
        x = torch.randn(7, 4, 3)
        torch.testing.assert_close(compiled(x)[0], layer(x)[0], **CLOSE)
        found, wanted = compiled(packed), layer(packed)
    torch.testing.assert_close(found[0].data, wanted[0].data, **CLOSE)


@quiet
@pytest.mark.parametrize("name", LAYERS)
def test_export(name):
    layer = layer_of(name, dropped=False)
    x = torch.randn(7, 4, 3)
    program = torch.export.export(layer, (x,))
    assert any(node.target is torch.ops.catena.cell.default for node in program.graph.nodes)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(x)[0], layer(x)[0], **CLOSE)


def test_vmap_is_one_call_after_the_other():
    cell, weights, x, sizes, state, *_ = given("gru")
    several = torch.stack([x, 2 * x])
    found = torch.vmap(lambda x: ops.run(cell, weights, x, sizes, state)[0])(several)
    wanted = torch.stack([ops.run(cell, weights, one, sizes, state)[0] for one in several])
    assert torch.equal(found, wanted)


def test_function_transforms_that_differentiate_say_that_they_cannot():
    cell, weights, x, sizes, state, *_ = given("gru")

    def loss(x):
        return ops.run(cell, weights, x, sizes, state)[0].sum()

    with pytest.raises(RuntimeError, match="functorch"):
        torch.func.grad(loss)(x)


@quiet
def test_forward_mode_is_right_or_refused():
    """Never a tangent of zero that nobody computed."""
    cell, weights, x, sizes, state, *_ = given("gru")

    def run(x):
        return ops.run(cell, weights, x, sizes, state)[0]

    try:
        _, tangent = torch.func.jvp(run, (x,), (torch.ones_like(x),))
    except (RuntimeError, NotImplementedError, ValueError):
        return
    assert bool(tangent.abs().sum() > 0)
