"""How θ is found: by counting, by expectation-maximisation, by L-BFGS, by gradient descent, a batch
or a sentence at a time."""

from catena.ladder import HMM, Markov, Rung
from catena.learn.adagrad import AdaGrad
from catena.learn.count import Count
from catena.learn.em import EM
from catena.learn.gradient import Gradient
from catena.learn.interrupt import Interrupted
from catena.learn.learner import History, Learner, Progress, Run
from catena.learn.perceptron import Perceptron
from catena.learn.quasi_newton import QuasiNewton

LEARNERS: dict[str, type[Learner]] = {learner.kind: learner for learner in (Count, EM, Gradient)}


def learner_for(rung: Rung) -> type[Learner]:
    """The learner that fits a rung: counting for Markov, EM for HMM, otherwise gradient."""
    if isinstance(rung, Markov):
        return Count
    return EM if isinstance(rung, HMM) else Gradient


__all__ = [
    "EM",
    "LEARNERS",
    "AdaGrad",
    "Count",
    "Gradient",
    "History",
    "Interrupted",
    "Learner",
    "Perceptron",
    "Progress",
    "QuasiNewton",
    "Run",
    "learner_for",
]
