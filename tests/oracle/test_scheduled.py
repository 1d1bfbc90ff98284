"""Scheduled sampling: what is fed is what a plain loop feeds, and drawn from the model."""

import pytest
import torch

from catena import GRU, LSTM, CatenaError, Sequences, Symbols
from catena.scheduled import ScheduledSampling, mixed
from catena.tasks.encoder_decoder import Looking, encoder_decoder

READ = Symbols(("⟨unk⟩", "a", "b", "c"))
WRITTEN = Symbols(("⟨unk⟩", "a", "y", "z"))


def made(**looking):
    torch.manual_seed(3)
    decoder = LSTM(units=6, embedding=3, layers=2)
    model = encoder_decoder(GRU(units=5, embedding=3), decoder, READ, WRITTEN, Looking(**looking))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return model.double().train()


def pairs(lengths=(3, 0, 7, 1)):
    torch.manual_seed(4)
    values = torch.randint(4, (2, sum(lengths)))
    return [Sequences(row, torch.tensor(lengths)) for row in values]


LOOKING = [{}, {"feeding": True}, {"copy": True, "coverage": True}]


@pytest.mark.parametrize("looking", LOOKING, ids=str)
def test_what_is_fed_is_what_the_loop_feeds(looking):
    model, (sources, targets) = made(**looking), pairs()
    torch.manual_seed(9)
    found = mixed(model.given(sources), targets, 0.6)
    chance = targets.with_values(_uniform(9, targets.total))
    assert found.lengths.equal(targets.lengths)
    for i, (source, target) in enumerate(zip(sources, targets, strict=True)):
        alone, fed = model.given(Sequences.from_list([source])), []
        state = alone.start(1)
        for symbol, (coin, where) in zip(target.tolist(), chance[i].tolist(), strict=True):
            if coin < 0.6:
                p = alone.next(state).probs[0, :4].detach()  # type: ignore[attr-defined]
                mass = (p / p.sum()).cumsum(0).tolist()
                symbol = next(k for k, before in enumerate(mass) if where < before)
            fed.append(symbol)
            state = alone.step(state, torch.tensor([symbol]))
        assert found[i].tolist() == fed


def _uniform(seed, count):
    torch.manual_seed(seed)
    return torch.rand(count, 2, dtype=torch.float64)


def test_draws_come_as_often_as_the_model_says():
    model = made()
    sources = Sequences.from_list([torch.tensor([1, 2])] * 4000)
    targets = Sequences(torch.full((4000,), 3), torch.ones(4000, dtype=torch.int64))
    torch.manual_seed(0)
    given = model.given(sources)
    drawn = mixed(given, targets, 1.0).values
    p = given.next(given.start(4000)).probs[0, :4].detach()  # type: ignore[attr-defined]
    shares = torch.bincount(drawn, minlength=4) / 4000
    torch.testing.assert_close(shares.double(), p / p.sum(), atol=0.03, rtol=0.0)  # 3.8 sigma


def test_the_targets_are_scored_given_what_was_fed():
    model, (sources, targets) = made(), pairs()
    model.scheduled = ScheduledSampling(0.8)
    plain = model.log_prob(sources, targets).values
    model.at(0.5)
    torch.manual_seed(5)
    found = model.log_prob(sources, targets)
    torch.manual_seed(5)
    fed = mixed(model.given(sources), targets, 0.4)
    assert fed.values.ne(targets.values).any()
    wanted = model.given(sources).score(fed).log_prob
    again = model.given(sources).score(targets, fed=fed).log_prob.values
    torch.testing.assert_close(found.values, again)
    # Where the same symbol is asked for after the same beginning, the same is found.
    first = found.offsets[:-1]
    torch.testing.assert_close(found.values[first], plain[first])
    same = torch.cat([(a == b) for a, b in zip(_ended(targets), _ended(fed), strict=True)])
    torch.testing.assert_close(found.values[same], wanted.values[same])
    assert not torch.allclose(found.values, plain)
    model.eval()
    torch.testing.assert_close(model.log_prob(sources, targets).values, plain)


def _ended(sequences):
    return [torch.cat([row, torch.tensor([4])]) for row in sequences]


def test_the_share_rises():
    for rise, shares in {
        "linear": (0.0, 0.2, 0.4),
        "sigmoid": (0.0, 0.2, 0.4),
        "constant": (0.4, 0.4, 0.4),
    }.items():
        schedule = ScheduledSampling(0.4, rise)
        assert [schedule.at(done) for done in (0.0, 0.5, 1.0)] == pytest.approx(shares, abs=2e-3)
    with pytest.raises(CatenaError, match="share"):
        ScheduledSampling(1.5)
    with pytest.raises(CatenaError, match="rise must be one of"):
        ScheduledSampling(rise="square")
