"""The argument vector: SCRIPT, -m MODULE or -- COMMAND, as Python or the shell would run them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from ..errors import CommandNotFound
from .interpreter import Interpreter
from .request import Request

_SHEBANG_BYTES = 512


def build(request: Request, python: Interpreter, environ: Mapping[str, str] = os.environ) -> list[str]:
    """What to execute. Raises CommandNotFound when the script or program does not exist."""
    if request.kind == "module":
        return [python.path, "-m", request.target, *request.args]
    if request.kind == "script":
        return [python.path, _script(request.target), *request.args]
    return [_program(request, python, environ), *request.args]


def _script(target: str) -> str:
    if target != "-" and not Path(target).exists():
        raise CommandNotFound(f"{target}: no such script; a module is named with -m, another program after --")
    return target


def _program(request: Request, python: Interpreter, environ: Mapping[str, str]) -> str:
    """PATH's program, or the one beside the chosen Python: first when that was asked for with --python."""
    beside = str(Path(python.path).parent)
    path = environ.get("PATH", os.defpath)
    order = [beside, path] if request.python is not None else [path, beside]
    found = shutil.which(request.target, path=os.pathsep.join(order))
    if found is None:
        raise CommandNotFound(f"{request.target}: no such program on PATH or beside {python.path}")
    return found


def display_name(request: Request) -> str:
    """Short name for headings and the run's id: the script without its suffix, the module, or the program."""
    if request.kind == "module":
        return request.target
    if request.kind == "script":
        return Path(request.target).resolve().stem if request.target != "-" else "stdin"
    return Path(request.target).stem or "command"


def typed(request: Request) -> list[str]:
    """What the person typed after `perfkit profile`, as a vector (not masked)."""
    head = {"script": [request.target], "module": ["-m", request.target], "command": ["--", request.target]}
    return [*head[request.kind], *request.args]


def interpreter_of(argv: list[str], chosen: Interpreter) -> str:
    """The Python that *argv* most likely runs in: itself, its shebang's, or the chosen one."""
    program = argv[0]
    if re.fullmatch(r"(python|pypy)[\d.]*(\.exe)?", Path(program).name):
        return program
    return _shebang_python(program) or chosen.path


def _shebang_python(program: str) -> str | None:
    try:
        with Path(program).open("rb") as file:
            head = file.read(_SHEBANG_BYTES).split(b"\n")[0]
    except OSError:
        return None
    if not head.startswith(b"#!"):
        return None
    words = head[2:].decode("utf-8", "replace").split()
    if words and "python" in Path(words[0]).name:
        return words[0]
    return shutil.which(words[1]) if len(words) > 1 and "python" in words[1] else None
