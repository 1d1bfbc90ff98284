"""The hidden Markov model: a state that is not seen moves, and emits what is seen.

    p(x_1..x_T, z_1..z_T) = π(z_1) Π A(z_{t-1}, z_t) Π p(x_t given z_t)

    state    b_{t+1} = p(z_{t+1} given x_1..x_t), the belief, `[batch, K]`
    start    b_1 = π
    step     f_t ∝ b_t ∘ p(x_t given z_t)       update: p(z_t given x_1..x_t)
             b_{t+1} = f_t A                    predict
    read     p(x_{t+1} given x_1..x_t) = Σ_k b_{t+1}(k) p(x given z = k)

The notation is Rabiner's (A tutorial on hidden Markov models, 1989). Probabilities are float64;
logarithms are natural.

Where the space predicts the end of a sequence, the end is one more observation, emitted after the
last step by a state z_{T+1}. That state is summed out: beliefs and paths hold the T states of the T
observations, and everything that is said of a whole sequence (`smooth`, `viterbi`, `evidence`,
`log_joint`) takes into account that it ended where it did, by the factor
e(k) = Σ_j A(k, j) p(end given z = j).

An observation that is impossible in every state the model can be in has log-probability -∞, and
the belief goes on as if it had not been seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch import distributions as D

from catena.emission import Categorical, Emission, ExpectationEmission, emission_for
from catena.errors import CatenaError
from catena.kernels.chain import dispatch as chain
from catena.kernels.chain.potentials import Potentials
from catena.kernels.registry import register
from catena.ladder.chain import Propagation, normalised
from catena.ladder.rung import whole
from catena.layout import Layout
from catena.model import SequenceModel
from catena.recurrence import State
from catena.scanning import run, scan
from catena.sequences import Sequences
from catena.space import Space


@dataclass(frozen=True)
class HMM:
    """Hidden Markov model.

    Args:
        states: how many hidden states, K.
        emission: what a state emits; for Vectors "gaussian" (diagonal, the default) or "full",
            elsewhere the space leaves no choice.
    """

    kind: ClassVar[str] = "hmm"
    states: int = 16
    emission: str | None = None

    def __post_init__(self) -> None:
        whole("states", self.states, 1)

    def build(self, space: Space) -> HiddenMarkov:
        """A model over the space, its parameters drawn from torch's generator.

        Raises:
            CatenaError: when the space has no such emission, or EM cannot learn it.
        """
        emission = emission_for(space, self.emission)
        if not isinstance(emission, ExpectationEmission):
            raise CatenaError(
                f"a state cannot emit a {self.emission!r}, whose maximum likelihood has no closed "
                "form; take 'gaussian' or 'full' and more states"
            )
        model = HiddenMarkov(space, emission, self.states)
        nothing = torch.zeros((0, *space.event), dtype=torch.int64)
        model.guess(nothing, torch.default_generator)
        return model


class Likelihood(nn.Module):
    """log p(x given z = k) for every state k.

    Args:
        raw: `[K, size]`, each state's emission parameters, float64.
    """

    def __init__(self, emission: ExpectationEmission, states: int) -> None:
        super().__init__()
        self.emission = emission
        self.raw = nn.Parameter(torch.zeros(states, emission.size, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """`[m, K]` in nats, for x `[m, *event]`."""
        return self.emission.log_prob(self.raw, x.unsqueeze(1))


class Filter(nn.Module):
    """The belief about the state to come, `[batch, K]`; takes log-likelihoods `[batch, K]`.

    `log_initial [K]` and `log_transition [K, K]` are read through a softmax, so that they may be
    unnormalised, as a gradient leaves them; -∞ stays a probability of 0.
    """

    def __init__(self, states: int) -> None:
        super().__init__()
        self.log_initial = nn.Parameter(torch.zeros(states, dtype=torch.float64))
        self.log_transition = nn.Parameter(torch.zeros(states, states, dtype=torch.float64))

    def propagation(self) -> Propagation:
        """The same recurrence with the matrix worked out."""
        return Propagation(self.log_initial.softmax(-1), self.log_transition.softmax(-1))

    def start(self, batch: int) -> State:
        return self.propagation().start(batch)

    def step(self, state: State, x: Tensor) -> State:
        return self.propagation().step(state, x)

    def read(self, state: State) -> Tensor:
        return state[0]


@register(Filter, "hoisted")
def _scan_filter(
    recurrence: Filter, inputs: Tensor, layout: Layout, state: State
) -> tuple[Tensor, State]:
    """Work out the transition matrix once, not at every step."""
    return run(recurrence.propagation(), inputs, layout, state)


class Mixture:
    """The head: each state's emission, weighted by the belief `[m, K]`."""

    def __init__(self, likelihood: Likelihood) -> None:
        self._likelihood = likelihood

    def distribution(self, features: Tensor) -> D.Distribution:
        """p(x given features), batch shape `[m]`."""
        emission: Emission = self._likelihood.emission
        emitted = emission.distribution(self._likelihood.raw)
        if isinstance(emission, Categorical):
            mixed = features @ self._likelihood.raw.softmax(-1)
            return D.Categorical(logits=mixed.log(), validate_args=False)
        weights = D.Categorical(logits=features.log(), validate_args=False)
        return D.MixtureSameFamily(weights, emitted.expand(features.shape), validate_args=False)

    def log_prob(self, features: Tensor, x: Tensor) -> Tensor:
        """log p(x given features) in nats `[m]`, for x `[m, *event]`."""
        return (features.log() + self._likelihood(x)).logsumexp(-1)


class HiddenMarkov(SequenceModel):
    """A sequence model whose state is a belief about a hidden one.

    Args:
        space: what one observation is.
        emission: p(x given z = k), one row of parameters for each state.
        states: K.
    """

    embed: Likelihood
    recurrence: Filter

    def __init__(self, space: Space, emission: ExpectationEmission, states: int) -> None:
        likelihood = Likelihood(emission, states)
        super().__init__(space, likelihood, Filter(states), Mixture(likelihood))

    @property
    def states(self) -> int:
        """How many hidden states, K."""
        return len(self.recurrence.log_initial)

    @property
    def log_initial(self) -> Tensor:
        """log π `[K]`, normalised."""
        return self.recurrence.log_initial.log_softmax(-1)

    @property
    def log_transition(self) -> Tensor:
        """log A `[K, K]`, row: from, column: to; rows normalised."""
        return self.recurrence.log_transition.log_softmax(-1)

    @torch.no_grad()
    def guess(self, x: Tensor, generator: torch.Generator) -> None:
        """Parameters to start learning from: emissions spread over the observations `[m, *event]`,
        every move about equally likely."""
        for moves in (self.recurrence.log_initial, self.recurrence.log_transition):
            jitter = torch.rand(moves.shape, generator=generator, dtype=torch.float64)
            moves.copy_((0.5 + jitter).log().log_softmax(-1))
        self.embed.raw.copy_(self.embed.emission.guess(x, self.states, generator))

    def observed(self, sequences: Sequences, ends: Tensor | None = None) -> Sequences:
        """All that is emitted: the observations, then the end where the space predicts it.

        Args:
            ends: `[n]`, whether a sequence's end lies here; all of them unless given.
        """
        return self._targets(sequences, ends)[0]

    def chain(self, observed: Sequences) -> Potentials:
        """The linear chain over the hidden states whose log Z is the evidence of all that is
        emitted, as `observed` gives it."""
        scores = self.embed(observed.values)
        moves = self.log_transition, self.log_initial
        return Potentials(scores, observed.lengths, *moves, torch.zeros_like(moves[1]))

    # -- inference: what is known of the hidden states ----------------------------------------

    @torch.no_grad()
    def filter(self, sequences: Sequences) -> Sequences:
        """p(z_t given x_1..x_t), `[total, K]`: what is known while the sequence comes in."""
        predicted, log_likelihood = self._predicted(sequences)
        return sequences.with_values(normalised(predicted.log() + log_likelihood, predicted))

    @torch.no_grad()
    def smooth(self, sequences: Sequences) -> Sequences:
        """p(z_t given x_1..x_T), `[total, K]`: what is known afterwards.

        An observation that is impossible after those before it is passed over, and so is an end;
        no value is NaN.
        """
        predicted, scores = self._predicted(sequences)
        impossible = (predicted.log() + scores).logsumexp(-1, keepdim=True) == -torch.inf
        scores = scores.masked_fill(impossible, 0.0)
        moves = self.log_transition, self.log_initial
        ending = Potentials(scores, sequences.lengths, *moves, self._log_end)
        found = chain.expectations(ending, torch.ones_like(sequences.lengths).double())
        endless = found.log_z == -torch.inf  # there the marginals are 0
        if not bool(endless.any()):
            return sequences.with_values(found.marginals)
        going_on = ending._replace(end=torch.zeros_like(ending.end))
        passed_over = chain.expectations(going_on, endless.double()).marginals
        return sequences.with_values(found.marginals + passed_over)

    def _predicted(self, sequences: Sequences) -> tuple[Tensor, Tensor]:
        """p(z_t given x_1..x_{t-1}), and log p(x_t given z_t), `[total, K]` each."""
        log_likelihood = self.embed(sequences.values)
        propagation = self.recurrence.propagation()
        after = scan(propagation, sequences.with_values(log_likelihood)).features.values
        predicted = after.roll(1, 0)
        predicted[_firsts(sequences)] = propagation.first
        return predicted, log_likelihood

    @torch.no_grad()
    def viterbi(self, sequences: Sequences) -> tuple[Sequences, Tensor]:
        """The most probable path of hidden states, `[total]`, and its log joint in nats, `[n]`.

        Of paths that are equally probable, one; the log joint is `log_joint` of it.
        """
        given = self.chain(sequences)._replace(end=self._log_end)
        paths, best = chain.best(given, 1)
        # Where every path is impossible one is as good as another.
        path = sequences.with_values(paths[:, 0].clamp_min(0))
        return path, torch.where(sequences.lengths > 0, best[:, 0], self._log_evidence_of_nothing)

    def evidence(self, sequences: Sequences) -> Tensor:
        """log p(x_1..x_T) in nats, `[n]`, the end included where the space predicts it."""
        return totals(self.log_prob(sequences))

    @torch.no_grad()
    def log_joint(self, sequences: Sequences, paths: Sequences) -> Tensor:
        """log p(x_1..x_T, z_1..z_T) in nats, `[n]`, for paths of hidden states `[total]`.

        Raises:
            CatenaError: when the paths have other lengths or name a state that is not there.
        """
        z = self._checked(sequences, paths)
        terms = self.embed(sequences.values).gather(1, z[:, None]).squeeze(1)
        moves = self.log_transition[z.roll(1), z]
        start = _firsts(sequences)
        terms = terms + moves.index_copy(0, start, self.log_initial[z[start]])
        last = _lasts(sequences)
        terms = terms.index_add(0, last, self._log_end[z[last]])
        found = totals(sequences.with_values(terms))
        return torch.where(sequences.lengths > 0, found, self._log_evidence_of_nothing)

    def _checked(self, sequences: Sequences, paths: Sequences) -> Tensor:
        if not torch.equal(sequences.lengths, paths.lengths):
            raise CatenaError("the paths have other lengths than the sequences")
        z = paths.values.long()
        if bool(((z < 0) | (z >= self.states)).any()):
            raise CatenaError(f"a path names a state outside 0 to {self.states - 1}")
        return z

    @property
    def _log_end(self) -> Tensor:
        """log e `[K]`: that the sequence ends after this state; 0 where ends are not predicted."""
        return (self.log_transition + self._log_emits_end).logsumexp(-1)

    @property
    def _log_evidence_of_nothing(self) -> Tensor:
        """The log-probability of a sequence of length 0: that it ends at once, or 0."""
        return (self.log_initial + self._log_emits_end).logsumexp(-1)

    @property
    def _log_emits_end(self) -> Tensor:
        """log p(end given z) `[K]`."""
        end = self.space.end_number
        if end is None:
            return torch.zeros_like(self.log_initial)
        return self.embed(torch.tensor([end], device=self.log_initial.device))[0]


def totals(terms: Sequences) -> Tensor:
    """`[n]`: the sum of each sequence's terms `[total]`; 0 for a sequence of length 0."""
    owner = torch.repeat_interleave(terms.lengths).to(terms.values.device)
    return terms.values.new_zeros(len(terms)).index_add(0, owner, terms.values)


def _firsts(sequences: Sequences) -> Tensor:
    """The position of the first step of every sequence that has one."""
    return sequences.offsets[:-1][sequences.lengths > 0]


def _lasts(sequences: Sequences) -> Tensor:
    """The position of the last step of every sequence that has one."""
    return sequences.offsets[1:][sequences.lengths > 0] - 1
