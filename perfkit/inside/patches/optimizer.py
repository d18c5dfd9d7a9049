"""fused-optimizer, optimizer: torch's optimizers with ``fused=True`` or ``foreach=True``, set when the script makes them."""

import functools
import inspect

from .base import Patch

FLAGS = ("fused", "foreach")


class OptimizerFlag(Patch):
    """One flag, given to every optimizer of torch.optim that takes it and whose script leaves it open."""

    name = "optimizer"

    def place(self):
        """Wait for torch.optim."""
        given = [flag for flag in FLAGS if self.parameters.get(flag)]
        if len(given) > 1:
            raise ValueError("fused and foreach exclude each other")
        self._flag = given[0] if given else FLAGS[0]
        self.idle = "the script makes no optimizer of torch.optim that takes %s" % self._flag
        self._making = set()  # optimizers that are being made: a class may call its base's __init__
        self.watch.when("torch.optim", self._patch)

    def _patch(self, module, *_):
        for cls in vars(module).values():
            if isinstance(cls, type) and issubclass(cls, module.Optimizer) and "__init__" in vars(cls):
                signature = inspect.signature(cls.__init__)
                if self._flag in signature.parameters:
                    self.replace(cls, "__init__", functools.partial(self._init, cls, signature))

    def _init(self, cls, signature, original):
        patch = self

        @functools.wraps(original)
        def __init__(self, *args, **kwargs):
            if not patch.active or id(self) in patch._making:
                return original(self, *args, **kwargs)
            patch._making.add(id(self))
            try:
                patch._make(self, cls, signature, original, args, kwargs)
            finally:
                patch._making.discard(id(self))
            return None

        return __init__

    def _make(self, optimizer, cls, signature, original, args, kwargs):
        try:
            args, kwargs = _keep_parameters(args, kwargs)
            reason = self._obstacle(optimizer, cls, signature, args, kwargs)
            groups = _copies(args, kwargs)
        except Exception as error:  # arguments that torch will refuse: let it say so
            reason, groups = "%s: %s" % (type(error).__name__, error), ()
        if reason is None:
            try:
                original(optimizer, *args, **dict(kwargs, **{self._flag: True}))
                self._set(optimizer)
                return
            except Exception as error:
                reason = str(error)
            optimizer.__dict__.clear()
            for group, before in groups:
                group.clear()
                group.update(before)
        self.not_applicable(reason)
        original(optimizer, *args, **kwargs)

    def _set(self, optimizer):
        """After it was made with the flag: say so, and what else is to know."""
        own = [group[self._flag] for group in optimizer.param_groups]
        if not any(own):
            raise ValueError("the script's parameter groups say %s=%s" % (self._flag, own[0]))
        self.applied(flag=self._flag, optimizer=type(optimizer).__name__, groups=sum(map(bool, own)))

    def _obstacle(self, optimizer, cls, signature, args, kwargs):
        """Why the flag cannot be set, None if it can."""
        given = signature.bind(optimizer, *args, **kwargs).arguments
        for flag in FLAGS:
            if given.get(flag) is not None:
                return "the script itself sets %s=%s" % (flag, given[flag])
        if not _steps_as_torch(type(optimizer)):
            return "%s has a step of its own" % type(optimizer).__name__
        if self._flag == "fused":
            self._check_fused(given["params"], cls)
        return None

    def _check_fused(self, params, cls):
        """Raises, in torch's own words, what its first step would raise otherwise; before that the constructor does."""
        from torch.optim import optimizer as base

        check = getattr(base, "_device_dtype_check_for_fused", None)
        if check is not None:
            for parameter in _tensors(params, self.torch):
                check(parameter, **({"cuda_unsupported": True} if cls.__name__ == "Adagrad" else {}))


def _steps_as_torch(cls):
    """Whether the class's step is one that torch.optim defines."""
    owner = next(each for each in cls.__mro__ if "step" in vars(each))
    return owner.__module__.startswith("torch.optim.")


def _keep_parameters(args, kwargs):
    """The arguments with iterators over parameters made lists: they may have to be read twice."""
    if args:
        return (_listed(args[0]), *args[1:]), kwargs
    return args, dict(kwargs, params=_listed(kwargs["params"]))


def _listed(params):
    if hasattr(params, "__next__"):
        params = list(params)
    if isinstance(params, (list, tuple)):
        for group in params:
            if isinstance(group, dict) and hasattr(group["params"], "__next__"):
                group["params"] = list(group["params"])
    return params


def _copies(args, kwargs):
    """Each group that the script gave, with what is in it now: making an optimizer writes into them."""
    params = args[0] if args else kwargs["params"]
    groups = params if isinstance(params, (list, tuple)) else ()
    return [(group, dict(group)) for group in groups if isinstance(group, dict)]


def _tensors(params, torch):
    for each in params:
        inner = each["params"] if isinstance(each, dict) else [each]
        for parameter in [inner] if isinstance(inner, torch.Tensor) else inner:
            yield parameter[1] if isinstance(parameter, tuple) else parameter  # named parameters


PATCH = OptimizerFlag
