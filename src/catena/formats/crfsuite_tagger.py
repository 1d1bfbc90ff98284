"""CRFsuite's models as taggers."""

from __future__ import annotations

from pathlib import Path

from catena.formats.crfsuite_model import read_crfsuite_model
from catena.ladder import CRF
from catena.learn import History, QuasiNewton
from catena.tasks.feature_crf import FeatureCRF
from catena.tasks.reader import Reader
from catena.tasks.tag import Tagger


def from_crfsuite(path: str | Path, encoding: str = "utf-8") -> Tagger:
    """A fitted Tagger from a .crfsuite file; its tokens are the attributes of steps.

    The labels keep the order that they have in the file, which settles what is chosen where paths
    score the same. How the model was learned stands in no such file.

    Args:
        encoding: of the names in the file.

    Raises:
        CatenaError: when the file is damaged or cut short, or is no model of CRFsuite's.
    """
    model = read_crfsuite_model(path, encoding)
    field = FeatureCRF(
        Reader(0),
        model.labels,
        model.vocabulary,
        model.features,
        model.weights,
        model.transitions,
    )
    note = f"read from {Path(path).name}, a model of CRFsuite's, which tells not how it was learned"
    return Tagger(CRF()).using(field, QuasiNewton(), History(notes=[note]))
