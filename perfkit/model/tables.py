"""Schemas of the tables that analysis passes on: column, dtype, unit, meaning. Each has a version and a history.

The dtypes are polars' names. A column that a source cannot fill is null, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: polars dtype name, unit ("" for none), meaning."""

    name: str
    dtype: str
    unit: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table's schema. ``history`` has one line per version, the newest last."""

    name: str
    version: int
    history: tuple[str, ...]
    columns: tuple[Column, ...]


def _table(name: str, version: int, history: tuple[str, ...], *columns: tuple[str, str, str, str]) -> Table:
    made = tuple(Column(name=n, dtype=d, unit=u, meaning=m) for n, d, u, m in columns)
    return Table(name=name, version=version, history=history, columns=made)


STEPS = _table(
    "steps", 3, ("1: first", "2: perfkit_ns out of other_ns; detailed, and phases null in steps that are not",
                 "3: function_ns and callbacks_ns; phases that a loop cannot tell are null"),
    ("rank", "Int32", "", "rank whose marks these are"),
    ("segment", "Int32", "", "which of the script's loops: repeated fits, folds, phases of other mode"),
    ("step", "Int64", "", "index within the rank, from 0, in time order"),
    ("mode", "String", "", "training or inference"),
    ("start_ns", "Int64", "ns", "CLOCK_MONOTONIC; end of the step before, or the first mark of the loop"),
    ("end_ns", "Int64", "ns", "end of the optimizer's step or of the train function (training), of the outermost model call or of the predict function (inference); "
                              "evenly spaced where one call of the function makes several steps"),
    ("wall_ns", "Int64", "ns", "end - start: everything, evaluation and checkpoints between included"),
    ("duration_ns", "Int64", "ns", "wall_ns less evaluation, checkpoints and the opening and closing of our own window"),
    ("data_ns", "Int64", "ns", "waiting for the next batch; null without a loader"),
    ("prepare_ns", "Int64", "ns", "from getting the batch to calling the model: copies to the device and the like; null without a loader"),
    ("forward_ns", "Int64", "ns", "from the model's call to the start of backward, loss included"),
    ("backward_ns", "Int64", "ns", "inside backward"),
    ("optimizer_ns", "Int64", "ns", "inside the optimizer's step and zero_grad, clipping included"),
    ("function_ns", "Int64", "ns", "inside a function that does forward, backward and the optimizer's step in one, or predicts (Keras, tf.function), less what "
                                   "of it other phases tell; null without one"),
    ("callbacks_ns", "Int64", "ns", "inside the callbacks of a framework's own training loop (Keras); null without one"),
    ("evaluation_ns", "Int64", "ns", "from the first to the last forward without gradient between training steps"),
    ("checkpoint_ns", "Int64", "ns", "inside torch.save and its like"),
    ("logging_ns", "Int64", "ns", "inside logging handlers and trackers"),
    ("perfkit_ns", "Int64", "ns", "perfkit's own work after the step before: writing down its marks; 0 where it was not measured"),
    ("other_ns", "Int64", "ns", "the rest of wall_ns"),
    ("detailed", "Boolean", "", "every phase was marked; else prepare, forward, backward, optimizer, other and micro_steps are null (of steps under a millisecond one in eight is)"),
    ("samples", "Int64", "", "counted from the real batches; null if unknown"),
    ("tokens", "Int64", "", "likewise, for integer sequences"),
    ("micro_steps", "Int32", "", "backward passes inside (gradient accumulation)"),
    ("traced", "Boolean", "", "touched by a trace or stack window: never in the headline"),
    ("steady", "Boolean", "", "after the end of warm-up, and not traced"),
)  # fmt: skip

EVENTS = _table(
    "events", 3, ("1: first", "2: constants", "3: how a kernel was launched"),
    ("ts_ns", "Int64", "ns", "start, from the trace's own zero (base_time_ns in the trace's metadata)"),
    ("dur_ns", "Int64", "ns", "duration, 0 for instants"),
    ("category", "Categorical", "", "cpu_op, kernel, gpu_memcpy, cuda_runtime … as the trace says"),
    ("name", "Categorical", "", "operator, kernel or annotation"),
    ("pid", "Int32", "", "process, or device number for device events"),
    ("tid", "Int64", "", "thread, or stream for device events"),
    ("device", "Int32", "", "device index; -1 on the host"),
    ("stream", "Int32", "", "stream of a device event; -1 on the host"),
    ("correlation", "Int64", "", "joins a launch with its kernel; -1 without"),
    ("external_id", "Int64", "", "joins device work with the operator that caused it; -1 without"),
    ("sequence", "Int64", "", "autograd sequence number; -1 without"),
    ("forward_thread", "Int64", "", "thread of the forward operator, for backward operators; -1 without"),
    ("shapes", "Categorical", "", "input shapes as the trace writes them; null without"),
    ("dtypes", "Categorical", "", "input types; null without"),
    ("constants", "Categorical", "", "inputs that are no tensors, of convolutions only; null without"),
    ("bytes", "Int64", "bytes", "of a copy or allocation; -1 without"),
    ("blocks", "Int64", "", "of a kernel's grid; -1 without"),
    ("threads", "Int64", "", "of each of its blocks; -1 without"),
    ("registers", "Int64", "", "of each of its threads; -1 without"),
    ("shared_bytes", "Int64", "bytes", "of shared memory for each of its blocks; -1 without"),
    ("python_id", "Int64", "", "of a Python frame; -1 without"),
    ("python_parent", "Int64", "", "parent frame's id; -1 without"),
)  # fmt: skip
