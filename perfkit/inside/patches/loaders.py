"""What the fixes of data loading share: which loaders there are, and settings of theirs that are put back."""

import sys
import weakref

from .base import Patch


class LoaderPatch(Patch):
    """A fix that changes settings of DataLoaders."""

    idle = "no DataLoader was used"

    def place(self):
        """Wait for DataLoader, which ``import torch`` alone may not bring."""
        self._before = {}  # id of a loader -> (weak reference, {attribute: the script's value})
        self.watch.when("torch.utils.data.dataloader", self._loaded)

    def _loaded(self, module, *_):
        self.module = module
        self.on_undo(self._give_back_all)
        self.place_on(module)

    def place_on(self, module):
        """Put the replacements on ``torch.utils.data.dataloader``."""
        raise NotImplementedError

    # -- settings of a loader --------------------------------------------------------------------------------------

    def give(self, loader, **settings):
        """Set attributes of a loader, also those that DataLoader lets nobody set; the first values are remembered."""
        values = vars(loader)
        _, before = self._before.setdefault(id(loader), (weakref.ref(loader, self._forget(id(loader))), {}))
        for name, value in settings.items():
            before.setdefault(name, values.get(name))
            values[name] = value

    def given(self, loader):
        """The values that the script had given, of what was changed; None for a loader that was left alone."""
        entry = self._before.get(id(loader))
        return entry[1] if entry else None

    def give_back(self, loader):
        """The loader has the script's settings again."""
        _, before = self._before.pop(id(loader), (None, {}))
        vars(loader).update(before)

    def _give_back_all(self):
        for reference, _ in list(self._before.values()):
            loader = reference()
            if loader is not None:
                self.give_back(loader)

    def _forget(self, key):
        known = self._before
        return lambda _: known.pop(key, None)

    # -- what kind of loader ---------------------------------------------------------------------------------------

    def is_iterable(self, loader):
        """Whether its data set can only be iterated, not indexed."""
        return loader._dataset_kind == self.module._DatasetKind.Iterable

    def prepares_data(self):
        """Whether a loader that is iterated now feeds another loader, and no model."""
        if self.module._utils.worker.get_worker_info() is not None:
            return True
        frame = sys._getframe(2)
        while frame is not None:
            code = frame.f_code
            if code.co_name in ("__next__", "__getitem__") and _is_loading(frame):
                return True
            frame = frame.f_back
        return False

    def has_a_model(self):
        """Whether there is a model yet: an optimizer was made, a model was called, or one is alive."""
        roots = self.session.roots
        return bool(roots.may_train_later() or roots.marked or self._model_is_alive())

    def _model_is_alive(self):
        import gc  # some tens of milliseconds, in the little while in which nothing else tells

        module = self.torch.nn.Module
        return any(
            issubclass(type(thing), module) and next(thing.parameters(), None) is not None for thing in gc.get_objects()
        )


def _is_loading(frame):
    return frame.f_globals.get("__name__", "").startswith("torch.utils.data")


def dataset_name(loader):
    """Class of a loader's data set."""
    return type(loader.dataset).__name__
