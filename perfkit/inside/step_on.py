"""--step-on module:function: a step ends when that function returns.

A function of an imported module is wrapped as soon as the module has been executed. One of the script itself
(``__main__:train_step``) does not exist yet when we boot, and nothing tells us when it is defined: a daemon thread looks
for the name for a while, wraps it and ends.
"""

import functools
import sys
import threading
import time

LOOK_EVERY_S = 0.02
LOOK_FOR_S = 600.0


def arm(session, watch, target):
    """Wrap *target* (``module:function`` or ``module:Class.method``); the name of what was armed."""
    module_name, _, path = target.partition(":")
    if module_name in ("__main__", ""):
        threading.Thread(target=_look_in_main, args=(session, path), daemon=True, name="perfkit-step-on").start()
    else:
        watch.when(module_name, lambda module, *_: _wrap(session, module, path))
    return ["step-on"]


def _look_in_main(session, path):
    deadline = time.monotonic() + LOOK_FOR_S
    while time.monotonic() < deadline and not session.ended:
        if _wrap(session, sys.modules.get("__main__"), path):
            return
        time.sleep(LOOK_EVERY_S)
    session.fact("failed", probe="step-on", reason="the script defined no %s" % path)


def _wrap(session, module, path):
    owner = module
    parts = path.split(".")
    for part in parts[:-1]:
        owner = getattr(owner, part, None)
    function = getattr(owner, parts[-1], None)
    if owner is None or not callable(function):
        return False

    @functools.wraps(function)
    def stepping(*args, **kwargs):
        result = function(*args, **kwargs)
        session.user_step(1)
        return result

    setattr(owner, parts[-1], stepping)
    session.undo.append(("step-on", lambda: setattr(owner, parts[-1], function)))
    return True
