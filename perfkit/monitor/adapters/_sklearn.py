"""scikit-learn, and what behaves like it: ``fit`` is timed as a whole; with ``epochs=`` an estimator is stepped by ``partial_fit``.

What the fitted estimator gives on the training data afterwards is ``train_eval/…``: no running figure exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ..scores import length

if TYPE_CHECKING:
    from ..model_monitor import Fit


def fits(model: Any) -> bool:
    """Whether it has the two methods that are needed."""
    return callable(getattr(model, "fit", None)) and callable(getattr(model, "predict", None))


def fit(
    fit: Fit,
    X: Any,  # noqa: N803 - scikit-learn's own name, which people give
    y: Any = None,
    *args: Any,
    validation_data: tuple[Any, Any] | None = None,
    epochs: int | None = None,
    **kwargs: Any,
) -> Any:
    """``model.fit(X, y, …)``; returns what it returns. *validation_data* and *epochs* are the monitor's own."""
    fit.begin(data={"samples": length(X), "class": type(X).__name__})
    if epochs is None:
        with fit.epoch(0, None):
            fit.watching.step_began()
            returned = fit.model.fit(X, y, *args, **kwargs)
            fit.watching.step_ended({}, samples=length(X))
            fit.trained()
            _score(fit, X, y, validation_data)
        return returned
    return _stepped(fit, X, y, args, kwargs, validation_data, epochs)


def _stepped(fit: Fit, data: Any, y: Any, args: Any, kwargs: Any, validation: Any, epochs: int) -> Any:
    step = getattr(fit.model, "partial_fit", None)
    if step is None:
        raise UsageError(f"epochs={epochs}: {type(fit.model).__name__} has no partial_fit; leave epochs out")
    returned = fit.model
    first = {"classes": _classes(y)} if _takes_classes(step) and "classes" not in kwargs else {}
    for epoch in range(epochs):
        with fit.epoch(epoch, None) as stopping:
            fit.watching.step_began()
            returned = step(data, y, *args, **kwargs, **(first if epoch == 0 else {}))
            fit.watching.step_ended({}, samples=length(data))
            fit.trained()
            _score(fit, data, y, validation)
        if stopping.stop:
            break
    return returned


def _classes(y: Any) -> Any:
    import numpy as np

    return np.unique(np.asarray(y))


def _takes_classes(step: Any) -> bool:
    import inspect

    return "classes" in inspect.signature(step).parameters


def _score(fit: Fit, data: Any, y: Any, validation: Any) -> None:
    if y is None:
        return  # nothing to hold predictions against
    fit.scored("train_eval", _of(fit, data, y))
    if validation is not None:
        fit.scored("val", _of(fit, *validation))


def _of(fit: Fit, data: Any, y: Any) -> dict[str, float]:
    """Metrics from predictions; where the estimator gives probabilities also the log loss, of a regressor the mean squared error."""
    scores, model = fit.scores(classes=getattr(model_of(fit), "classes_", None)), fit.model
    scores.update(y, model.predict(data))
    values: dict[str, float] = scores.values()
    loss = _log_loss(model, data, y)
    loss = values.get("mse") if loss is None else loss
    return values if loss is None else values | {"loss": loss}


def model_of(fit: Fit) -> Any:
    """The estimator itself: of a Pipeline the last step."""
    steps = getattr(fit.model, "steps", None)
    return steps[-1][1] if steps else fit.model


def _log_loss(model: Any, data: Any, y: Any) -> float | None:
    """Mean log loss of the probabilities; None where there are none (`SVC` without ``probability=True`` has the method and raises)."""
    try:
        probabilities = model.predict_proba(data)
        classes = model.classes_
    except (AttributeError, NotImplementedError):
        return None
    import numpy as np

    if not hasattr(probabilities, "shape") or probabilities.ndim != 2:
        return None
    column = np.searchsorted(classes, np.asarray(y))
    known = (column < len(classes)) & (classes[np.minimum(column, len(classes) - 1)] == np.asarray(y))
    chosen = probabilities[np.arange(len(column)), np.minimum(column, len(classes) - 1)] * known
    return float(-np.log(np.maximum(chosen, np.finfo(np.float64).eps)).mean())
