"""The laws of the contract, over every rung and over recurrences of a user's own."""

from __future__ import annotations

from unittest.mock import patch

import pytest
import torch
from battery import CASES, TRIED, Case, batches, close, draw
from hypothesis import strategies as st
from torch import Tensor

import catena
from catena import LADDER, Sequences, Symbols, scan
from catena.container import same
from catena.kernels import backends
from catena.learn import Gradient
from catena.model import join
from catena.recurrence import State, select, state_from_bytes, state_to_bytes
from catena.save import load_model, pack, save_model
from catena.scanning import spans
from catena.walking import walk

law = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def test_every_rung_on_the_ladder_is_in_the_battery():
    tried = {type(rung) for rung, _ in TRIED.values()}
    assert set(LADDER) <= tried


def test_every_public_rung_is_in_the_battery():
    tried = {type(rung) for rung, _ in TRIED.values()}
    exported = [getattr(catena, name) for name in catena.__all__]
    rungs = {one for one in exported if isinstance(one, type) and hasattr(one, "build")}
    assert rungs == tried


def test_every_rung_is_tried_on_every_space_it_takes():
    for kind in LADDER:
        spaces = {type(case.space) for case in CASES if isinstance(case.rung, kind)}
        missing = {type(case.space) for case in CASES} - spaces
        for space in missing:
            example = next(case.space for case in CASES if isinstance(case.space, space))
            with pytest.raises(catena.CatenaError, match="symbols"):
                kind().build(example)


@pytest.mark.parametrize("value", [2.5, 2.0, "3", True, None])
@pytest.mark.parametrize(
    ("rung", "option"),
    [
        (catena.Markov, "order"),
        (catena.HMM, "states"),
        (catena.Window, "width"),
        (catena.RNN, "units"),
        (catena.GRU, "layers"),
        (catena.LSTM, "units"),
    ],
)
def test_a_size_is_a_whole_number(rung, option, value):
    with pytest.raises(catena.CatenaError, match=f"{option} must be a whole number, not "):
        rung(**{option: value})


@torch.no_grad()
def stepped(case: Case, sequence: Tensor) -> tuple[Tensor, State]:
    """One sequence alone, one observation at a time: features and the last state."""
    model = case.model
    state, features = model.start(1), []
    for x in sequence:
        state = model.step(state, x[None])
        features.append(model.read(state))
    return (torch.cat(features) if features else model.read(state)[:0]), state


@law
@batches()
def test_a_scan_equals_stepping(case, lengths, seed):
    batch = draw(case.space, lengths, seed)
    with torch.no_grad():
        scanned = scan(case.model, batch)
    for row, sequence in enumerate(batch):
        features, state = stepped(case, sequence)
        close(scanned.features[row], features, case.exact)
        for found, wanted in zip(scanned.state, state, strict=True):
            close(found[row], wanted[0], case.exact)


@law
@batches()
def test_a_walk_equals_stepping(case, lengths, seed):
    model, rows = case.model, 1 + seed % 4
    x = draw(case.space, [rows * max(lengths)], seed).values
    with torch.no_grad():
        state = model.start(rows)
        walker = walk(model.recurrence, state)
        for observations in x.view(-1, rows, *x.shape[1:]):
            state = model.step(state, observations)
            walker.push(model.embed(observations))
            close(walker.features, model.read(state), case.exact)
        for found, wanted in zip(walker.state, state, strict=True):
            close(found, wanted, case.exact)


@law
@batches(span=(st.integers(1, 45), 6))
def test_a_split_scan_equals_a_whole_one(case, lengths, seed, span):
    batch = draw(case.space, lengths, seed)
    with torch.no_grad():
        whole, pieces, state = scan(case.model, batch), [], None
        for piece, _ in spans(batch, span):
            scanned = scan(case.model, piece, state)
            pieces.append(scanned.features)
            state = scanned.state
    close(join(pieces).values, whole.features.values, case.exact)
    for found, wanted in zip(state, whole.state, strict=True):
        close(found, wanted, case.exact)


@law
@batches(reverse=(st.booleans(), True))
def test_every_backend_equals_the_reference_loop(case, lengths, seed, reverse):
    model = case.model
    with torch.no_grad():
        batch = draw(case.space, lengths, seed)
        warm = scan(model, draw(case.space, [(n * 7) % 5 for n in lengths], seed + 1)).state
        embedded = batch.with_values(model.embed(batch.values))
        for recurrence, inputs in ((model, batch), (model.recurrence, embedded)):
            wanted = scan(recurrence, inputs, warm, reverse=reverse, backend="reference")
            for backend in backends(recurrence):
                found = scan(recurrence, inputs, warm, reverse=reverse, backend=backend)
                close(found.features.values, wanted.features.values, case.exact)
                for a, b in zip(found.state, wanted.state, strict=True):
                    close(a, b, case.exact)


@law
@batches()
def test_a_backward_scan_is_a_scan_of_the_turned_sequences(case, lengths, seed):
    batch = draw(case.space, lengths, seed)
    turned = Sequences.from_list([sequence.flip(0) for sequence in batch])
    turned = turned if turned.total else batch
    with torch.no_grad():
        found, wanted = scan(case.model, batch, reverse=True), scan(case.model, turned)
    for a, b in zip(found.features, wanted.features, strict=True):
        close(a, b.flip(0), case.exact)
    for a, b in zip(found.state, wanted.state, strict=True):
        close(a, b, case.exact)


@law
@batches()
def test_company_order_and_empty_sequences_do_not_matter(case, lengths, seed):
    batch = draw(case.space, lengths, seed)
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(seed)).tolist()
    empty = draw(case.space, [0], 0)
    parts = [batch[torch.tensor([row])] for row in order]
    mixed = Sequences.concatenate([empty, *parts, empty, draw(case.space, [13], seed + 1)])
    together = case.model.log_prob(mixed)
    for place, row in enumerate(order):
        alone = case.model.log_prob(batch[torch.tensor([row])])
        close(together[place + 1], alone.values, case.exact)


@law
@batches()
def test_next_distributions_sum_to_one(case, lengths, seed):
    model, space, n = case.model, case.space, len(lengths)
    with torch.no_grad():
        state = scan(model, draw(space, lengths, seed)).state
        following = model.next(state)
        assert following.batch_shape == (n,)
        assert following.event_shape == torch.Size(space.event)
        if not isinstance(space, Symbols):
            return
        # PyTorch's Categorical normalises what it is given, so the head itself is asked too.
        features = model.read(state).repeat_interleave(space.outcomes, 0)
        every = torch.arange(space.outcomes).repeat(n)
        scored = model.head.log_prob(features, every).double().exp().reshape(n, space.outcomes)
    for p in (following.probs.double(), scored):
        assert p.shape == (n, space.outcomes)
        assert (p >= 0).all()
        # Each of a handful of float32 probabilities is off by at most a few 6e-8 of itself.
        assert torch.allclose(p.sum(-1), torch.ones(n).double(), rtol=0, atol=1e-6)


@law
@batches()
def test_log_prob_is_the_sum_of_next_along_the_sequence(case, lengths, seed):
    batch, end = draw(case.space, lengths, seed), case.space.end_number
    found = case.model.log_prob(batch)
    assert found.lengths.tolist() == [n + (end is not None) for n in lengths]
    with torch.no_grad():
        for row, sequence in enumerate(batch):
            state, wanted = case.model.start(1), []
            for x in sequence:
                wanted.append(case.model.next(state).log_prob(x[None]))
                state = case.model.step(state, x[None])
            if end is not None:
                wanted.append(case.model.next(state).log_prob(torch.tensor([end])))
            if wanted:
                # The two ways to a log-probability round differently, in counting rungs too.
                close(found[row], torch.cat(wanted).to(found.values.dtype))


@law
@batches(piece=(st.integers(1, 60), 9))
def test_log_prob_in_pieces_equals_the_whole(case, lengths, seed, piece):
    batch = draw(case.space, lengths, seed)
    whole = case.model.log_prob(batch)
    with patch("catena.model.PIECE", piece):
        found = case.model.log_prob(batch)
    assert found.lengths.tolist() == whole.lengths.tolist()
    close(found.values, whole.values, case.exact)


@law
def test_a_batch_of_no_sequences_has_results(case):
    nothing = draw(case.space, [], 0)
    assert len(case.model.log_prob(nothing)) == 0
    with torch.no_grad():
        scanned = scan(case.model, nothing)
    assert len(scanned.features) == 0
    assert [len(part) for part in scanned.state] == [0] * len(scanned.state)


@law
def test_saving_and_loading_keeps_every_bit(case, tmp_path):
    path, model = tmp_path / "model.safetensors", case.model
    save_model(path, model, pack(case.rung, case.space, Gradient(), {"kind": "generate"}))
    given_again = case.rung if isinstance(case.rung, catena.Custom) else None
    loaded, rung, _ = load_model(path, given_again)
    assert rung == case.rung
    assert loaded.space == case.space
    kept, wanted = loaded.state_dict(), model.state_dict()
    assert list(kept) == list(wanted)
    assert all(same(kept[name], wanted[name]) for name in wanted)
    batch = draw(case.space, [9, 0, 17], 3)
    assert same(loaded.log_prob(batch).values, model.log_prob(batch).values)


@law
@batches()
def test_a_state_survives_being_stored(case, lengths, seed):
    with torch.no_grad():
        state = scan(case.model, draw(case.space, lengths, seed)).state
    back = state_from_bytes(state_to_bytes(state))
    assert len(back) == len(state)
    assert all(same(a, b) for a, b in zip(back, state, strict=True))


def test_a_state_whose_parts_share_memory_is_stored():
    part = torch.randn(2, 3, requires_grad=True)
    state = (part, part, part[:, :1].expand(2, 3), part.T)
    back = state_from_bytes(state_to_bytes(state))
    assert all(same(a, b) for a, b in zip(back, state, strict=True))


@law
@batches()
def test_selected_states_go_on_like_their_rows(case, lengths, seed):
    model, generator = case.model, torch.Generator().manual_seed(seed)
    rows = torch.randint(len(lengths), (1 + seed % 6,), generator=generator)
    with torch.no_grad():
        state = scan(model, draw(case.space, lengths, seed)).state
        x = draw(case.space, [len(rows)], seed + 1).values
        together = model.step(select(state, rows), x)
        for place, row in enumerate(rows.tolist()):
            alone = model.step(tuple(part[row : row + 1] for part in state), x[place][None])
            for found, wanted in zip(together, alone, strict=True):
                close(found[place], wanted[0], case.exact)


@law
@batches()
def test_a_given_state_is_not_changed(case, lengths, seed):
    model = case.model
    batch, x = draw(case.space, lengths, seed), draw(case.space, [len(lengths)], seed + 1).values
    with torch.no_grad():
        state = tuple(part.clone() for part in scan(model, batch).state)
        before = tuple(part.clone() for part in state)
        values = batch.values.clone()
        model.step(state, x)
        model.read(state)
        model.next(state)
        model.score(batch, state)
        for backend in backends(model.recurrence):
            embedded = batch.with_values(model.embed(batch.values))
            scan(model.recurrence, embedded, state, backend=backend)
    assert all(same(a, b) for a, b in zip(state, before, strict=True))
    assert same(values, batch.values)


@law
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_nothing_is_ever_nan(case, size):
    batch = draw(case.space, [40, 0, 1, 12], 7)
    if not isinstance(case.space, Symbols):
        values = (batch.values * size).round() if case.space.kind != "vectors" else batch.values
        values = values.clamp_max(1.0) if case.space.kind == "bits" else values * 1.0
        batch = batch.with_values(values * size if case.space.kind == "vectors" else values)
    scored = case.model.log_prob(batch)
    assert not scored.values.isnan().any()
    with torch.no_grad():
        scanned = scan(case.model, batch)
    assert not any(part.isnan().any() for part in scanned.state if part.is_floating_point())


@law
@batches()
def test_the_future_does_not_reach_back(case, lengths, seed):
    batch = draw(case.space, lengths, seed)
    other = draw(case.space, lengths, seed + 1)
    cut = batch.lengths // 2
    place = torch.arange(batch.total) - batch.offsets[:-1].repeat_interleave(batch.lengths)
    early = place < cut.repeat_interleave(batch.lengths)
    shape = (-1,) + (1,) * len(batch.event)
    changed = batch.with_values(torch.where(early.reshape(shape), batch.values, other.values))
    a, b = case.model.log_prob(batch), case.model.log_prob(changed)
    for row, steps in enumerate(cut.tolist()):
        close(a[row][:steps], b[row][:steps], case.exact)
