"""A hidden Markov model on the eruptions of Old Faithful: two states, found without being told.

python examples/old_faithful.py
"""

from __future__ import annotations

from catena import EM, HMM, Generator, Sequences
from catena.formats import read
from catena.ladder.hmm import HiddenMarkov


def main() -> None:
    eruptions = read("faithful").sequences
    assert isinstance(eruptions, Sequences)
    model = Generator(HMM(states=2), learner=EM(restarts=3)).fit(eruptions).model_
    assert isinstance(model, HiddenMarkov)

    durations, waits = eruptions.values.T
    path, _ = model.viterbi(eruptions)
    print("state  eruptions  minutes  then a wait of  next state")
    for state, moves in enumerate(model.log_transition.exp().tolist()):
        there = path.values == state
        likely = ", ".join(f"{to} ({p:.0%})" for to, p in enumerate(moves))
        print(
            f"{state:5}  {int(there.sum()):9}  {float(durations[there].mean()):7.1f}"
            f"  {float(waits[there].mean()):11.0f} min  {likely}"
        )
    print("the path begins", *path.values[:24].tolist())


if __name__ == "__main__":
    main()
