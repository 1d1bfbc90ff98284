"""The encoder-decoder: the fast path is the loop, the decoder is a model like every other."""

import itertools

import pytest
import torch

from catena import GRU, LSTM, RNN, CatenaError, Markov, Sequences, Symbols, Window
from catena.attending import Over
from catena.combine import Stack
from catena.scanning import scan
from catena.search import Beam, Sampling, beam, sample
from catena.tasks.encoder_decoder import Looking, encoder_decoder

READ = Symbols(("⟨unk⟩", "a", "b", "z", "x"))  # of which the target has the last two
WRITTEN = Symbols(("⟨unk⟩", "x", "y", "z"))


def made(encoder=None, decoder=None, smoothing=0.0, seed=0, **looking):
    torch.manual_seed(seed)
    encoder = encoder or GRU(units=5, embedding=3, bidirectional=True, layers=2)
    decoder = decoder or LSTM(units=6, embedding=3, layers=2, residual=True)
    options = Looking(**looking)
    model = encoder_decoder(encoder, decoder, READ, WRITTEN, options, smoothing).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return model.eval()


def pairs(read=(3, 0, 7, 1), written=(2, 4, 0, 6), seed=1):
    torch.manual_seed(seed)
    both = []
    for lengths, space in ((read, READ), (written, WRITTEN)):
        values = torch.randint(len(space.items), (sum(lengths),))
        both.append(Sequences(values, torch.tensor(lengths)))
    return both


LOOKING = [
    {},
    {"attention": "additive"},
    {"attention": "multi-head", "heads": 2},
    {"feeding": True},
    {"coverage": True},
    {"attention": "additive", "feeding": True, "coverage": True},
    {"copy": True},
    {"copy": True, "attention": "multi-head", "heads": 2, "coverage": True},
]


@pytest.mark.parametrize("looking", LOOKING, ids=str)
@pytest.mark.parametrize("decoder", [RNN, GRU, LSTM])
def test_scoring_is_stepping_and_company_changes_nothing(decoder, looking):
    model = made(decoder=decoder(units=6, embedding=3, layers=2, residual=True), **looking)
    sources, targets = pairs()
    with torch.no_grad():
        whole = model.log_prob(sources, targets).to_list()
        for i, (source, target) in enumerate(zip(sources, targets, strict=True)):
            alone = model.given(Sequences.from_list([source]))
            state, found = alone.start(1), []
            for symbol in [*target.tolist(), WRITTEN.end_number]:
                found.append(alone.next(state).log_prob(torch.tensor([symbol])))
                if symbol != WRITTEN.end_number:
                    state = alone.step(state, torch.tensor([symbol]))
            torch.testing.assert_close(whole[i], torch.cat(found), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("copy", [False, True])
def test_the_kernel_is_the_loop_with_gradients(copy):
    model = made(copy=copy)
    sources, targets = pairs()
    mix = torch.randn(targets.total, 6 + 8 * copy).double()  # 7 weights beside the memory's number
    gradients = []
    for backend in ("all steps at once", "reference"):
        over = model.given(sources).recurrence
        embedded = targets.with_values(model.embed(targets.values))
        scanned = scan(over, embedded, backend=backend)
        loss = (scanned.features.values * mix).sum() + scanned.state[1].sum()
        gradients.append(torch.autograd.grad(loss, [*model.attending.parameters()]))
        assert scanned.state[0].tolist() == [0, 1, 2, 3]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_input_feeding_by_its_formula():
    model = made(feeding=True)
    sources, targets = pairs((4,), (3,))
    memory, inner = model.encoder(sources).values, model.attending.inner
    state = model.bridge(model.summary(model.encoder(sources)), inner.start(1))
    shown = []
    for x in [None, *targets.values]:
        if x is not None:
            state = inner.step(state, torch.cat([model.embed(x[None]), shown[-1]], 1))
        h = inner.read(state)
        a = (h @ model.attending.attention.key(memory).T).softmax(1)
        shown.append(torch.tanh(model.attending.mix(torch.cat([a @ memory, h], 1))))
    wanted = model.head.log_prob(torch.cat(shown), torch.tensor([*targets.values, 4]))
    torch.testing.assert_close(model.log_prob(sources, targets).values, wanted)


@pytest.mark.parametrize("looking", [{"feeding": True}, {"coverage": True}])
def test_what_needs_the_step_before_has_no_kernel_over_all_steps(looking):
    over = made(**looking).given(pairs()[0]).recurrence
    with pytest.raises(CatenaError, match="each step before the next"):
        scan(over, Sequences(torch.zeros(0, 3), torch.zeros(4).long()), backend="all steps at once")


@pytest.mark.parametrize("looking", LOOKING, ids=str)
def test_weights_are_shares_of_the_source_and_tracked(looking):
    model = made(**looking)
    sources, targets = pairs()
    with torch.no_grad():
        weights = model.weights(sources, targets)
        assert weights.lengths.tolist() == (targets.lengths + 1).tolist()
        for row, length in zip(weights, sources.lengths.tolist(), strict=True):
            sums = row.sum(1)
            torch.testing.assert_close(sums, torch.full_like(sums, float(length > 0)))
            assert float(row[:, length:].abs().max()) < 1e-12 if length < row.shape[1] else True
        over = model.given(sources, tracking=True).recurrence
        assert isinstance(over, Over)
        embedded = targets.with_values(model.embed(targets.values))
        uncovered = over.uncovered(scan(over, embedded).state)
        for row, length, value in zip(weights, sources.lengths.tolist(), uncovered, strict=True):
            wanted = row[:, :length].sum(0).clamp(max=1).log().sum()
            torch.testing.assert_close(value, wanted)


def test_smoothing_only_while_learning():
    model, (sources, targets) = made(smoothing=0.3), pairs()
    plain = model.log_prob(sources, targets).values
    smooth = model.train().log_prob(sources, targets).values
    torch.testing.assert_close(made().log_prob(sources, targets).values, plain)
    bound = model.eval().given(sources)
    p = torch.stack([bound.next(bound.start(4)).log_prob(torch.tensor(k)) for k in range(5)], 1)
    first = targets.offsets[:-1] + torch.arange(4)  # each target has one prediction more
    torch.testing.assert_close(smooth[first], 0.7 * plain[first] + 0.3 * p.mean(1))


def read_table(model):
    """The table of the symbols that are read."""
    return model.encoder.embed.table


def test_one_table_for_both_where_they_share_a_vocabulary():
    decoder = LSTM(units=6, embedding=3, tied=True)
    apart = encoder_decoder(GRU(units=5, embedding=3), decoder, READ, WRITTEN, Looking())
    assert read_table(apart) is not apart.embed.table is apart.head.tied
    shared = encoder_decoder(GRU(units=5, embedding=3), decoder, READ, READ, Looking())
    assert read_table(shared) is shared.embed.table is shared.head.tied
    other = encoder_decoder(GRU(units=5, embedding=4), decoder, READ, READ, Looking())
    assert read_table(other) is not other.embed.table


@pytest.mark.parametrize("looking", LOOKING, ids=str)
def test_a_wide_beam_over_a_source_is_exhaustive_in_any_company(looking):
    model, (sources, _) = made(**looking), pairs()
    nothing = Sequences(torch.zeros(0, dtype=torch.int64), torch.zeros(4, dtype=torch.int64))
    how = Beam(200, max_length=3, coverage_penalty=0.2)
    together = beam(model.given(sources, tracking=True), nothing, how)
    every = [c for n in range(3) for c in itertools.product((1, 2, 3), repeat=n)]
    for source, found in zip(sources, together, strict=True):
        whole = Sequences.from_list([list(c) for c in every]).to(torch.int64)
        again = Sequences.concatenate([Sequences.from_list([source])] * len(every))
        with torch.no_grad():
            scored = model.log_prob(again, whole)
            weights = model.weights(again, whole)
        wanted = {}
        for c, row, seen in zip(every, scored, weights, strict=True):
            covered = seen[:, : len(source)].sum(0).clamp(max=1)
            wanted[c] = (float(row.sum()), float(row.sum() + 0.2 * covered.log().sum()))
        ended = {tuple(h.numbers.tolist()): (h.log_prob, h.score) for h in found if h.ended}
        assert ended.keys() == wanted.keys()
        for c in every:
            assert ended[c] == pytest.approx(wanted[c], abs=1e-9)


def test_samples_are_drawn_like_from_every_model():
    model, (sources, _) = made(), pairs()
    nothing = Sequences(torch.zeros(0, dtype=torch.int64), torch.zeros(4, dtype=torch.int64))
    draw = [
        sample(model.given(sources), nothing, Sampling(max_length=9), torch.Generator())
        for _ in range(2)
    ]
    assert draw[0].values.tolist() == draw[1].values.tolist()
    assert set(draw[0].values.tolist()) <= {1, 2, 3}


OPTIONS = [
    {"residual": True, "layers": 3},
    {"start": "zero"},
    {"tied": True},
    {"layer_norm": True, "layers": 2},
    {"dropout": 0.4, "embedding_dropout": 0.2, "layers": 2},
    {"variational": True, "dropout": 0.4, "layers": 2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_options_of_a_rung_hold_in_the_decoder(options):
    model = made(decoder=GRU(units=6, embedding=3, **options))
    sources, targets = pairs()
    with torch.no_grad():
        whole = model.log_prob(sources, targets).to_list()
        alone = model.given(sources[torch.tensor([3])])
        state, found = alone.start(1), []
        for symbol in [*targets[3].tolist(), WRITTEN.end_number]:
            found.append(alone.next(state).log_prob(torch.tensor([symbol])))
            state = alone.step(state, torch.tensor([symbol]))
        torch.testing.assert_close(whole[3], torch.cat(found), rtol=1e-10, atol=1e-10)
        model.train()
        again = [model.log_prob(sources, targets).values for _ in range(2)]
    assert torch.equal(*again) == ("dropout" not in options)


def test_variational_dropout_draws_once_a_target_between_the_decoders_layers():
    model = made(decoder=GRU(units=6, embedding=3, layers=2, variational=True, dropout=0.5)).train()
    inner = model.attending.inner
    assert isinstance(inner, Stack)
    shown = inner.between
    owner = torch.repeat_interleave(torch.tensor([3, 2]))
    dropped = shown(torch.ones(5, 6), owner)
    assert torch.equal(dropped[0], dropped[2])
    assert torch.equal(dropped[3], dropped[4])
    with pytest.raises(CatenaError, match="leave out feeding and coverage"):
        made(decoder=GRU(units=6, variational=True), feeding=True)


def test_what_cannot_encode_or_decode_is_refused():
    with pytest.raises(CatenaError, match="cannot encode"):
        made(encoder=Markov())
    for decoder in (Window(), LSTM(bidirectional=True)):
        with pytest.raises(CatenaError, match="a decoder is an RNN, GRU or LSTM"):
            made(decoder=decoder)
    with pytest.raises(CatenaError, match="3 sequences over 4 sources"):
        made().given(pairs()[0]).start(3)
