"""Functions whose calls are marked as saving, logging or clipping, by the module that defines them.

Only modules that the script itself imports are touched, after they have been imported.
"""

import functools
import sys

from ...model import marks

_SAVE, _LOG, _CLIP = marks.SAVE_ENTER, marks.LOG_ENTER, marks.CLIP_ENTER

SPANS = {
    "torch.serialization": (("save", _SAVE),),
    "torch.nn.utils.clip_grad": (("clip_grad_norm_", _CLIP), ("clip_grad_value_", _CLIP)),
    "safetensors.torch": (("save_file", _SAVE), ("save_model", _SAVE)),
    "torch.distributed.checkpoint.state_dict_saver": (("save", _SAVE),),
    "joblib.numpy_pickle": (("dump", _SAVE),),
    "logging": (("Handler.handle", _LOG),),
    "tqdm.std": (("tqdm.refresh", _LOG),),
    "torch.utils.tensorboard.writer": tuple(
        ("SummaryWriter." + method, _LOG)
        for method in (
            "add_scalar", "add_scalars", "add_histogram", "add_image", "add_images", "add_figure", "add_text",
            "add_graph", "add_embedding", "flush",
        )
    ),
    "tensorboardX.writer": (("SummaryWriter.add_scalar", _LOG), ("SummaryWriter.flush", _LOG)),
    "keras.src.saving.saving_api": (("save_model", _SAVE), ("save_weights", _SAVE)),
    "tensorflow.python.checkpoint.checkpoint": (("Checkpoint.save", _SAVE), ("Checkpoint.write", _SAVE)),
    "wandb.sdk.wandb_run": (("Run.log", _LOG),),
    "mlflow.tracking.fluent": (("log_metric", _LOG), ("log_metrics", _LOG), ("log_artifact", _LOG)),
}  # fmt: skip

# Modules that hold the same functions under the same names, and had taken them before they were marked.
ALSO_IN = {"torch.serialization": "torch", "torch.nn.utils.clip_grad": "torch.nn.utils"}


def arm_spans(session, watch, replace, compiling):
    """Mark the calls of every function in `SPANS` as its module appears. *compiling* says whether a call is only being traced."""
    for module_name, entries in SPANS.items():
        watch.when(module_name, functools.partial(_patch, session, compiling, entries, replace))


def _patch(session, compiling, entries, replace, module, *_):
    for path, kind in entries:
        owner = module
        *parents, attribute = path.split(".")
        for parent in parents:
            owner = getattr(owner, parent, None)
        if owner is None or not hasattr(owner, attribute):
            continue
        name = "%s.%s" % (ALSO_IN.get(module.__name__, module.__name__), path)
        original = getattr(owner, attribute)
        if hasattr(original, "_perfkit_span"):
            continue  # another framework's probe was here before
        make = functools.partial(_marked, session, compiling, kind, name)
        replace(session, "spans", owner, attribute, make)
        also = sys.modules.get(ALSO_IN.get(module.__name__))
        if also is not None and getattr(also, attribute, None) is original:
            made = getattr(owner, attribute)
            replace(session, "spans", also, attribute, lambda _, made=made: made)


def _marked(session, is_compiling, kind, name, original):
    # The main thread's outermost call only: a tracker's own threads and a log record within a save are not the step's.
    @functools.wraps(original)
    def marked(*args, **kwargs):
        if is_compiling() or session.ended:
            return original(*args, **kwargs)
        number = session.name_id(name)
        session.mark(kind, number)
        try:
            return original(*args, **kwargs)
        finally:
            session.mark(kind + 1, number)

    marked._perfkit_span = name
    return marked
