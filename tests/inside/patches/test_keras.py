"""The fixes for Keras and TensorFlow: several at a time, for each process takes its time to start."""

import json

import pytest

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.slow

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
START = """
import json, os, keras, numpy as np
import tensorflow as tf
keras.utils.set_random_seed(0)
x = np.random.default_rng(0).random((320, 32), dtype=np.float32)
y = np.random.default_rng(1).integers(0, 10, 320)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
told = {}
def net():
    return keras.Sequential([keras.Input((32,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10)])
class Counts(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.trained = self.tested = 0
    def on_train_batch_end(self, batch, logs=None): self.trained += 1
    def on_test_batch_end(self, batch, logs=None): self.tested += 1
def fitted(name, model, *data, **settings):
    counts = Counts()
    history = model.fit(*data, verbose=0, epochs=2, callbacks=[counts], **settings)
    told[name] = {"loss": history.history["loss"], "trained": counts.trained, "tested": counts.tested}
def stages(data):
    found, stage = [], iter(data)._dataset
    while stage is not None:
        found.append(type(stage).__name__.strip("_").replace("Dataset", ""))
        stage = (stage._inputs() or [None])[0]
    return found
"""
END = "\nprint(json.dumps(told))\n"
TWO_FITS = (
    START
    + """
tf.config.threading.set_intra_op_parallelism_threads(2)
model = net(); model.compile("adam", loss)
fitted("arrays", model, x, y)
data = tf.data.Dataset.from_tensor_slices((x, y)).map(lambda a, b: (a * 2, b)).batch(32)
other = net(); other.compile("adam", loss)
fitted("pipeline", other, data)
told.update(stages=stages(data), xla=model.jit_compile, threads=tf.config.threading.get_intra_op_parallelism_threads())
"""
    + END
)


@pytest.fixture
def applied(apply):
    """applied(script, *fixes) -> (what the script told, the rows of the fixes)."""

    def go(script, *fixes):
        outcome, rows = apply(script, *fixes, prelude=False, environment=QUIET)
        return json.loads(outcome.stdout.splitlines()[-1]), rows

    return go


def test_the_same_training_by_another_way(applied):
    plain, _ = applied(TWO_FITS)
    assert (plain["xla"], plain["threads"], plain["stages"][:2]) == (False, 2, ["Batch", "Map"])
    told, rows = applied(TWO_FITS, "steps-per-execution=5", "jit-compile", "tf-data", "tf-threads=1", "floatx")
    assert told["stages"][:3] == ["Prefetch", "Batch", "ParallelMap"]
    assert (told["xla"], told["threads"]) == (True, 1)
    for fit in ("arrays", "pipeline"):
        assert told[fit]["loss"] == pytest.approx(plain[fit]["loss"], rel=1e-4)
        assert (plain[fit]["trained"], told[fit]["trained"]) == (20, 4)
    assert (rows.pop("floatx")["reason"]) == "the script leaves floatx at float32"
    assert {name: row["state"] for name, row in rows.items()} == dict.fromkeys(rows, "applied")
    assert rows["tf-threads"]["detail"]["was"] == 2


def test_another_training_eager_steps_and_a_data_set_in_processes(applied):
    told, rows = applied(
        START
        + """
parent = os.getpid()
class Slices(keras.utils.PyDataset):
    def __len__(self): return 10
    def __getitem__(self, i): return x[i * 32:i * 32 + 32], np.full(32, float(os.getpid() != parent))
eager = net(); eager.compile("adam", loss, run_eagerly=True)
fitted("arrays", eager, x, y, validation_data=(x, y))
told.update(eager=eager.run_eagerly, computes=eager.layers[0].compute_dtype, keeps=eager.layers[0].variable_dtype)
data = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)
other = net(); other.compile("adam", loss)
fitted("pipeline", other, data)
where = keras.Sequential([keras.Input((32,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", dtype="float32")])
where.compile("sgd", lambda y_true, y_pred: y_true + 0 * y_pred)
fitted("made in a process", where, Slices())
"""
        + END,
        "run-eagerly=false",
        "mixed-precision=bfloat16",
        "fit-batch-size:times=2",
        "dataset-workers=2",
    )
    assert told["eager"] is False
    assert (told["computes"], told["keeps"]) == ("bfloat16", "float32")
    assert (told["arrays"]["trained"], told["arrays"]["tested"]) == (10, 20)  # the evaluation keeps its batches
    assert told["pipeline"]["trained"] == 10
    assert told["made in a process"]["loss"] == [1.0, 1.0]
    assert {row["state"] for row in rows.values()} == {"applied"}
    assert rows["fit-batch-size"]["detail"]["was"] == 32


def test_what_the_script_says_itself(applied):
    told, rows = applied(
        START
        + """
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.run_functions_eagerly(True)
keras.backend.set_floatx("float64")
keras.config.set_dtype_policy("float64")
model = net()
try:
    model.compile("adam", loss, no_such_argument=1)
except TypeError as error:
    told["refused"] = str(error)
model.compile("adam", loss, jit_compile=True, steps_per_execution=5)
fitted("arrays", model, x, y, batch_size=64)
told.update(floatx=keras.config.floatx(), eager=tf.config.functions_run_eagerly())
"""
        + END,
        "tf-threads=1",
        "run-eagerly",
        "floatx",
        "mixed-precision",
        "jit-compile",
        "steps-per-execution=5",
        "fit-batch-size=64",
        "dataset-workers=2",
        "tf-data",
    )
    assert "no_such_argument" in told["refused"]
    assert (told["floatx"], told["eager"]) == ("float32", False)
    assert [name for name, row in rows.items() if row["state"] == "applied"] == ["run-eagerly", "floatx"]
    assert {name: row["reason"] for name, row in rows.items() if row["state"] != "applied"} == {
        "tf-threads": "it computes with 1 threads already",
        "mixed-precision": "the script sets the policy float64",
        "jit-compile": "the script compiles it with XLA already",
        "steps-per-execution": "the script makes 5 steps in one call already",
        "fit-batch-size": "its batches hold 64 already",
        "dataset-workers": "no PyDataset was given to fit, evaluate or predict",
        "tf-data": "its batches are prefetched already",
    }
