"""scikit-learn, and what behaves like it: ``fit`` is timed as a whole; with ``epochs=`` an estimator is stepped by ``partial_fit``.

What the fitted estimator gives on the training data afterwards is ``train_eval/…``: no running figure exists. Sample weights do not
enter the metrics.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ...errors import MonitorError, UsageError
from ..metrics.arrays import as_array
from ..scores import Scores, length

if TYPE_CHECKING:
    from ..fitting import Fit
    from ..metrics import Task


def fits(model: Any) -> bool:
    """Whether it can be fitted; a search that is not fitted yet shows no ``predict``."""
    return callable(getattr(model, "fit", None))


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
    if fit.wanted.probe is not None:
        raise UsageError("probe is for models that are trained in steps on batches (Keras, PyTorch); leave it out")
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
    """Nobody asked for these metrics: where there are none, that is noted and training goes on."""
    task = fit.wanted.task or _task(fit.model, y)
    if task is None or not hasattr(
        fit.model, "predict"
    ):  # clusters have no right answer; a search without refit has no model
        return
    splits = {"train_eval": (data, y)} | ({} if validation is None else {"val": tuple(validation)})
    for split, (inputs, truth) in splits.items():
        try:
            fit.scored(split, _of(fit, task, inputs, truth))
        except MonitorError as error:
            fit.note(f"no {split} metrics: {error}")


def _task(model: Any, y: Any) -> Task | None:
    """What the estimator says that it is; None for what is neither a classifier nor a regressor, or has no labels."""
    if y is None:
        return None
    base: Any = sys.modules.get("sklearn.base")
    classes = getattr(model, "classes_", None)
    if classes is None and base is not None and base.is_regressor(model):
        return "regression"
    if classes is None:
        return None
    if len(getattr(y, "shape", (0,))) > 1 and y.shape[1] > 1:
        return "multilabel"
    return "binary" if len(classes) <= 2 else "multiclass"


def _of(fit: Fit, task: Task, data: Any, y: Any) -> dict[str, float]:
    """Metrics from predictions; where the estimator gives probabilities also the log loss, of a regressor the mean squared error."""
    model, truth = fit.model, as_array(y)
    predicted = as_array(model.predict(data))
    if predicted.ndim == 1:
        truth = truth.reshape(-1)  # a column of labels is a vector to scikit-learn
    one_label = task in ("binary", "multiclass")
    scores = Scores(task, fit.wanted.settings, model.classes_ if one_label else None)
    scores.update(truth, predicted)
    values: dict[str, float] = scores.values()
    loss = _log_loss(model, data, truth) if one_label else values.get("mse")
    return values if loss is None else values | {"loss": loss}


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
    column = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    known = classes[column] == y  # a label that training never saw has no probability
    chosen = probabilities[np.arange(len(column)), column] * known
    return float(-np.log(np.maximum(chosen, np.finfo(probabilities.dtype).eps)).mean())
