"""Names every module call in the trace while a window is open: path in the model, class, and the user's line.

The annotation reads ``perfkit.module|<dotted path>|<ClassName>|<file>:<line>``; the path is empty for the outermost model.
"""

import functools
import os
import sys


class ModuleNames:
    """Takes ``nn.Module.__call__`` for the time of a window, and gives it back."""

    def __init__(self, session, torch):
        self.session, self.torch = session, torch
        self._torch_folder = os.path.dirname(os.path.abspath(torch.__file__)) + os.sep
        self._undo = None
        self._labels = {}

    def name_calls(self):
        """Begin naming."""
        module = self.torch.nn.Module
        original = module.__call__
        self._labels = self._paths()
        names = self
        record = self.torch.autograd.profiler.record_function

        @functools.wraps(original)
        def __call__(self, *args, **kwargs):
            with record(names._label(self, sys._getframe(1))):
                return original(self, *args, **kwargs)

        self._undo = self.session.calls.put(module, __call__)

    def unname(self):
        """Stop naming. May be called twice."""
        if self._undo is not None:
            self._undo()
            self._undo = None
            self._labels = {}

    def _paths(self):
        """``id(module) -> path`` for the models that have been called, longest-lived first."""
        paths = {}
        for root in self.session.roots.models.alive():
            for path, module in root.named_modules():
                paths.setdefault(id(module), path.replace("_orig_mod.", "").replace("_orig_mod", ""))
        return paths

    def _label(self, module, frame):
        path = self._labels.get(id(module))
        if path is None:
            path = "?" if not isinstance(module, self.torch.nn.Module) else "~" + type(module).__name__
        return "perfkit.module|%s|%s|%s" % (path, type(module).__name__, self._users_line(frame))

    def _users_line(self, frame):
        for _ in range(12):
            if frame is None:
                break
            filename = frame.f_code.co_filename
            if (
                not filename.startswith(self._torch_folder)
                and "/perfkit/inside/" not in filename
                and filename[:1] != "<"
            ):
                return "%s:%d" % (filename, frame.f_lineno)
            frame = frame.f_back
        return ""
