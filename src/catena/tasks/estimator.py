"""scikit-learn's manners, without scikit-learn: parameters in, parameters out."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from catena.errors import CatenaError


class Estimator(ABC):
    """Hyperparameters are the arguments of `__init__`, kept under their own names; what `fit`
    finds ends in an underscore. `sklearn.base.clone` and its searches need no more.

    `fit` calls `_begin` before it learns and `_end` when all is learned.
    """

    # What scikit-learn calls this kind of estimator, where it has a word for it.
    _estimator_type: ClassVar[str | None] = None
    # With what hyperparameters it was fitted; None before.
    _fitted_with: Mapping[str, Any] | None = None

    # -- hyperparameters --------------------------------------------------------------------

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The hyperparameters by name; those of the rung and the learner as `rung__units`."""
        own = {name: getattr(self, name) for name in self._names()}
        if not deep:
            return own
        inner = {
            f"{name}__{field}": getattr(value, field)
            for name, value in own.items()
            for field in getattr(value, "__dataclass_fields__", {})
        }
        return own | inner

    def set_params(self, **params: Any) -> Any:
        """Change hyperparameters by name.

        Raises:
            CatenaError: for a name that there is not.
        """
        for name, value in params.items():
            outer, _, inner = name.partition("__")
            if outer not in self._names():
                raise CatenaError(f"{type(self).__name__} has no parameter {name!r}")
            if not inner:
                setattr(self, outer, value)
                continue
            whole = getattr(self, outer)
            if inner not in getattr(whole, "__dataclass_fields__", {}):
                raise CatenaError(f"{outer} has no option {inner!r}")
            setattr(self, outer, replace(whole, **{inner: value}))
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        shown = [
            f"{name}={getattr(self, name)!r}"
            for name in self._names()
            if getattr(self, name) != defaults[name].default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    # -- what is learned --------------------------------------------------------------------

    def _begin(self) -> None:
        """Forget what an earlier `fit` found, so that one which fails leaves no half of it."""
        self._fitted_with = None
        for name in [name for name in vars(self) if name.endswith("_") and name[0] != "_"]:
            delattr(self, name)

    def _end(self) -> Self:
        self._fitted_with = self.get_params(deep=False)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return self._fitted_with is not None

    def _check_fitted(self) -> None:
        if self._fitted_with is None:
            raise CatenaError(f"this {type(self).__name__} is not fitted yet: call fit first")

    def _check_unchanged(self) -> None:
        """Refuse to keep a model beside options that are not its own."""
        self._check_fitted()
        assert self._fitted_with is not None
        for name, value in self._fitted_with.items():
            if getattr(self, name) != value:
                raise CatenaError(
                    f"{name} was changed after fit, from {value!r} to {getattr(self, name)!r}: fit "
                    "again, or change it back"
                )

    # -- keeping ----------------------------------------------------------------------------

    @abstractmethod
    def save(self, path: str | Path) -> None:
        """Write the fitted model to one file.

        Raises:
            CatenaError: before `fit`, and when the file cannot be written.
        """

    @abstractmethod
    def _restored(self, path: Path) -> Estimator:
        """What `save` wrote, read again; whatever no file holds, such as code, is as it is here."""

    def __getstate__(self) -> dict[str, Any]:
        """The hyperparameters and, once fitted, the file's own bytes: a pickle holds no modules,
        and what may be read from a file is checked alike however it came."""
        state: dict[str, Any] = {"params": self.get_params(deep=False), "file": None}
        if self.__sklearn_is_fitted__():
            with TemporaryDirectory() as folder:
                path = Path(folder) / "model"
                self.save(path)
                state["file"] = path.read_bytes()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state["params"])
        if state["file"] is None:
            return
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            path.write_bytes(state["file"])
            found = self._restored(path)
        vars(self).update(vars(found) | state["params"])
        self._end()

    # -- scikit-learn -----------------------------------------------------------------------

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn, from 1.6 on, asks an estimator before it searches over it."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags, TransformerTags

        classifies = self._estimator_type == "classifier"
        return Tags(
            estimator_type=self._estimator_type,
            target_tags=TargetTags(required=classifies, one_d_labels=classifies),
            classifier_tags=ClassifierTags() if classifies else None,
            transformer_tags=TransformerTags([]) if hasattr(self, "transform") else None,
            input_tags=InputTags(two_d_array=False, string=True),
        )


def weights_of(sample_weight: Any, count: int) -> Tensor:
    """What each of `count` sequences counts, `[n]` float64.

    Raises:
        CatenaError: for other than one number of at least 0 each, or nothing but zeros.
    """
    try:
        weights = torch.from_numpy(np.array(sample_weight, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise CatenaError(f"sample_weight must be numbers: {error}") from error
    if weights.shape != (count,):
        raise CatenaError(
            f"sample_weight must have {count} numbers, not shape {tuple(weights.shape)}"
        )
    if not bool((weights.isfinite() & (weights >= 0)).all()):
        raise CatenaError("sample_weight must be finite and at least 0 everywhere")
    if count and not bool(weights.any()):
        raise CatenaError("all weights are zero: no sequence counts; give one a weight above 0")
    return weights
