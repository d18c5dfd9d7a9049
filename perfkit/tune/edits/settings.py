"""What is one statement, or two, for the whole program."""

from __future__ import annotations

import ast

from ...launch.habits.source import Source, dotted, last_name, method
from .place import training_loop
from .text import (
    Parameters,
    above,
    after_imports,
    before_imports,
    calls,
    changed,
    given,
    importing,
    is_literal,
    mentions,
    only,
    replaced,
    replacing,
)  # fmt: skip


def _called_with(text: str, function: str, value: str) -> str | None:
    """``torch.function(value)``: the literal in the script's own call, else a line below the imports."""
    there = [call for call in calls(ast.parse(text)) if last_name(call) == function]
    if not there:
        return after_imports(text, f"torch.{function}({value})")
    call = only(there)
    first = call.args[0] if call is not None and call.args else None
    return replaced(text, first, value) if isinstance(first, ast.Constant) else None


def thread_count(parameters: Parameters) -> str:
    """As an expression: where no number was asked for, that of the machine."""
    return str(parameters.get("num_threads") or "len(os.sched_getaffinity(0))")


def threads(text: str, parameters: Parameters) -> str | None:
    """Within an operator."""
    return _threads(text, "set_num_threads", parameters)


def interop_threads(text: str, parameters: Parameters) -> str | None:
    """Between operators: before anything computes."""
    return _threads(text, "set_num_interop_threads", parameters)


def _threads(text: str, function: str, parameters: Parameters) -> str | None:
    made = text if parameters.get("num_threads") else importing(text, "os")
    return _called_with(made, function, thread_count(parameters)) if made is not None else None


def precision(parameters: Parameters) -> str:
    """Of float32 products."""
    return str(parameters.get("precision") or "high")


def tf32(text: str, _parameters: Parameters) -> str | None:
    """Convolutions use it unless told otherwise, products when told."""
    return None if mentions(text, "allow_tf32") else matmul_precision(text, {})


def matmul_precision(text: str, parameters: Parameters) -> str | None:
    """In the words of torch."""
    return _called_with(text, "set_float32_matmul_precision", f'"{precision(parameters)}"')


def cudnn_benchmark(text: str, _parameters: Parameters) -> str | None:
    """The literal that the script assigns, else a line below the imports."""
    target = "torch.backends.cudnn.benchmark"
    there = [
        node for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assign) and any(dotted(each).endswith("cudnn.benchmark") for each in node.targets)
    ]  # fmt: skip
    if not there:
        return after_imports(text, f"{target} = True")
    one = only(there)
    return replaced(text, one.value, "True") if one is not None and isinstance(one.value, ast.Constant) else None


def precision_lines(parameters: Parameters) -> str:
    """The same, of both."""
    return f'torch.set_float32_matmul_precision("{precision(parameters)}")   # below the imports'


# --- evaluation and gradients


def inference_mode(text: str, _parameters: Parameters) -> str | None:
    """``torch.no_grad`` around whatever is no part of a training step: what is made there may meet gradients."""
    source = Source("script", text)
    found = [
        node for node in source.nodes
        if isinstance(node, ast.Attribute) and dotted(node) == "torch.no_grad" and not source.place(node).in_step
    ]  # fmt: skip
    return changed(text, [replacing(text, node, "torch.inference_mode") for node in found]) if found else None


def zero_grad_none(text: str, _parameters: Parameters) -> str | None:
    """Every literal ``zero_grad(False)``."""
    asked = [call for call in calls(ast.parse(text)) if method(call) == "zero_grad"]
    values = [given(call, "set_to_none") or next(iter(call.args), None) for call in asked]
    found = [value for value in values if value is not None and is_literal(value, False)]
    return changed(text, [replacing(text, value, "True") for value in found]) if found else None


# --- memory


def gc_freeze(text: str, _parameters: Parameters) -> str | None:
    """Above the loop that trains: data, model and modules are there by then."""
    made = None if mentions(text, "freeze") else importing(text, "gc")
    loop = training_loop(ast.parse(made)) if made is not None else None
    return above(made, loop, "gc.collect()", "gc.freeze()") if made is not None and loop is not None else None


CUDA_SETTINGS = "expandable_segments:True"
KEEP = (
    "# malloc keeps freed memory for the next step: no block from mmap (M_MMAP_MAX), none given back (M_TRIM_THRESHOLD)",
    "ctypes.CDLL(None).mallopt(-4, 0)",
    "ctypes.CDLL(None).mallopt(-1, -1)",
)


def allocator(text: str, parameters: Parameters) -> str | None:
    """The host's below the imports, CUDA's above them: torch reads its settings as it is imported."""
    asked = parameters or {"host": "keep", "cuda": CUDA_SETTINGS}
    made: str | None = text
    if "mallopt" in text or "_ALLOC_CONF" in text:
        return None  # the script has settings of its own
    if "host" in asked:
        with_keep = after_imports(text, *KEEP)
        made = importing(with_keep, "ctypes") if with_keep is not None else None
    if "cuda" in asked and made is not None:
        made = before_imports(made, "import os", "", _cuda_line(asked), "")
    return made


def _cuda_line(asked: Parameters) -> str:
    return f'os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "{asked["cuda"]}")'


def allocator_lines(parameters: Parameters) -> str:
    """Both as they would stand at the top of a script."""
    asked = parameters or {"host": "keep", "cuda": CUDA_SETTINGS}
    cuda = ["import os", f"{_cuda_line(asked)}   # above the import of torch"] if "cuda" in asked else []
    return "\n".join([*cuda, *(["import ctypes", *KEEP] if "host" in asked else [])])


# --- attention

SWITCHES = {"flash": "flash", "efficient": "mem_efficient", "cudnn": "cudnn"}


def _attention_switches(parameters: Parameters) -> list[str]:
    """Every implementation off but the wanted one, and the plain one for what that cannot compute."""
    wanted = parameters.get("backend") or "flash"
    return [f"torch.backends.cuda.enable_{switch}_sdp({name == wanted})" for name, switch in SWITCHES.items()]


def attention_backend(text: str, parameters: Parameters) -> str | None:
    """Switches for the whole program, unless it has some."""
    if mentions(text, "sdpa_kernel", "sdp_kernel", *(f"enable_{name}_sdp" for name in (*SWITCHES.values(), "math"))):
        return None
    return after_imports(text, *_attention_switches(parameters))


def attention_lines(parameters: Parameters) -> str:
    """The same."""
    return "\n".join(["# below the imports; these switches hold on the CPU too", *_attention_switches(parameters)])
