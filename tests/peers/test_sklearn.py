"""scikit-learn's own checks of an estimator, its searches, pipelines and pickles, on every task.

The checks speak of tables `[n, columns]`. Here each row of a table is given as one sequence: of so
many numbers, or, to a tagger, of so many words. What then fails does so for a reason, listed below.
"""

import copy
import pickle
import warnings
from functools import partial

import numpy as np
import pytest

import catena
from catena import (
    CRF,
    EM,
    GRU,
    HMM,
    CatenaError,
    Classifier,
    Custom,
    FromFunction,
    Generator,
    Gradient,
    Markov,
    QuasiNewton,
    Tagger,
    container,
)

pytest.importorskip("sklearn", "1.6", reason="scikit-learn is not installed (extra: peers)")

from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks as checks
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

# -- rows of tables as sequences ----------------------------------------------------------------


def rows(X):
    return list(np.asarray(X)) if hasattr(X, "__array__") else X


def whole(y):
    """Labels that the checks write as 1.0."""
    y = np.asarray(y)
    if y.dtype.kind != "f" or not np.isfinite(y).all() or (y != np.round(y)).any():
        return y
    return y.astype(int)


class OverTables:
    """What the checks are told of tables, whose rows are the sequences."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class TableClassifier(OverTables, Classifier):
    def fit(self, X, y, sample_weight=None):
        return super().fit(rows(X), None if y is None else whole(y), sample_weight=sample_weight)

    def fit_transform(self, X, y):
        return self.fit(X, y).transform(X)

    def score(self, X, y, sample_weight=None):
        return super().score(X, whole(y), sample_weight)

    def _encode(self, X):
        return super()._encode(rows(X))


class TableGenerator(OverTables, Generator):
    def fit(self, X, y=None, sample_weight=None):
        return super().fit(rows(X), sample_weight=sample_weight)

    def _encode(self, data):
        return super()._encode(rows(data))


class TableTagger(OverTables, Tagger):
    def fit(self, X, y):
        words = self.words(X)
        labels = [[str(label)] * np.size(row) for row, label in zip(words, y, strict=True)]
        return super().fit(words, labels)

    partial_fit = None  # of other rungs

    def predict(self, X):
        return np.array(super().predict(self.words(X))).astype(float)

    def predict_proba(self, X):
        return np.array(super().predict_proba(self.words(X)))

    def score(self, X, y):
        return float((self.predict(X) == np.asarray(y)[:, None]).mean())

    @staticmethod
    def words(X):
        return [list(map(str, row)) if np.ndim(row) else row for row in rows(X)]


RAGGED = "sequences may be of any length, so a table has no number of columns to agree with"
NOT_FITTED = "NotFittedError is scikit-learn's, which is no dependency: it is a CatenaError"
NO_TABLE = "the message speaks of sequences, not of the shape of a table"
NOT_NAMED = "the message names the step and says nan in lower case (a test of its own is below)"
EXPECTED = {
    "check_n_features_in": RAGGED,
    "check_n_features_in_after_fitting": RAGGED,
    "check_estimators_empty_data_messages": NO_TABLE,
}
NUMBERS = EXPECTED | {"check_estimators_nan_inf": NOT_NAMED}
CLASSES = NUMBERS | {
    "check_classifiers_train": RAGGED + "; all before that, accuracy among it, is checked",
    "check_transformer_general": RAGGED + "; all before that is checked",
    "check_estimators_unfitted": NOT_FITTED,
    "check_fit2d_predict1d": NO_TABLE,
    "check_supervised_y_2d": "a column of labels is refused, not flattened with a warning",
    "check_classifiers_regression_target": "the message says that a label is no such number",
    "check_complex_data": "its labels are complex too, and it is they that are refused first",
}
TOKENS = EXPECTED | {
    "check_estimators_unfitted": NOT_FITTED,
    "check_fit2d_predict1d": NO_TABLE,
    "check_estimators_nan_inf": "words may say nan",
    "check_complex_data": "words may look like complex numbers",
    **dict.fromkeys(
        [
            "check_estimator_sparse_tag",
            "check_estimator_sparse_array",
            "check_estimator_sparse_matrix",
        ],
        "words are made of the rows first",
    ),
}

HMM_1 = HMM(states=1)  # with one state, what EM ends with does not depend on where it begins
CHECKED = [
    (TableClassifier(HMM_1, learner=EM(iterations=1)), CLASSES),
    (TableGenerator(HMM_1, learner=EM(iterations=1)), NUMBERS),
    (TableTagger(HMM()), TOKENS),
]
# What another rung could do otherwise.
OF_RUNGS = [
    checks.check_estimators_pickle,
    checks.check_fit_idempotent,
    checks.check_methods_sample_order_invariance,
    checks.check_methods_subset_invariance,
    checks.check_pipeline_consistency,
    checks.check_dict_unchanged,
]
RUNGS = {
    "network": TableClassifier(GRU(units=4), learner=Gradient(epochs=1)),
    "field": TableTagger(CRF(), learner=QuasiNewton(iterations=2)),
}


def reasons(estimator):
    return next(found for one, found in CHECKED if type(one) is type(estimator))


with warnings.catch_warnings():  # that an estimator need not be a BaseEstimator is what is tested
    warnings.simplefilter("ignore")
    every_check = checks.parametrize_with_checks(
        [one for one, _ in CHECKED], expected_failed_checks=reasons, xfail_strict=True
    )


@every_check
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", RUNGS)
@pytest.mark.parametrize("check", OF_RUNGS, ids=lambda check: check.__name__)
def test_scikit_learns_checks_of_other_rungs(name, check):
    check(name, RUNGS[name])


# -- pickles ------------------------------------------------------------------------------------

TEXTS, LABELS = ["aba", "abab", "ab", "bbba", "bb", "bbb"], ["up"] * 3 + ["down"] * 3
SENTENCES, TAGS = [["the", "dog"], ["a", "cat"], ["cats"]], [["D", "N"], ["D", "N"], ["N"]]
QUICK = Gradient(epochs=1)


def halving(state, x, theta):
    return (0.5 * state[0] + x,)


def recurrence(width):
    return FromFunction(halving, [width])


def first_letters(sentence, i):
    return [sentence[i][0]]


FITTED = {
    "generator": (Generator(Markov(order=1)), (TEXTS,)),
    "classifier": (Classifier(Markov(order=1), class_weight={"up": 2.0}), (TEXTS, LABELS)),
    "network": (Classifier(GRU(units=3), summary="attention", learner=QUICK), (TEXTS, LABELS)),
    "custom": (Classifier(Custom(recurrence, embedding=2), learner=QUICK), (TEXTS, LABELS)),
    "counted": (Tagger(HMM()), (SENTENCES, TAGS)),
    "field": (Tagger(CRF(), features=first_letters), (SENTENCES, TAGS)),
}


def said(model):
    if isinstance(model, Generator):
        return model.log_prob(TEXTS).values.numpy()
    if isinstance(model, Classifier):
        return model.predict_log_proba(TEXTS)
    return np.concatenate(model.predict_proba(SENTENCES))


@pytest.mark.parametrize("name", FITTED)
def test_pickles_are_files(name, tmp_path):
    model, data = FITTED[name]
    empty = pickle.loads(pickle.dumps(model))
    assert empty.get_params() == model.get_params()
    assert not empty.__sklearn_is_fitted__()
    fitted = clone(model).fit(*data)
    for back in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert back.get_params() == fitted.get_params()
        np.testing.assert_array_equal(said(back), said(fitted))
        assert back.history_ == fitted.history_
        back.save(tmp_path / "again")
    fitted.save(tmp_path / "once")
    assert b"__metadata__" in pickle.dumps(fitted)  # the header of a safetensors file
    assert b"torch" not in pickle.dumps(fitted)
    (mine, _), (theirs, _) = (container.read(tmp_path / file) for file in ("once", "again"))
    assert all(container.same(mine[key], theirs[key]) for key in mine)


# -- what is learned ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", FITTED)
def test_a_fit_that_fails_leaves_nothing(name):
    model, data = FITTED[name]
    model = clone(model)
    with pytest.raises(CatenaError, match="not fitted yet"):
        said(model)
    check_is_fitted(model.fit(*data))
    with pytest.raises(CatenaError):
        model.fit(*[[] for _ in data])
    assert not model.__sklearn_is_fitted__()
    with pytest.raises(CatenaError, match="not fitted yet"):
        said(model)
    assert {key for key in vars(model) if key.endswith("_")} <= {"space_", "learner_", "classes_"}


def test_a_model_is_not_kept_beside_options_that_are_not_its_own(tmp_path):
    model = Classifier(GRU(units=3), learner=QUICK).fit(TEXTS, LABELS)
    wanted = model.predict_proba(TEXTS)
    model.set_params(rung__units=4)
    np.testing.assert_array_equal(model.predict_proba(TEXTS), wanted)
    with pytest.raises(CatenaError, match="rung was changed after fit"):
        model.save(tmp_path / "m")
    model.set_params(rung__units=3).save(tmp_path / "m")
    back = catena.load(tmp_path / "m")
    back.seed = 5
    with pytest.raises(CatenaError, match="seed was changed after fit, from 0 to 5"):
        back.save(tmp_path / "m")


def test_numbers_that_are_none_are_named():
    X = [[0.0, 1.0], [2.0], [1.0, 3.0], [0.5]]
    model = Classifier(HMM_1, learner=EM(iterations=1)).fit(X, [0, 0, 1, 1])
    for bad in ("nan", "inf", "-inf"):
        for use in (lambda X: clone(model).fit(X, [0, 0, 1, 1]), model.predict, model.transform):
            with pytest.raises(ValueError, match=f"sequence 3, step 2, column 1: {bad} is not"):
                use([*X[:2], [1.0, float(bad)], X[3]])


# -- searches and pipelines ---------------------------------------------------------------------


def lower(X):
    return [text.lower() for text in X]


@pytest.mark.parametrize("form", [list, np.array, partial(np.array, dtype=object)])
def test_pipelines_before_and_after(form):
    X, y = form([text.upper() if i % 2 else text for i, text in enumerate(TEXTS)] * 4), LABELS * 4
    first = FunctionTransformer(lower)
    straight = make_pipeline(first, Classifier(Markov(order=1)))
    assert is_classifier(straight)
    assert cross_val_score(straight, X, y, cv=3, error_score="raise").min() == 1.0
    options = {"classifier__rung__order": [0, 1], "classifier__class_weight": [None, "balanced"]}
    search = GridSearchCV(straight, options, cv=2, error_score="raise").fit(X, y)
    assert set(search.best_params_) == set(options)
    on_top = make_pipeline(first, Classifier(Markov(order=1)), LogisticRegression()).fit(X, y)
    assert on_top.score(X, y) == 1.0
    assert (pickle.loads(pickle.dumps(on_top)).predict_proba(X) == on_top.predict_proba(X)).all()
    assert cross_val_predict(on_top, X, y, cv=3, method="predict_proba").shape == (24, 2)


def test_weights_reach_the_models():
    for task in (Classifier, Generator):
        assert has_fit_parameter(task(Markov()), "sample_weight")
    weights = np.arange(1, 25)
    model = make_pipeline(FunctionTransformer(lower), Classifier(Markov(order=0)))
    model.fit(TEXTS * 4, LABELS * 4, classifier__sample_weight=weights)
    priors = np.exp(model[-1].model_.log_prior.numpy())
    down = weights.reshape(4, 6)[:, 3:].sum() / weights.sum()
    np.testing.assert_allclose(priors, [down, 1 - down])
    search = GridSearchCV(Classifier(Markov()), {"rung__order": [0, 1]}, cv=2, error_score="raise")
    search.fit(TEXTS * 4, LABELS * 4, sample_weight=weights)


def test_tags_say_what_a_task_is():
    assert not isinstance(Classifier(Markov()), BaseEstimator)
    tags = get_tags(Classifier(Markov()))
    assert tags.estimator_type == "classifier"
    assert tags.target_tags.required
    assert not tags.input_tags.two_d_array
    assert tags.transformer_tags is not None
    assert get_tags(Generator(Markov())).estimator_type is None
