"""scikit-learn's manners, without scikit-learn: parameters in, parameters out."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any, ClassVar

from catena.errors import CatenaError


class Estimator:
    """Hyperparameters are the arguments of `__init__`, kept under their own names; what `fit`
    finds ends in an underscore. `sklearn.base.clone` and its searches need no more."""

    # What scikit-learn calls this kind of estimator, where it has a word for it.
    _estimator_type: ClassVar[str | None] = None

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

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn, from 1.6 on, asks an estimator before it searches over it."""
        from sklearn.utils import ClassifierTags, Tags, TargetTags

        classifies = self._estimator_type == "classifier"
        return Tags(
            estimator_type=self._estimator_type,
            target_tags=TargetTags(required=classifies),
            classifier_tags=ClassifierTags() if classifies else None,
        )

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        shown = [
            f"{name}={getattr(self, name)!r}"
            for name in self._names()
            if getattr(self, name) != defaults[name].default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"
