"""Layers one step at a time: the numbers of a whole forward pass, and a state to carry about."""

import copy
import itertools

import pytest
import torch

import catena._native as _native
import catena.nn
from catena import CatenaError
from catena.kernels.cell import stepper as module

CELLS = {
    "tanh": ("RNN", {}),
    "relu": ("RNN", {"nonlinearity": "relu"}),
    "zoned rnn": ("RNN", {"zoneout": 0.3}),
    "gru": ("GRU", {}),
    "zoned gru": ("GRU", {"zoneout": 0.3}),
    "gru without bias": ("GRU", {"bias": False}),
    "lstm": ("LSTM", {}),
    "zoned lstm": ("LSTM", {"zoneout": 0.2, "zoneout_c": 0.3}),
    "peepholes": ("LSTM", {"peephole": True}),
    "coupled": ("LSTM", {"peephole": True, "coupled": True}),
    "lstm without bias": ("LSTM", {"bias": False}),
    "normed rnn": ("RNN", {"layer_norm": True, "bias": False}),
    "normed gru": ("GRU", {"layer_norm": True}),
    "normed gru without bias": ("GRU", {"layer_norm": True, "bias": False}),
    "normed lstm": ("LSTM", {"layer_norm": True}),
    "all of lstm": (
        "LSTM",
        {"layer_norm": True, "peephole": True, "coupled": True, "zoneout": 0.2, "zoneout_c": 0.3},
    ),
}
NORMED = {name: cell for name, cell in CELLS.items() if "layer_norm" in cell[1]}
PLAIN = {name: cell for name, cell in CELLS.items() if name not in NORMED}
every_cell = pytest.mark.parametrize(("kind", "options"), CELLS.values(), ids=CELLS.keys())
every_kind = pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
INPUTS, STEPS = 5, 9


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def _threads(request, monkeypatch):
    """Steps on so many threads, however small the layers are."""
    before = torch.get_num_threads()
    monkeypatch.setattr(module, "SHARE", 1)
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=_native.levels())
def _level(request):
    _native.use_level(request.param)
    yield
    _native.use_level(_native.levels()[0])


def made(kind, units=7, **options):
    """A layer in evaluation whose parameters are all random, the first state among them."""
    torch.manual_seed(0)
    layer = getattr(catena.nn, kind)(INPUTS, units, learned_start=True, **options).eval()
    for parameter in layer.parameters():
        torch.nn.init.uniform_(parameter, -(units**-0.5), units**-0.5)
    return layer


def compare(layer, batch):
    x = torch.randn(STEPS, batch, INPUTS)
    stepper = layer.stepper(batch)
    with torch.no_grad():
        outputs, last = layer(x)
    found = torch.stack([stepper.push(step).clone() for step in x])
    # The order of the sums is that of the forward pass: mostly not a bit differs.
    torch.testing.assert_close((found, stepper.state), (outputs, last), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("kind", "options"), PLAIN.values(), ids=PLAIN.keys())
@pytest.mark.usefixtures("_threads")
def test_steps_are_the_forward_pass(kind, options):
    for units, layers, batch in itertools.product((1, 3, 7, 33, 129), (1, 2, 3), (1, 2, 5)):
        compare(made(kind, units, num_layers=layers, **options), batch)


@pytest.mark.parametrize(("kind", "options"), NORMED.values(), ids=NORMED.keys())
@pytest.mark.usefixtures("_threads")
def test_normed_steps_err_no_more_than_the_forward_pass(kind, options):
    """Against float64: a norm of three numbers that lie close together magnifies rounding, so that
    two ways of rounding need not come out close. The errors are those of all shapes together."""
    errors = torch.zeros(2)
    for units, layers, batch in itertools.product((1, 3, 7, 33, 129), (1, 2, 3), (1, 2, 5)):
        layer, x = (
            made(kind, units, num_layers=layers, **options),
            torch.randn(STEPS, batch, INPUTS),
        )
        stepper = layer.stepper(batch)
        with torch.no_grad():
            exact, forward = copy.deepcopy(layer).double()(x.double())[0], layer(x)[0]
        steps = torch.stack([stepper.push(step).clone() for step in x])
        errors += torch.stack([(found - exact).abs().max() for found in (steps, forward)])
    assert errors[0] <= 2 * errors[1]


@every_cell
@pytest.mark.usefixtures("_level")
def test_steps_are_the_forward_pass_with_every_instruction_set(kind, options):
    for units, batch in ((33, 1), (70, 7)):
        compare(made(kind, units, num_layers=2, **options), batch)


def rounded(layer):
    """The same layer, its matrices rounded to bfloat16."""
    layer = copy.deepcopy(layer)
    for key, parameter in layer.named_parameters():
        if key.startswith(("weight_ih", "weight_hh")):
            parameter.data = parameter.data.bfloat16().float()
    return layer


def compare_rounded(layer, batch):
    found, wanted = layer.stepper(batch, weights=torch.bfloat16), rounded(layer).stepper(batch)
    # What lies behind the last input must not be read: twice nothing is not a number.
    room = torch.full((STEPS, batch * INPUTS + 16), torch.nan)
    for step in room:
        x = step[: batch * INPUTS].view(batch, INPUTS).copy_(torch.randn(batch, INPUTS))
        assert torch.equal(found.push(x), wanted.push(x))
    torch.testing.assert_close(found.state, wanted.state, rtol=0, atol=0)


@every_cell
@pytest.mark.usefixtures("_threads")
def test_bfloat16_weights_give_the_numbers_of_rounded_ones(kind, options):
    for units, layers, batch in itertools.product((1, 3, 7, 33, 129), (1, 2), (1, 2, 7)):
        compare_rounded(made(kind, units, num_layers=layers, **options), batch)


@every_cell
@pytest.mark.usefixtures("_level")
def test_bfloat16_weights_with_every_instruction_set(kind, options):
    for units, batch in ((33, 1), (70, 7), (64, 2)):
        compare_rounded(made(kind, units, num_layers=2, **options), batch)


def test_bfloat16_weights_take_half_the_memory():
    layer = made("LSTM", 129)

    def size(dtype):
        return sum(part.weights.nbytes for part in layers_of(layer.stepper(weights=dtype)))

    assert size(torch.bfloat16) < 0.51 * size(torch.float32)


def layers_of(stepper):
    return [part for part in stepper._alive if isinstance(part, module.Packed)]


@every_kind
def test_a_restored_state_goes_on_exactly(kind):
    layer = made(kind, num_layers=2)
    x = torch.randn(STEPS, 2, INPUTS)
    first, second = layer.stepper(2), layer.stepper(2)
    for step in x[:4]:
        first.push(step)
    second.state = first.state
    for step in x[4:]:
        assert torch.equal(first.push(step), second.push(step))


@every_kind
def test_reset_goes_back_to_the_learned_start(kind):
    layer = made(kind)
    stepper, x = layer.stepper(), torch.randn(1, INPUTS)
    before = stepper.state
    first = stepper.push(x).clone()
    assert not torch.equal(stepper.push(x), first)
    stepper.reset()
    torch.testing.assert_close(stepper.state, before, rtol=0, atol=0)
    assert torch.equal(stepper.push(x), first)


@every_kind
@pytest.mark.usefixtures("_threads")
def test_the_output_may_be_the_next_input(kind):
    layer = getattr(catena.nn, kind)(40, 40).eval()
    first, second = layer.stepper(), layer.stepper()
    x = y = torch.randn(1, 40)
    for _ in range(5):
        x, y = first.push(x), second.push(y.clone())
        assert torch.equal(x, y)


def test_nothing_done_to_copies_or_weights_reaches_it():
    layer, x = made("LSTM"), torch.randn(1, INPUTS)
    untouched, stepper = layer.stepper(), layer.stepper()
    for parameter in layer.parameters():
        parameter.data.zero_()
    for part in stepper.state:
        part.fill_(9)
    untouched.push(x)
    stepper.push(x).fill_(9)
    assert torch.equal(untouched.push(x), stepper.push(x))


@pytest.mark.parametrize(
    "x",
    [
        torch.zeros(INPUTS),
        torch.zeros(1, INPUTS),
        torch.zeros(2, INPUTS, dtype=torch.float64),
        torch.zeros(INPUTS, 2).t(),
        torch.zeros(2, INPUTS, device="meta"),
    ],
    ids=["no batch", "another batch", "float64", "not contiguous", "another device"],
)
def test_what_would_be_read_wrongly_is_refused(x):
    with pytest.raises(CatenaError, match="contiguous float32"):
        made("GRU").stepper(2).push(x)


@pytest.mark.parametrize(
    ("layer", "match"),
    [
        (catena.nn.GRU(3, 4), "eval"),
        (catena.nn.GRU(3, 4, bidirectional=True).eval(), "bidirectional"),
        (catena.nn.LSTM(3, 4, proj_size=2).eval(), "projection"),
        (catena.nn.LSTM(3, 4).double().eval(), "float64"),
    ],
    ids=["training", "bidirectional", "projection", "float64"],
)
def test_layers_that_cannot_step_say_why(layer, match):
    with pytest.raises(CatenaError, match=match):
        layer.stepper()


def test_wrong_sizes_are_refused():
    layer = made("LSTM")
    with pytest.raises(CatenaError, match="at least 1"):
        layer.stepper(0)
    with pytest.raises(CatenaError, match="float16"):
        layer.stepper(weights=torch.float16)
    stepper = layer.stepper()
    with pytest.raises(CatenaError, match="shapes"):
        stepper.state = torch.zeros(1, 1, 7)
