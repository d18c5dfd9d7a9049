"""jit-compile: Keras' train, test and predict functions compiled with XLA (``compile(jit_compile=True)``)."""

from .base import CompilePatch, backend


class JitCompile(CompilePatch):
    """Left to itself Keras compiles with XLA where there is a GPU, and not on a processor."""

    name = "jit-compile"
    argument = "jit_compile"
    value = True

    def why_not(self, arguments):
        """On torch the word means another compiler."""
        if backend() == "torch":
            return "Keras computes with torch here, which has a compiler of its own"
        if arguments.get("run_eagerly"):
            return "the model runs eagerly (run_eagerly=True)"
        if arguments.get("jit_compile") is True:
            return "the script compiles it with XLA already"
        if arguments.get("jit_compile", "auto") == "auto" and arguments["self"]._resolve_auto_jit_compile():
            return "Keras compiles it with XLA already"
        return None


PATCH = JitCompile
