"""Watches scikit-learn's estimators: every class made from now on has its fit, transform and predict timed as stages.

Nothing is put on an instance, so that estimators are pickled, cloned and compared as without us.
"""

METHODS = {
    "fit": "fit", "partial_fit": "fit", "fit_transform": "transform", "transform": "transform", "inverse_transform": "transform",
    "fit_predict": "predict", "predict": "predict", "predict_proba": "predict", "predict_log_proba": "predict",
    "decision_function": "predict", "score_samples": "predict", "score": "score",
}  # fmt: skip
# Functions that bring data, of modules that are imported later.
LOADERS = {"sklearn.datasets": ("load_", "fetch_", "make_"), "pandas": ("read_",)}
FUNCTION = type(lambda: None)


class Probe:
    """Times estimators and loaders, until it is undone."""

    def __init__(self, stages):
        self._stages = stages
        self._undo = []

    def arm(self, module):
        """A module of `LOADERS`, or ``sklearn.base``, has been executed."""
        if module.__name__ in LOADERS:
            self._arm_loader(module)
        else:
            self._arm_estimators(module)
        self._stages.watches(module)

    def _arm_estimators(self, base):
        # No other estimator has been defined yet.
        for cls in list(vars(base).values()):
            if isinstance(cls, type) and cls.__module__ == base.__name__:
                self._wrap(cls)
        self._watch_subclasses(base.BaseEstimator)

    def _arm_loader(self, module):
        prefixes = LOADERS[module.__name__]
        for name, function in list(vars(module).items()):
            if name.startswith(prefixes) and isinstance(function, FUNCTION):
                self._put(
                    module, name, function, self._stages.wrapped("load", function, "%s.%s" % (module.__name__, name))
                )

    def undo(self):
        """Everything is as it was."""
        self._stages.active = False
        while self._undo:
            self._undo.pop()()

    def _watch_subclasses(self, base):
        before = vars(base).get("__init_subclass__")

        def __init_subclass__(cls, **kwargs):
            super(base, cls).__init_subclass__(**kwargs)
            try:
                self._wrap(cls)
            except Exception:  # a class of a kind that we do not know stays as it is
                pass

        base.__init_subclass__ = classmethod(__init_subclass__)

        def undo():
            if before is None:
                del base.__init_subclass__
            else:
                base.__init_subclass__ = before

        self._undo.append(undo)

    def _wrap(self, cls):
        for name, what in METHODS.items():
            own = vars(cls).get(name)
            if isinstance(own, FUNCTION):
                self._put(cls, name, own, self._stages.wrapped(what, own))
            elif isinstance(
                getattr(own, "fn", None), FUNCTION
            ):  # there only where a check allows it: sklearn's available_if
                self._put(own, "fn", own.fn, self._stages.wrapped(what, own.fn))

    def _put(self, owner, name, original, made):
        setattr(owner, name, made)
        self._undo.append(lambda: vars(owner).get(name) is made and setattr(owner, name, original))
