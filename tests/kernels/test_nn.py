"""catena.nn's layers in the place of torch.nn's: the same parameters, results and errors."""

import copy
import pickle
import warnings

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

import catena.nn
from catena import CatenaError, Sequences
from catena.kernels.cell.reference import uniform

# PyTorch says once in a process that its fastest LSTM has no projections.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")

KINDS = ("RNN", "GRU", "LSTM")
# The same sums in another order: a few roundings of numbers about 1 in size, over some 7 steps.
CLOSE = {torch.float32: {"rtol": 2e-6, "atol": 2e-6}, torch.float64: {"rtol": 0, "atol": 1e-13}}
LENGTHS = [3, 7, 1, 4]
SETTINGS = {
    "one layer": {},
    "two layers": {"num_layers": 2},
    "both ways": {"bidirectional": True},
    "two both ways": {"num_layers": 2, "bidirectional": True},
    "batch first": {"num_layers": 2, "batch_first": True},
    "no bias": {"bias": False, "bidirectional": True},
}
LAYERS = [(kind, setting) for kind in KINDS for setting in SETTINGS.values()]
LAYERS += [("RNN", {"nonlinearity": "relu"}), ("LSTM", {"proj_size": 2})]
LAYERS += [("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True})]
every_layer = pytest.mark.parametrize(
    ("kind", "options"), LAYERS, ids=lambda part: part if isinstance(part, str) else str(part)
)
every_kind = pytest.mark.parametrize("kind", KINDS)


def twins(kind, options=None, inputs=3, units=5):
    """Our layer and PyTorch's, made from the same seed."""
    pair = []
    for home in (catena.nn, torch.nn):
        torch.manual_seed(0)
        pair.append(getattr(home, kind)(inputs, units, **(options or {})))
    return pair


def start(layer, rows, dtype=torch.float32, **options):
    """A random hx; without rows that of a single sequence."""
    places = layer.num_layers * (2 if layer.bidirectional else 1)
    first = getattr(layer, "proj_size", 0) or layer.hidden_size
    sizes = [first, layer.hidden_size] if type(layer).__name__ == "LSTM" else [first]
    middle = () if rows is None else (rows,)
    parts = [torch.randn(places, *middle, size, dtype=dtype, **options) for size in sizes]
    return tuple(parts) if len(parts) > 1 else parts[0]


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def same(found, wanted, dtype=torch.float32):
    for a, b in zip(parts(found), parts(wanted), strict=True):
        assert a.shape == b.shape
        torch.testing.assert_close(a, b, **CLOSE[dtype])


def rows_of(options, lengths=LENGTHS, steps=7):
    """A padded batch of noise, padding included, in the layer's order."""
    shape = (len(lengths), steps) if options.get("batch_first") else (steps, len(lengths))
    return torch.randn(*shape, 3)


def packed(seed=1, enforce_sorted=False, lengths=LENGTHS, dtype=torch.float32):
    torch.manual_seed(seed)
    lengths = sorted(lengths, reverse=True) if enforce_sorted else lengths
    rows = [torch.randn(length, 3, dtype=dtype) for length in lengths]
    return pack_sequence(rows, enforce_sorted=enforce_sorted)


# -- parameters --------------------------------------------------------------------------------


@every_layer
def test_the_same_parameters_from_the_same_seed(kind, options):
    ours, theirs = twins(kind, options)
    mine, yours = dict(ours.named_parameters()), dict(theirs.named_parameters())
    assert list(mine) == list(yours)
    assert all(torch.equal(mine[name], yours[name]) for name in mine)
    assert [[len(part) for part in place] for place in ours.all_weights] == [
        [len(part) for part in place] for place in theirs.all_weights
    ]


@every_layer
def test_state_dicts_load_both_ways(kind, options):
    ours, theirs = twins(kind, options)
    for layer in (ours, theirs):
        for parameter in layer.parameters():
            torch.nn.init.normal_(parameter)
    fresh, foreign = twins(kind, options)
    fresh.load_state_dict(theirs.state_dict(), strict=True)
    foreign.load_state_dict(ours.state_dict(), strict=True)
    x = rows_of(options)
    same(fresh(x)[0], theirs(x)[0])
    same(ours(x)[0], foreign(x)[0])


VARIANTS = [
    ("RNN", {"layer_norm": True, "learned_start": True}),
    ("GRU", {"layer_norm": True, "zoneout": 0.2, "recurrent_dropout": 0.3, "weight_drop": 0.4}),
    ("LSTM", {"peephole": True, "layer_norm": True, "zoneout": 0.1, "zoneout_c": 0.2}),
    ("LSTM", {"coupled": True, "learned_start": True, "proj_size": 2, "recurrent_dropout": 0.5}),
    ("LSTM", {"peephole": True, "proj_size": 2, "zoneout": 0.4, "bidirectional": True}),
]
every_variant = pytest.mark.parametrize(("kind", "options"), VARIANTS)


@every_variant
def test_a_variant_begins_with_the_plain_layer_s_numbers(kind, options):
    torch.manual_seed(0)
    ours = dict(getattr(catena.nn, kind)(3, 5, **options).named_parameters())
    torch_options = {key: options[key] for key in ("proj_size", "bidirectional") if key in options}
    _, theirs = twins(kind, torch_options)
    for name, value in theirs.named_parameters():
        assert torch.equal(ours.pop(name), value)
    for name, value in ours.items():
        if name.startswith("norm_c"):
            assert torch.equal(value, torch.tensor([1.0, 0.0])[:, None].expand(2, 5))
        elif not name.startswith("weight_peephole"):
            assert bool((value == float(name.startswith("norm"))).all())
        else:
            assert 0 < float(value.detach().abs().max()) <= 5**-0.5


def test_the_forget_bias():
    layer = catena.nn.LSTM(3, 5, 2, bidirectional=True, forget_bias=1.5)
    for _, _, bias_ih, bias_hh in layer.all_weights:
        assert torch.equal((bias_ih + bias_hh)[5:10], torch.full((5,), 1.5))
        assert torch.equal(bias_ih[5:10], torch.full((5,), 1.5))
        assert float(bias_ih[:5].detach().abs().max()) < 5**-0.5


@every_layer
def test_it_can_be_copied_and_pickled(kind, options):
    layer = twins(kind, options)[0]
    x = rows_of(options)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other(x)[0], layer(x)[0])


def test_what_it_prints():
    layer = catena.nn.LSTM(3, 5, 2, bidirectional=True, zoneout=0.1, backend="reference")
    assert repr(layer) == (
        "LSTM(3, 5, num_layers=2, bidirectional=True, zoneout=0.1, backend='reference')"
    )
    assert repr(catena.nn.RNN(3, 5)) == "RNN(3, 5)"


def test_device_and_dtype():
    layer = catena.nn.GRU(3, 5, device="meta", dtype=torch.float64, learned_start=True)
    assert {(p.device.type, p.dtype) for p in layer.parameters()} == {("meta", torch.float64)}


def test_a_parametrised_weight_is_used():
    layer = catena.nn.GRU(3, 5)
    x = torch.randn(4, 2, 3)
    before = layer(x)[0]
    torch.nn.utils.parametrize.register_parametrization(layer, "weight_hh_l0", _Doubled())
    doubled = layer(x)[0]
    torch.nn.utils.parametrize.remove_parametrizations(layer, "weight_hh_l0")
    assert torch.equal(layer(x)[0], doubled)
    assert not torch.equal(before, doubled)


class _Doubled(torch.nn.Module):
    def forward(self, weight):
        return 2 * weight


# -- results -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("given", [False, True], ids=["from zero", "hx"])
@every_layer
@torch.no_grad()
def test_a_rectangle(kind, options, given, dtype):
    ours, theirs = (layer.to(dtype) for layer in twins(kind, options))
    x = rows_of(options).to(dtype)
    hx = start(theirs, len(LENGTHS), dtype) if given else None
    (found, last), (wanted, after) = ours(x, hx), theirs(x, hx)
    same(found, wanted, dtype)
    same(last, after, dtype)
    assert type(last) is type(after)


@pytest.mark.parametrize("given", [False, True], ids=["from zero", "hx"])
@every_layer
@torch.no_grad()
def test_a_single_sequence(kind, options, given):
    ours, theirs = twins(kind, options)
    x = torch.randn(6, 3)
    hx = start(theirs, None) if given else None
    (found, last), (wanted, after) = ours(x, hx), theirs(x, hx)
    same(found, wanted)
    same(last, after)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("enforce_sorted", [False, True])
@pytest.mark.parametrize("given", [False, True], ids=["from zero", "hx"])
@every_layer
@torch.no_grad()
def test_a_packed_sequence(kind, options, given, enforce_sorted, dtype):
    ours, theirs = (layer.to(dtype) for layer in twins(kind, options))
    x = packed(enforce_sorted=enforce_sorted, dtype=dtype)
    hx = start(theirs, len(LENGTHS), dtype) if given else None
    (found, last), (wanted, after) = ours(x, hx), theirs(x, hx)
    assert type(found) is type(wanted)
    same(found.data, wanted.data, dtype)
    same(last, after, dtype)
    assert torch.equal(found.batch_sizes, wanted.batch_sizes)
    for ours_at, theirs_at in zip(found[2:], wanted[2:], strict=True):
        assert ours_at is theirs_at is None or torch.equal(ours_at, theirs_at)


@pytest.mark.parametrize("given", [False, True], ids=["from zero", "hx"])
@every_layer
@torch.no_grad()
def test_lengths_beside_padded_input(kind, options, given):
    """As packing, running and padding again."""
    ours, theirs = twins(kind, options)
    x, first = rows_of(options, steps=9), options.get("batch_first", False)
    hx = start(theirs, len(LENGTHS)) if given else None
    output, after = theirs(pack_padded_sequence(x, LENGTHS, first, enforce_sorted=False), hx)
    wanted, _ = pad_packed_sequence(output, first, total_length=9)
    for lengths in (LENGTHS, torch.tensor(LENGTHS), torch.tensor(LENGTHS, dtype=torch.int32)):
        found, last = ours(x, hx, lengths=lengths)
        same(found, wanted)
        same(last, after)


def one_by_one(layer, rows, hx):
    """Each sequence run alone; one of length 0 shows nothing and keeps its state."""
    shown, states = [], []
    width = (getattr(layer, "proj_size", 0) or layer.hidden_size) * (1 + layer.bidirectional)
    for i, row in enumerate(rows):
        own = tuple(part[:, i] for part in parts(hx))
        if len(row):
            output, after = layer(row, own if len(own) > 1 else own[0])
            shown.append(output)
            states.append(parts(after))
        else:
            shown.append(torch.zeros(0, width))
            states.append(own)
    return shown, tuple(torch.stack(part, 1) for part in zip(*states, strict=True))


@pytest.mark.parametrize("lengths", [[2, 0, 5, 1, 0, 5], [0, 3], [0, 0]])
@every_layer
@torch.no_grad()
def test_ragged_batches_equal_each_sequence_alone(kind, options, lengths):
    """Through torch.nn's layer, on both ragged forms of input."""
    ours, theirs = twins(kind, options)
    rows = [torch.randn(length, 3) for length in lengths]
    hx = start(theirs, len(lengths))
    wanted, after = one_by_one(theirs, rows, hx)
    listed, last = ours(Sequences(torch.cat(rows), torch.tensor(lengths)), hx)
    assert isinstance(listed, Sequences)
    assert listed.lengths.tolist() == lengths
    same(listed.values, torch.cat(wanted))
    same(parts(last), after)
    first = options.get("batch_first", False)
    x = torch.full((len(lengths), 6, 3), float("nan"))  # what is padding must not matter
    for i, row in enumerate(rows):
        x[i, : len(row)] = row
    found, last = ours(x if first else x.transpose(0, 1), hx, lengths=lengths)
    same(parts(last), after)
    for i, row in enumerate(wanted):
        own = found[i] if first else found[:, i]
        same(own[: len(row)], row)
        assert not own[len(row) :].any()


@every_layer
def test_every_gradient(kind, options):
    """Parameters, input and hx, through a packed batch and through lengths."""
    ours, theirs = twins(kind, options)
    torch.manual_seed(3)
    x, first = rows_of(options), options.get("batch_first", False)
    hx = start(theirs, len(LENGTHS))
    found = gradients(ours, x, hx, lambda x, hx: ours(x, hx, lengths=LENGTHS))

    def reference(x, hx):
        output, after = theirs(pack_padded_sequence(x, LENGTHS, first, enforce_sorted=False), hx)
        return pad_packed_sequence(output, first)[0], after

    wanted = gradients(theirs, x, hx, reference)
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, wanted[name], rtol=2e-5, atol=2e-6)


def gradients(layer, x, hx, run):
    """Of a random sum of all that `run` returns, by name."""
    x = x.clone().requires_grad_()
    begin = tuple(part.clone().requires_grad_() for part in parts(hx))
    output, last = run(x, begin if len(begin) > 1 else begin[0])
    generator = torch.Generator().manual_seed(5)
    loss = sum(
        (part * torch.randn(part.shape, generator=generator)).sum()
        for part in (output, *parts(last))
    )
    loss.backward()
    found = {name: p.grad for name, p in layer.named_parameters()}
    return {**found, "x": x.grad, **{f"state {i}": part.grad for i, part in enumerate(begin)}}


@every_kind
def test_no_steps_and_no_sequences(kind):
    layer, _ = twins(kind, {"num_layers": 2, "bidirectional": True})
    for steps, rows in ((0, 2), (3, 0)):
        hx = start(layer, rows)
        output, last = layer(torch.zeros(steps, rows, 3), hx)
        assert output.shape == (steps, rows, 10)
        same(last, hx)


@every_kind
def test_rectangles_of_different_sizes_in_any_mode(kind):
    """What is kept from call to call belongs to its size, and may be used in training later."""
    layer, theirs = twins(kind)
    for steps, rows in ((4, 2), (2, 4), (4, 2)):
        x = torch.randn(steps, rows, 3)
        with torch.inference_mode():
            layer(x)
        output, _ = layer(x)
        output.sum().backward()
        same(output, theirs(x)[0])


def test_autocast_takes_what_other_layers_give():
    layer = catena.nn.LSTM(3, 5)
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = layer(torch.randn(4, 2, 3).bfloat16())
    assert output.shape == (4, 2, 5)


# -- errors ------------------------------------------------------------------------------------

BAD_CALLS = {
    "1 dimension": lambda m: m(torch.zeros(3)),
    "4 dimensions": lambda m: m(torch.zeros(1, 1, 1, 3)),
    "features": lambda m: m(torch.zeros(4, 2, 5)),
    "features of one": lambda m: m(torch.zeros(4, 5)),
    "dtype": lambda m: m(torch.zeros(4, 2, 3).double()),
    "hx rows": lambda m: m(torch.zeros(4, 2, 3), start(m, 3)),
    "hx rows packed": lambda m: m(packed(), start(m, 3)),
    "hx of one for a batch": lambda m: m(torch.zeros(4, 2, 3), start(m, None)),
    "hx of a batch for one": lambda m: m(torch.zeros(4, 3), start(m, 1)),
    "hx layers": lambda m: m(torch.zeros(4, 2, 3), start(type(m)(3, 5, 2), 2)),
    "hx units": lambda m: m(torch.zeros(4, 2, 3), start(type(m)(3, 6), 2)),
}


@pytest.mark.parametrize("call", BAD_CALLS.values(), ids=BAD_CALLS)
@every_kind
def test_the_same_class_of_error(kind, call):
    ours, theirs = twins(kind)
    with pytest.raises((ValueError, RuntimeError)) as wanted:
        call(theirs)
    with pytest.raises(wanted.type) as found:
        call(ours)
    assert isinstance(found.value, CatenaError)


@every_kind
def test_packed_input_of_the_wrong_shape(kind):
    """An error, and of PyTorch's class, for its LSTM too, which takes too many features."""
    layer, _ = twins(kind)
    for rows in (torch.zeros(2, 5), torch.zeros(2, 3, 3), torch.zeros(2)):
        with pytest.raises(RuntimeError, match="input_size=3"):
            layer(pack_sequence([rows]))
        with pytest.raises(CatenaError, match="input_size=3"):
            layer(Sequences.from_list([rows]))


@pytest.mark.parametrize(
    "options",
    [
        {"input_size": 0},
        {"hidden_size": 0},
        {"hidden_size": 2.0},
        {"input_size": "3"},
        {"num_layers": 0},
        {"bias": 1},
        {"batch_first": 1},
        {"dropout": 1.5, "num_layers": 2},
        {"dropout": True, "num_layers": 2},
    ],
)
@every_kind
def test_the_same_class_of_error_when_made(kind, options):
    options = {"input_size": 3, "hidden_size": 5, **options}
    with pytest.raises((ValueError, TypeError)) as wanted:
        getattr(torch.nn, kind)(**options)
    with pytest.raises(wanted.type):
        getattr(catena.nn, kind)(**options)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: catena.nn.LSTM(3, 5, proj_size=5), "proj_size"),
        (lambda: catena.nn.LSTM(3, 5, proj_size=-1), "proj_size"),
        (lambda: catena.nn.RNN(3, 5, nonlinearity="sine"), "sine"),
        (lambda: catena.nn.GRU(3, 5, zoneout=-0.1), "zoneout"),
        (lambda: catena.nn.GRU(3, 5, weight_drop=2), "weight_drop"),
        (lambda: catena.nn.GRU(3, 5, recurrent_dropout="no"), "recurrent_dropout"),
        (lambda: catena.nn.LSTM(3, 5, bias=False, forget_bias=1.0), "forget_bias"),
    ],
)
def test_a_layer_that_cannot_be(make, word):
    with pytest.raises(CatenaError, match=word):
        make()


@pytest.mark.parametrize(
    ("lengths", "word"),
    [
        ([1, 2, 3], "shape"),
        ([5, 1], "from 0 to 4"),
        ([-1, 1], "from 0 to 4"),
        ([1.0, 2.0], "integers"),
        ([[1, 2]], "shape"),
    ],
)
def test_lengths_that_do_not_fit(lengths, word):
    layer = catena.nn.GRU(3, 5)
    with pytest.raises(CatenaError, match=word):
        layer(torch.zeros(4, 2, 3), lengths=lengths)


def test_lengths_where_there_is_no_room_for_them():
    layer = catena.nn.GRU(3, 5)
    for input in (torch.zeros(4, 3), packed(), Sequences.from_list([torch.zeros(4, 3)])):
        with pytest.raises(CatenaError, match="lengths"):
            layer(input, lengths=[4])
    with pytest.raises(CatenaError, match="part"):
        catena.nn.LSTM(3, 5)(torch.zeros(4, 2, 3), torch.zeros(1, 2, 5))


def test_dropout_without_a_second_layer_is_warned_of():
    with pytest.warns(UserWarning, match="num_layers=1"):
        catena.nn.GRU(3, 5, dropout=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        catena.nn.GRU(3, 5, 2, dropout=0.5)


# -- random draws ------------------------------------------------------------------------------

NOISES = [
    {"dropout": 0.5, "num_layers": 2},
    {"recurrent_dropout": 0.5},
    {"weight_drop": 0.5},
    {"zoneout": 0.5},
    {"zoneout": 0.5, "recurrent_dropout": 0.5, "weight_drop": 0.5, "bidirectional": True},
]
every_noise = pytest.mark.parametrize("options", NOISES, ids=str)


@every_noise
@every_kind
def test_draws_come_from_the_caller_s_seed(kind, options):
    layer, x = getattr(catena.nn, kind)(3, 5, **options), torch.randn(6, 4, 3)

    def seeded(seed, own):
        generator = torch.Generator().manual_seed(seed) if own else None
        if not own:
            torch.manual_seed(seed)
        return layer(x, generator=generator)[0]

    for own in (False, True):
        assert torch.equal(seeded(1, own), seeded(1, own))
        assert not torch.equal(seeded(1, own), seeded(2, own))
    before = torch.get_rng_state()
    seeded(1, True)
    assert torch.equal(torch.get_rng_state(), before)


@every_noise
@every_kind
def test_evaluation_draws_nothing(kind, options):
    layer = getattr(catena.nn, kind)(3, 5, **options).eval()
    before, x = torch.get_rng_state(), torch.randn(6, 4, 3)
    first = layer(x)[0]
    assert torch.equal(first, layer(x)[0])
    torch.set_rng_state(before)
    torch.randn(6, 4, 3)
    plain = torch.get_rng_state()
    layer(x)
    assert torch.equal(torch.get_rng_state(), plain)
    if "zoneout" not in options:  # which evaluates to its expectation
        _, theirs = twins(kind, {key: options[key] for key in ("num_layers",) if key in options})
        theirs.load_state_dict(layer.state_dict())
        same(first, theirs(x)[0])


@torch.no_grad()
def test_dropout_lies_between_layers():
    """All dropped, the second layer sees zeros; alone, a layer drops nothing."""
    for generator in (None, torch.Generator()):
        layer = catena.nn.GRU(3, 5, 2, dropout=1.0)
        plain = layer(torch.randn(4, 2, 3), generator=generator)[0]
        assert torch.equal(plain, layer(torch.randn(4, 2, 3), generator=generator)[0])


@pytest.mark.parametrize("own", [False, True])
def test_what_is_dropped_and_what_is_scaled(own):
    """Over an identity: each value is 0 or doubled, half of them each, within four deviations."""
    layer = catena.nn.RNN(100, 100, 2, nonlinearity="relu", dropout=0.5, bias=False)
    with torch.no_grad():
        for place in layer.all_weights:
            place[0].copy_(torch.eye(100))
            place[1].zero_()
    generator = torch.Generator().manual_seed(0) if own else None
    torch.manual_seed(0)
    output, _ = layer(torch.ones(20, 5, 100), generator=generator)
    assert set(output.unique().tolist()) == {0.0, 2.0}
    assert abs(float(output.detach().mean()) - 1) < 4 / 10_000**0.5


def counter(**options):
    """h_t = h_{t-1} + x_t in each of 1,000 units."""
    layer = catena.nn.RNN(1, 1000, nonlinearity="relu", bias=False, **options)
    with torch.no_grad():
        layer.weight_ih_l0.fill_(1.0)
        layer.weight_hh_l0.copy_(torch.eye(1000))
    return layer


def test_recurrent_dropout_is_one_mask_a_sequence():
    """A unit loses all of its past or has it scaled at every step: h = 1 or 2^T - 1."""
    output, _ = counter(recurrent_dropout=0.5)(torch.ones(6, 3, 1))
    assert set(output[-1].unique().tolist()) == {1.0, 63.0}
    assert abs(float((output[-1] == 1).float().mean()) - 0.5) < 4 * 0.5 / 3000**0.5
    assert not torch.equal(output[-1, 0], output[-1, 1])


def test_weight_drop_is_one_mask_a_forward_pass():
    output, _ = counter(weight_drop=0.5)(torch.ones(6, 3, 1))
    assert set(output[-1].unique().tolist()) == {1.0, 63.0}
    assert torch.equal(output[:, 0], output[:, 1])


def test_zoneout_draws_one_seed_a_forward_pass():
    """Layer and direction number `place` uses seed + place."""
    layer = counter(zoneout=0.5)
    torch.manual_seed(3)
    output, _ = layer(torch.ones(6, 3, 1))
    torch.manual_seed(3)
    seed, h = int(torch.randint(2**31, ())), torch.zeros(3, 1000)
    for t, shown in enumerate(output):
        kept = uniform(seed, t, torch.arange(3), torch.arange(1000)) < 0.5
        h = torch.where(kept, h, h + 1)
        assert torch.equal(shown, h)


def test_layers_and_directions_draw_their_own():
    layer = catena.nn.RNN(4, 4, 1, bidirectional=True, zoneout=0.5)
    with torch.no_grad():
        for ahead, behind in zip(*layer.all_weights, strict=True):
            behind.copy_(ahead)
    x = torch.randn(1, 50, 4)
    output, _ = layer(x)
    assert not torch.equal(*output.chunk(2, -1))
    assert torch.equal(*layer.eval()(x)[0].chunk(2, -1))


# -- variants ----------------------------------------------------------------------------------


@every_variant
def test_a_learned_start_is_where_it_starts(kind, options):
    options = {**options, "learned_start": True, "num_layers": 2}
    layer = getattr(catena.nn, kind)(3, 5, **options).eval()
    starts = [layer.h_0, layer.c_0] if kind == "LSTM" else [layer.h_0]
    for part in starts:
        torch.nn.init.normal_(part)
    x = rows_of(options)
    hx = tuple(part[:, None].expand(-1, 4, -1) for part in starts)
    given = layer(x, hx if len(hx) > 1 else hx[0], lengths=LENGTHS)[0]
    found = layer(x, lengths=LENGTHS)[0]
    assert torch.equal(found, given)
    found.sum().backward()
    assert all(bool(part.grad.abs().sum() > 0) for part in starts)


@every_variant
@torch.no_grad()
def test_a_variant_on_ragged_batches_equals_each_sequence_alone(kind, options):
    layer = getattr(catena.nn, kind)(3, 5, **{**options, "num_layers": 2}).eval()
    lengths = [2, 0, 5]
    rows = [torch.randn(length, 3) for length in lengths]
    hx = start(layer, 3)
    wanted, after = one_by_one(layer, rows, hx)
    found, last = layer(Sequences.from_list(rows), hx)
    same(found.values, torch.cat(wanted))
    same(parts(last), after)


@every_variant
def test_a_variant_s_every_parameter_has_a_gradient(kind, options):
    layer = getattr(catena.nn, kind)(3, 5, **options)
    output, last = layer(rows_of(options), lengths=LENGTHS)
    (output.sum() + sum(part.sum() for part in parts(last))).backward()
    assert all(bool(p.grad.isfinite().all()) for p in layer.parameters())
    assert all(bool(p.grad.abs().sum() > 0) for p in layer.parameters())


# -- frozen ------------------------------------------------------------------------------------

FROZEN = {
    "RNN": ("RNN", {"nonlinearity": "relu"}),
    "GRU": ("GRU", {"num_layers": 2, "bias": False}),
    "LSTM": ("LSTM", {"bidirectional": True, "num_layers": 2}),
    "variants": ("LSTM", {"peephole": True, "zoneout": 0.3, "recurrent_dropout": 0.2}),
    "norm": ("LSTM", {"layer_norm": True}),
    "norm, no bias": ("GRU", {"layer_norm": True, "bias": False}),
    "bfloat16": ("LSTM", {"dtype": torch.bfloat16}),
}


@pytest.fixture(params=FROZEN)
def thawed(request):
    """A layer in evaluation, not frozen, and an input for it."""
    kind, options = FROZEN[request.param]
    torch.manual_seed(0)
    layer = getattr(catena.nn, kind)(3, 20, backend="native", **options).eval()
    return layer, torch.randn(6, 4, 3, dtype=layer.weight_ih_l0.dtype)


def same_results(layer, other, x, **options):
    with torch.no_grad():
        pairs = zip(parts_of(layer(x, **options)), parts_of(other(x, **options)), strict=True)
        return all(torch.equal(a, b) for a, b in pairs)


def parts_of(result):
    output, last = result
    return [output, *(last if isinstance(last, tuple) else (last,))]


@pytest.mark.parametrize("options", [{}, {"lengths": [6, 0, 1, 3]}])
def test_a_frozen_layer_gives_the_same_bits(thawed, options):
    layer, x = thawed
    frozen = copy.deepcopy(layer).freeze()
    assert not frozen.training
    assert same_results(frozen, layer, x, **options)
    assert same_results(copy.deepcopy(frozen), layer, x, **options)


def test_a_frozen_layer_packs_nothing_again(thawed, monkeypatch):
    layer, x = thawed
    frozen = copy.deepcopy(layer).freeze()
    frozen(x)

    def unasked(*args, **kwargs):
        raise AssertionError("packed again")

    monkeypatch.setattr("catena.kernels.cell.native.pack_forward", unasked)
    frozen(x)
    with pytest.raises(AssertionError, match="packed again"), torch.no_grad():
        layer(x)


def test_a_frozen_layer_takes_no_notice_of_its_parameters(thawed):
    layer, x = thawed
    frozen = copy.deepcopy(layer).freeze()
    for parameter in frozen.parameters():
        parameter.data.zero_()
    assert same_results(frozen, layer, x)


def twice(layer):
    for parameter in layer.parameters():
        parameter.data.mul_(2)
    return layer


THAW = {
    "train": lambda layer: twice(layer).train().eval(),
    "load": lambda layer: layer.load_state_dict(twice(copy.deepcopy(layer)).state_dict()),
    "load into a parent": lambda layer: torch.nn.Sequential(layer).load_state_dict(
        twice(copy.deepcopy(torch.nn.Sequential(layer))).state_dict()
    ),
    "apply": lambda layer: twice(layer).to(layer.weight_ih_l0.dtype),
}


@pytest.mark.parametrize("way", THAW)
def test_what_ends_it(thawed, way):
    layer, x = thawed
    frozen = copy.deepcopy(layer).freeze()
    THAW[way](frozen)
    assert same_results(frozen, twice(layer), x)


def test_a_gradient_through_a_frozen_layer():
    """Of the input or of where it starts, which the packed weights cannot give."""
    layer = catena.nn.LSTM(3, 5)
    frozen = copy.deepcopy(layer).freeze()
    for place in ("input", "start"):
        found = []
        for one in (layer, frozen):
            torch.manual_seed(1)
            x, state = torch.randn(6, 2, 3), [torch.randn(1, 2, 5) for _ in "hc"]
            leaf = (x if place == "input" else state[1]).requires_grad_()
            found.append(torch.autograd.grad(one(x, state)[0].sum(), leaf)[0])
        assert torch.equal(*found)


def test_what_cannot_be_frozen():
    with pytest.raises(CatenaError, match="float64"):
        catena.nn.GRU(3, 5, dtype=torch.float64).freeze()
