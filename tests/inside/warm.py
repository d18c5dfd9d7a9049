"""Runs scripts in processes that have torch already: it is imported here once, and each script runs in a fork of this process.

Reads a line of JSON for each script, {"script", "folder", "environment", "stdout", "stderr"}, and answers with a line that holds
its exit code. The guest boots in the fork, into a Python in which torch is there, as for recordings that are begun in code. What
hangs on the order of imports, on the environment that torch reads then, or on the garbage collector needs a fresh process.
"""

import gc
import json
import os
import sys
import types


def serve():
    import torch
    import torch._dynamo  # torch.optim imports it when the first optimizer is made  # noqa: F401

    gc.freeze()  # what is imported is not looked through again, least of all at the end of each fork: most of a second
    requests, answers = os.dup(0), os.dup(1)
    with os.fdopen(requests) as lines:
        for line in lines:
            pid = os.fork()
            if pid == 0:
                os.close(answers)
                run(**json.loads(line))
                return
            _, status = os.waitpid(pid, 0)
            os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(status))


def run(script, folder, environment, stdout, stderr):
    """Be the process of *script*, as far as it can tell."""
    for descriptor, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[:], sys.path[0] = [script], os.path.dirname(script)
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__file__ = script
    with open(script, encoding="utf-8") as file:
        code = compile(file.read(), script, "exec")
    from _perfkit.inside import boot

    boot.boot()
    exec(code, main.__dict__)


if __name__ == "__main__":
    serve()
