"""ModelMonitor on Keras' torch backend, where each pass over data draws from the random numbers that the training shuffles with."""

import json
import os
import subprocess
import sys

import pytest

TRAINING = """
import json, sys
import keras, numpy as np
from perfkit.monitor import ModelMonitor

X = np.random.default_rng(1).normal(size=(200, 8)).astype("float32")
Y = X[:, :3].argmax(1)

def trained(**settings):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((8,))
    hidden = keras.layers.Dropout(0.3)(keras.layers.BatchNormalization()(keras.layers.Dense(12, activation="relu")(inputs)))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(hidden))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    watched = ModelMonitor(model, results_dir=sys.argv[1], quiet=True, **settings) if settings else model
    history = watched.fit(X, Y, epochs=3, verbose=0, validation_split=0.25).history
    return model.get_weights(), history, watched

plain, again, ours = trained(), trained(), trained(probe="auto")
same = lambda other: bool(all(np.array_equal(a, b) for a, b in zip(plain[0], other[0], strict=True)) and plain[1] == other[1])
print(json.dumps({
    "backend": keras.backend.backend(), "repeats": same(again), "watched": same(ours),
    "probe": [ours[2].history["probe/loss_before"].tolist(), ours[2].history["probe/loss_after"].tolist()],
    "f1": len(ours[2].history["val/f1"]),
}))
"""


@pytest.mark.slow
def test_weights_and_history_are_the_same_as_without_though_the_monitor_goes_through_data(tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": "torch", "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-c", TRAINING, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["backend"] == "torch"
    assert found["repeats"]
    assert found["watched"]
    before, after = found["probe"]
    assert before[1:] == after[:-1]  # the batch is fixed, and nothing has trained between two epochs
    assert found["f1"] == 3
