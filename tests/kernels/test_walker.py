"""Walkers against stepping: the same numbers, whatever layers are stacked and what they learn."""

import copy
import itertools
from unittest.mock import patch

import pytest
import torch

from catena import Residual, Sequences, Stack
from catena.attending import Attending
from catena.attention import attention_for
from catena.kernels.cell import walker as module
from catena.kernels.cell.walker import CellWalker
from catena.ladder.gru import GRUCell
from catena.ladder.lstm import LSTMCell
from catena.ladder.rnn import ElmanCell
from catena.walking import Steps, walk

KINDS = {"rnn": ElmanCell, "gru": GRUCell, "lstm": LSTMCell}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
INPUTS, STEPS = 5, 9


def pushed(recurrence):
    """Every parameter away from zero, so that the learned start counts too, but not so far that a
    step makes differences grow: rounding would grow with them."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in recurrence.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter) / parameter.shape[-1] ** 0.5)
    return recurrence.eval()


def close(found, wanted):
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def compare(recurrence, walker, state, inputs):
    """Both go on through inputs `[steps, batch, size]`."""
    for x in inputs:
        state = recurrence.step(state, x)
        walker.push(x)
        close(walker.features, recurrence.read(state))
        close(walker.state, state)


def check(recurrence, batch=1):
    state = recurrence.start(batch)
    walker = walk(recurrence, state)
    close(walker.features, recurrence.read(state))
    compare(recurrence, walker, state, torch.randn(STEPS, batch, INPUTS))


@every_kind
def test_a_layer(kind):
    for units, batch in itertools.product((1, 7, 33), (1, 2, 7)):
        layer = pushed(kind(INPUTS, units))
        assert isinstance(walk(layer, layer.start(batch)), CellWalker)
        check(layer, batch)


@every_kind
def test_a_stack(kind):
    check(pushed(Stack([kind(INPUTS, 7), kind(7, 3), Residual(kind(3, 3))])), 2)


def test_a_stack_of_different_kinds_and_of_stacks():
    within = Stack([Residual(ElmanCell(4, 4)), GRUCell(4, 4)])
    check(pushed(Stack([LSTMCell(INPUTS, 4), Residual(within), Residual(GRUCell(4, 4))])), 3)


@every_kind
def test_from_any_state_on(kind):
    layer = pushed(Stack([kind(INPUTS, 7), kind(7, 7)]))
    walker, inputs = walk(layer, layer.start(4)), torch.randn(STEPS, 4, INPUTS)
    for x in inputs:
        walker.push(x)
    chosen = torch.tensor([3, 1])
    state = tuple(part[chosen] for part in walker.state)
    again = walk(layer, state)
    close(again.features, walker.features[chosen])
    compare(layer, again, state, inputs[:, chosen])


@every_kind
def test_a_stored_state_goes_on_to_the_bit(kind):
    layer = pushed(Stack([kind(INPUTS, 7), Residual(kind(7, 7))]))
    walker = walk(layer, layer.start(1))
    for x in torch.randn(3, 1, INPUTS):
        walker.push(x)
    again = walk(layer, walker.state)
    for x in torch.randn(3, 1, INPUTS):
        walker.push(x)
        again.push(x)
        assert torch.equal(walker.features, again.features)


@every_kind
def test_a_state_that_was_read_stays_as_it_was(kind):
    layer = pushed(Residual(kind(INPUTS, INPUTS)))
    walker, x = walk(layer, layer.start(1)), torch.randn(1, INPUTS)
    walker.push(x)
    state = walker.state
    kept = [part.clone() for part in state]
    x.zero_()
    walker.push(torch.randn(1, INPUTS))
    assert all(map(torch.equal, state, kept))


def learns(layer):
    optimizer = torch.optim.AdamW(layer.parameters(), 0.1)
    (features, *_) = layer.step(layer.start(1), torch.ones(1, INPUTS))
    features.sum().backward()
    optimizer.step()


def loads(layer):
    layer.load_state_dict(pushed(copy.deepcopy(layer)).state_dict())


def loads_by_assigning(layer):
    layer.load_state_dict(pushed(copy.deepcopy(layer)).state_dict(), assign=True)


def is_given_other_numbers(layer):
    layer.weight_hh.data = torch.randn_like(layer.weight_hh)


@every_kind
@pytest.mark.parametrize("change", [learns, loads, loads_by_assigning, is_given_other_numbers])
def test_what_a_layer_learns_reaches_its_walkers(kind, change):
    layer = pushed(kind(INPUTS, 7))
    walker, inputs = walk(layer, layer.start(1)), torch.randn(STEPS, 1, INPUTS)
    compare(layer, walker, layer.start(1), inputs)
    change(layer)
    compare(layer, walker, walker.state, inputs)
    check(layer)


def test_walkers_share_what_was_packed():
    layer = pushed(LSTMCell(INPUTS, 7))
    with patch.object(module, "pack_layers", wraps=module.pack_layers) as pack:
        walkers = [walk(layer, layer.start(1)) for _ in range(3)]
        for walker in walkers:
            walker.push(torch.randn(1, INPUTS))
        assert pack.call_count == 1
        learns(layer)
        for walker in walkers:
            walker.push(torch.randn(1, INPUTS))
        assert pack.call_count == 2


def test_nothing_is_kept_of_a_layer_that_is_gone():
    before = len(module._FROZEN)
    layer = pushed(LSTMCell(INPUTS, 7))
    walk(layer, layer.start(1))
    assert len(module._FROZEN) == before + 1
    del layer
    assert len(module._FROZEN) == before


def _in_inference_mode():
    with torch.inference_mode():
        return GRUCell(INPUTS, 4)


@pytest.mark.parametrize(
    ("layer", "batch"),
    [(GRUCell(INPUTS, 4).double(), 2), (GRUCell(INPUTS, 4), 0), (_in_inference_mode(), 2)],
    ids=["float64", "no sequence", "inference tensors"],
)
def test_what_has_no_native_step_takes_its_own(layer, batch):
    walker = walk(layer, layer.start(batch))
    assert isinstance(walker, Steps)
    inputs = torch.randn(STEPS, batch, INPUTS, dtype=layer.weight_hh.dtype)
    compare(layer, walker, layer.start(batch), inputs)


@every_kind
def test_inputs_need_not_lie_in_a_row(kind):
    layer = pushed(kind(INPUTS, 7))
    walker = walk(layer, layer.start(2))
    compare(layer, walker, layer.start(2), torch.randn(STEPS, INPUTS, 2).transpose(1, 2))


@pytest.mark.parametrize("feeding", [False, True])
@pytest.mark.parametrize("coverage", [False, True])
@pytest.mark.parametrize("pointing", [False, True])
def test_what_looks_back(feeding, coverage, pointing):
    lengths = torch.tensor([4, 0, 9])
    attention = attention_for("general", 7, 6, coverage=coverage)
    inner = Stack([LSTMCell(INPUTS + (7 if feeding else 0), 7)])
    attending = pushed(Attending(inner, attention, 7, feeding))
    with torch.no_grad():
        memory = attention.memory(Sequences(torch.randn(13, 6), lengths))
        over = attending.over(memory, inner.start(3), pointing=pointing)
    state, walker = over.start(3), walk(over, over.start(3))
    assert not isinstance(walker, Steps)
    close(walker.features, over.read(state))
    compare(over, walker, state, torch.randn(STEPS, 3, INPUTS))


def test_no_graph_grows():
    layer = pushed(Stack([LSTMCell(INPUTS, 4), Residual(GRUCell(4, 4))]))
    walker = walk(layer, layer.start(1))
    walker.push(torch.randn(1, INPUTS))
    assert not walker.features.requires_grad
    assert not any(part.requires_grad for part in walker.state)
