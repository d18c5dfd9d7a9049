"""Python runs this at start-up because its folder is on PYTHONPATH. It is alone here, so nothing else leaks.

It lets perfkit in and then runs the sitecustomize that Python would have found without us, as Python would have.
"""

import sys


def _let_perfkit_in():
    import os

    here = os.path.dirname(os.path.abspath(__file__))
    # sys.path stays as it would be without us; children find us through PYTHONPATH.
    sys.path[:] = [entry for entry in sys.path if entry != here]
    sys.path_importer_cache.pop(here, None)
    try:
        # By location, under a name of its own: the user's environment may have no perfkit, or another version.
        root = os.path.dirname(os.path.dirname(here))
        package = type(sys)("_perfkit", "perfkit, loaded by location in the user's process")
        package.__path__ = [root]
        sys.modules["_perfkit"] = package
        from _perfkit.inside import boot

        boot.boot()
    except Exception:  # a guest never raises into the user's program; the missing handshake tells the launcher
        sys.modules.pop("_perfkit", None)


def _run_the_users_own():
    import _frozen_importlib
    import _frozen_importlib_external

    spec = _frozen_importlib_external.PathFinder.find_spec("sitecustomize")
    if spec is None:
        return
    module = _frozen_importlib.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


_let_perfkit_in()
_run_the_users_own()
