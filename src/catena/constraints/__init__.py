"""What a sequence that is sampled or searched for must obey.

A constraint says which sequences of symbols are of its form, as a finite automaton that walks
beside the model's state. It holds of the whole sequence, the prompt included. Where a line ends is
said by `breaks`, symbols that stand between lines and belong to none; there may be any number of
them between two lines and one after the last of a given number of lines.
"""

from catena.constraints.acrostic import Acrostic
from catena.constraints.constraint import All, Constraint
from catena.constraints.lines import BREAKS, Lines
from catena.constraints.phrases import Containing, Without
from catena.constraints.places import Forced
from catena.constraints.rhyme import Rhyme

__all__ = [
    "BREAKS",
    "Acrostic",
    "All",
    "Constraint",
    "Containing",
    "Forced",
    "Lines",
    "Rhyme",
    "Without",
]
