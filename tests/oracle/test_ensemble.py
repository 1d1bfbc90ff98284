"""An ensemble predicts the mean of what its models predict, wherever a model may be used."""

import pytest
import torch

from catena import CatenaError, Generator, Markov, SequenceModel, Sequences, Symbols, Vectors
from catena.ensemble import Together, ensemble
from catena.kernels import explain
from catena.ladder import GRU, HMM, LSTM
from catena.scanning import scan
from catena.search import Beam, Sampling, beam, sample

SPACE = Symbols(("⟨unk⟩", "a", "b", "c"))
BATCH = Sequences.from_list([[1, 2, 3, 1], [], [3], [2, 2]])
MEANS = ("arithmetic", "geometric")


@pytest.fixture(scope="module")
def models() -> list[SequenceModel]:
    chain = Generator(Markov(order=2), space=SPACE).fit([["a", "b", "c"], ["c", "a", "b", "b"]])
    torch.manual_seed(1)
    built = [rung.build(SPACE).eval() for rung in (GRU(units=5), LSTM(units=4), HMM(states=3))]
    return [chain.model_, *built]


@torch.no_grad()
def stepped(models, mean):
    """log p of every step and end by a plain loop over the models one symbol at a time."""
    found = []
    for row in BATCH:
        states = [model.start(1) for model in models]
        for x in [*row.tolist(), SPACE.end_number]:
            log_p = torch.stack(
                [m.next(s).logits.log_softmax(-1)[0] for m, s in zip(models, states, strict=True)]
            ).double()
            p = log_p.exp().mean(0) if mean == "arithmetic" else log_p.mean(0).exp()
            found.append(float((p / p.sum()).log()[x]))
            if x != SPACE.end_number:
                states = [m.step(s, torch.tensor([x])) for m, s in zip(models, states, strict=True)]
    return found


@pytest.mark.parametrize("mean", MEANS)
def test_the_mean_by_a_plain_loop(models, mean):
    found = ensemble(models, mean).log_prob(BATCH).values.tolist()
    assert found == pytest.approx(stepped(models, mean), abs=1e-5)


@pytest.mark.parametrize("mean", MEANS)
def test_scanning_is_stepping(models, mean):
    model = ensemble(models, mean)
    assert "each by its own" in explain(model.recurrence)
    fast, slow = (scan(model.recurrence, BATCH, backend=name) for name in (None, "reference"))
    torch.testing.assert_close(fast.features.values, slow.features.values, atol=1e-5, rtol=1e-5)
    for one, other in zip(fast.state, slow.state, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    total = model.next(fast.state).probs.sum(-1)  # type: ignore[attr-defined]
    assert total.tolist() == pytest.approx([1.0] * 4, abs=1e-5)


@pytest.mark.parametrize("mean", MEANS)
def test_an_ensemble_of_one_is_the_model(models, mean):
    for model in models:
        alone = ensemble([model], mean)
        found, wanted = alone.log_prob(BATCH).values, model.log_prob(BATCH).values
        torch.testing.assert_close(found, wanted.to(found.dtype), atol=1e-6, rtol=1e-6)
        how = Beam(3, max_length=6)
        for one, other in zip(beam(alone, BATCH, how), beam(model, BATCH, how), strict=True):
            assert [h.numbers.tolist() for h in one] == [h.numbers.tolist() for h in other]
            assert [h.log_prob for h in one] == pytest.approx([h.log_prob for h in other], abs=1e-5)
        drawn = [
            sample(m, BATCH, Sampling(max_length=5), torch.Generator().manual_seed(2))
            for m in (alone, model)
        ]
        assert drawn[0].values.tolist() == drawn[1].values.tolist()


def test_what_a_beam_finds_has_the_score_of_the_ensemble(models):
    model = ensemble(models)
    prompt = Sequences.from_list([[1]])
    for hypothesis in beam(model, prompt, Beam(4, max_length=6))[0]:
        whole = Sequences.from_list([[1, *hypothesis.numbers.tolist()]])
        scored = model.log_prob(whole).values[1:]
        wanted = float((scored if hypothesis.ended else scored[:-1]).sum())
        assert hypothesis.log_prob == pytest.approx(wanted, abs=1e-5)


def test_a_state_from_elsewhere_is_understood(models):
    one, other = ensemble(models), ensemble(models)
    state = one.step(one.start(2), torch.tensor([1, 3]))
    torch.testing.assert_close(other.read(state), one.read(state))
    assert not Together(models, "arithmetic").tracking


def test_what_cannot_be_put_together_is_refused(models):
    other = GRU(units=3).build(Symbols(("⟨unk⟩", "a"))).eval()
    with pytest.raises(CatenaError, match="at least one model"):
        ensemble([])
    with pytest.raises(CatenaError, match="model 2 of the ensemble has other symbols"):
        ensemble([models[0], other])
    with pytest.raises(CatenaError, match="these are of numbers"):
        ensemble([GRU(units=3).build(Vectors(2))])
    with pytest.raises(CatenaError, match="mean must be one of"):
        ensemble(models, "harmonic")  # type: ignore[arg-type]
