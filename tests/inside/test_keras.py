"""Keras and TensorFlow scripts under the guest: the steps that Keras counts, their parts, and results to the bit as without it."""

import json
import os
import re
import statistics
import subprocess
import sys
import textwrap

import pytest

from perfkit.advise.evidence import Evidence
from perfkit.analyze.trace_view import analyze_trace

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.slow

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
START = """
import hashlib, json, keras, numpy as np, os, sys, time
keras.utils.set_random_seed(0)
x = np.random.default_rng(0).random((330, 32), dtype=np.float32)
y = np.random.default_rng(1).integers(0, 10, 330)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
def net():
    return keras.Sequential([keras.Input((32,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10)])
def told(model, **more):
    weights = hashlib.sha256(b"".join(np.asarray(w).tobytes() for w in model.get_weights())).hexdigest()
    print(json.dumps({"weights": weights, **more}))
"""
FIT = """
seen = []
class Counts(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        seen.append(batch)
        time.sleep(0.002)
    def on_epoch_end(self, epoch, logs=None):
        self.model.save("model.keras")
model = net()
model.compile("adam", loss, metrics=["accuracy"], steps_per_execution=%d)
history = model.fit(x, y, batch_size=32, epochs=3, validation_data=(x[:100], y[:100]), verbose=0, callbacks=[Counts()])
told(model, history=history.history, batches=len(seen))
"""


@pytest.fixture
def keras(record):
    """keras(script, **options) -> Outcome, without torch's prelude."""

    def go(script, **options):
        return record(
            START + textwrap.dedent(script),
            prelude=False,
            environment={**QUIET, **options.pop("environment", {})},
            **options,
        )

    return go


def said(outcome):
    return json.loads(outcome.stdout.splitlines()[-1])


def facts(outcome, kind):
    return outcome.rank.facts_of(kind)


def test_fit_has_the_steps_that_keras_counts_and_the_results_to_the_bit(keras, tmp_path):
    found = keras(FIT % 1, no_trace=1)
    plain = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")], env={**os.environ, **QUIET, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=True, cwd=tmp_path, timeout=240,
    )  # fmt: skip
    assert json.loads(plain.stdout.splitlines()[-1]) == said(found)
    steps = found.steps()
    assert len(steps) == said(found)["batches"] == 33
    assert steps["mode"].unique().to_list() == ["training"]
    # The last batch of an epoch holds ten of the 330 samples.
    assert steps["samples"].to_list() == ([32] * 10 + [10]) * 3
    for column in ("data_ns", "forward_ns", "backward_ns", "optimizer_ns"):
        assert steps[column].is_null().all()
    parts = [
        f"{name}_ns" for name in ("function", "callbacks", "evaluation", "checkpoint", "logging", "perfkit", "other")
    ]
    assert (steps.select(parts).sum_horizontal() == steps["wall_ns"]).all()
    # The callback sleeps for 2 ms after each batch, which is the next one's beginning.
    assert steps["callbacks_ns"][5] > 2_000_000
    # Evaluations and saves of the first two epochs lie between steps 10 and 11, 21 and 22.
    assert [n for n, value in enumerate(steps["evaluation_ns"]) if value] == [11, 22]
    assert [n for n, value in enumerate(steps["checkpoint_ns"]) if value] == [11, 22]
    (compiled,) = facts(found, "compiled_model")
    assert (compiled["class"], compiled["run_eagerly"], compiled["steps_per_execution"]) == (
        "keras.src.models.sequential.Sequential",
        False,
        1,
    )
    assert compiled["parameters"] == 32 * 64 + 64 + 64 * 10 + 10
    assert facts(found, "tensorflow")[0]["version"].startswith("2.")
    assert facts(found, "keras")[0]["backend"] == "tensorflow"
    assert Evidence(found.run).framework == "tensorflow"
    assert {fact["name"] for fact in facts(found, "traced")} >= {
        "TensorFlowTrainer._make_function.<locals>.multi_step_on_iterator"
    }


def test_steps_and_their_times_are_those_of_keras_own_progress_line(keras):
    found = keras(
        """
        class Slow(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                time.sleep(0.03)
        model = net()
        model.compile("adam", loss)
        model.fit(x, y, batch_size=16, epochs=3, verbose=2, callbacks=[Slow()])
        """,
        no_trace=1,
    )
    # "21/21 - 1s - 31ms/step - loss: 2.3055": an epoch, in whole milliseconds. (The first begins with tracing.)
    lines = [(int(count), int(took)) for count, took in re.findall(r"(\d+)/\1 - \d+s - (\d+)ms/step", found.stdout)]
    assert [count for count, _ in lines] == [21, 21, 21]
    walls = found.steps()["wall_ns"].to_list()
    assert len(walls) == 63
    for epoch, (count, took) in enumerate(lines[1:], 1):
        ours = walls[epoch * count : (epoch + 1) * count]
        # Keras' clock stops after the last callback, a step of ours with the function before it.
        assert statistics.mean(ours) / 1e6 == pytest.approx(took, abs=0.5 + 0.02 * took)


def test_several_steps_in_one_execution_are_divided_out(keras):
    found = keras(FIT % 4)
    steps = found.steps()
    assert len(steps) == 33
    assert said(found)["batches"] == 9  # three executions an epoch: of four, four and three steps
    assert steps["samples"].sum() == 3 * 330
    walls = steps["wall_ns"].to_list()
    assert max(walls[4:8]) - min(walls[4:8]) <= 1
    assert max(walls[8:11]) - min(walls[8:11]) <= 1


def test_batches_of_a_python_data_set_are_counted_and_its_settings_noted(keras):
    found = keras(
        """
        class Made(keras.utils.PyDataset):
            def __len__(self): return 12
            def __getitem__(self, index): return x[:16], y[:16]
        model = net()
        model.compile("adam", loss, run_eagerly=True)
        model.fit(Made(workers=2), epochs=2, verbose=0)
        """
    )
    steps = found.steps()
    assert len(steps) == 24
    assert steps["samples"].drop_nulls().unique().to_list() == [16]
    # Without a graph the parts of a step can be told.
    for column in ("forward_ns", "backward_ns", "optimizer_ns", "function_ns"):
        assert (steps[column] > 0).all()
    (fed,) = facts(found, "batches")
    assert (fed["dataset"], fed["workers"], fed["use_multiprocessing"]) == ("__main__.Made", 2, False)
    assert facts(found, "compiled_model")[0]["run_eagerly"]


TAPE = """
import tensorflow as tf
model, optimizer = net(), keras.optimizers.Adam()
data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(330, seed=0).map(lambda a, b: (a * 2, b)).batch(30)
def step(a, b):
    with tf.GradientTape() as tape:
        value = loss(b, model(a, training=True))
    gradients = tape.gradient(value, model.trainable_variables)
    %s
    return value
def score(a):
    return model(a, training=False)
%s
for epoch in range(4):
    for a, b in data:
        step(a, b)
    for a, b in data.take(3):
        score(a)
told(model)
"""
APPLY = "optimizer.apply_gradients(zip(gradients, model.trainable_variables))"
BY_HAND = "[v.assign_sub(0.01 * g) for v, g in zip(model.trainable_variables, gradients)]"
GRAPH = "step, score = tf.function(step), tf.function(score)"


@pytest.mark.parametrize("update", [APPLY, BY_HAND])
def test_a_tf_function_that_takes_gradients_is_a_step(keras, update):
    found = keras(TAPE % (update, GRAPH))
    steps = found.steps()
    assert len(steps) == 44
    assert steps["samples"].to_list() == [30] * 44
    assert [n for n, value in enumerate(steps["evaluation_ns"]) if value] == [11, 22, 33]
    assert (steps["function_ns"] > 0).all()


def test_a_loop_without_a_graph_has_its_forward_backward_and_optimizer(keras):
    steps = keras(TAPE % (APPLY, "")).steps()
    assert len(steps) == 44
    for column in ("forward_ns", "backward_ns", "optimizer_ns"):
        assert (steps[column] > 0).all()
    assert steps["function_ns"].is_null().all()
    assert [n for n, value in enumerate(steps["evaluation_ns"]) if value] == [11, 22, 33]


def test_predict_is_an_inference_whose_calls_are_steps(keras):
    steps = keras("model = net()\nfor _ in range(3): model.predict(x, batch_size=32, verbose=0)").steps()
    assert len(steps) == 33
    assert steps["mode"].unique().to_list() == ["inference"]
    assert steps["samples"].sum() == 3 * 330


def test_a_window_of_tensorflows_profiler_shows_the_wait_for_data(keras):
    found = keras(
        """
        class Slow(keras.utils.PyDataset):
            def __len__(self): return 60
            def __getitem__(self, index):
                time.sleep(0.02)
                return x[:16], y[:16]
        model = net()
        model.compile("adam", loss)
        model.fit(Slow(), epochs=1, verbose=0)
        """,
        trace_at="step:20",
    )
    _, second = found.rank.traces
    assert second.name == "trace-001.xplane.pb"
    analysed = analyze_trace(second)
    assert analysed.steps == 5
    assert analysed.input_wait.share > 0.5
    assert analysed.input_wait.prefetches
    assert any("MatMul" in row.name for row in analysed.host_operators)
    steps = found.steps()
    assert len(steps) == 60
    assert 5 <= steps["traced"].sum() <= 12


def test_a_script_that_profiles_itself_is_left_alone(keras, tmp_path):
    found = keras(
        """
        import tensorflow as tf
        class Profiles(keras.callbacks.Callback):
            def on_train_batch_begin(self, batch, logs=None):
                if batch == 22:
                    tf.profiler.experimental.start("theirs")
                if batch == 24:
                    tf.profiler.experimental.stop()
        model = net()
        model.compile("adam", loss)
        model.fit(x, y, batch_size=8, epochs=1, verbose=0, callbacks=[Profiles()])
        """,
        trace_at="step:20",
    )
    assert list((tmp_path / "theirs").rglob("*.xplane.pb"))
    barred = [fact["reason"] for fact in facts(found, "window") if fact["state"] == "barred"]
    assert barred == ["the script runs its own profiler"]
    assert len(found.steps()) == 42


def test_on_the_torch_backend_data_and_the_parts_of_a_step_can_be_told(keras):
    found = keras("import tensorflow\n" + FIT % 1, environment={"KERAS_BACKEND": "torch"})
    steps = found.steps()
    assert len(steps) == 33
    assert steps["samples"].to_list() == ([32] * 10 + [10]) * 3
    for column in ("data_ns", "forward_ns", "backward_ns", "function_ns"):
        assert (steps[column] > 0).all()
    assert facts(found, "keras")[0]["backend"] == "torch"
    armed = {name for line in found.run.jsonl("guests.jsonl") for name in line.get("framework", ())}
    assert armed >= {"torch", "keras", "tensorflow"}
    evidence = Evidence(found.run)
    assert evidence.framework == "torch"
    assert evidence.input_wait["traced"] is False
    assert evidence.input_wait["share"] == next(row["share"] for row in evidence.breakdown if row["name"] == "data")
    assert evidence.faults == {}


def test_a_script_of_torch_that_imports_tensorflow_is_torchs(record):
    """As TensorBoard's writer does, and what loads other people's models."""
    found = record(
        """
        import keras, tensorflow
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in DataLoader(data(), 16):
            optimizer.zero_grad()
            lossf(model(x), y).backward()
            optimizer.step()
        """,
        environment=QUIET,
        no_trace=1,
    )
    assert facts(found, "tensorflow")
    assert facts(found, "keras")
    evidence = Evidence(found.run)
    assert evidence.headline["count"] == 20
    assert evidence.framework == "torch"


def test_on_the_jax_backend_the_function_asks_for_each_batch_itself(keras):
    pytest.importorskip("jax")
    script = (
        FIT % 2
        + """
class Slices(keras.utils.PyDataset):
    def __len__(self): return 10
    def __getitem__(self, i):
        time.sleep(0.004)
        return x[i * 32:i * 32 + 32], y[i * 32:i * 32 + 32]
other = net(); other.compile("adam", loss, steps_per_execution=5)
history = other.fit(Slices(), epochs=1, verbose=0)
told(other, loss=history.history["loss"])
"""
    )
    found = keras(script, environment={"KERAS_BACKEND": "jax"}, trial_steps=10_000)
    steps = found.steps()
    assert len(steps) == 33 + 10
    assert facts(found, "keras")[0]["backend"] == "jax"
    assert Evidence(found.run).framework == "jax"
    assert steps["samples"].to_list()[-10:] == [32] * 10
    assert sum(steps["samples"]) == 3 * 330 + 320
    slept = steps[-10:]
    assert (slept["data_ns"] > 3_500_000).all()
    assert (slept["data_ns"] + slept["function_ns"] <= slept["wall_ns"]).all()
    losses = json.loads((found.rank.path / "losses.json").read_text())
    assert losses["unit"] == "samples"
    assert losses["samples"][-1] == sum(steps["samples"])
    (last,) = said(found)["loss"]  # the mean over the last epoch's samples
    assert sum(losses["loss"][-2:]) / 2 == pytest.approx(last, rel=1e-4)  # two calls of five steps
