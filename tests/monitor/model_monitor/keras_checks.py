"""Trains with and without the monitor in one process (one import of TensorFlow) and prints what came of it, as JSON.

python keras_checks.py RESULTS_DIR
"""

import atexit
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from keras.src import backend as keras_backend
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from perfkit.monitor import KeepBest, ModelMonitor, StopOn
from perfkit.monitor import record as records

ROOT = Path(sys.argv[1])
RNG = np.random.default_rng(1)
X = RNG.normal(size=(200, 8)).astype("float32")
Y = (X[:, :3] + 0.5 * RNG.normal(size=(200, 3))).argmax(1)
VX, VY = X[150:], Y[150:]
FOUND = {}
atexit.register(lambda: print(json.dumps(FOUND)))  # also what was found before something failed


def functional():
    inputs = keras.Input((8,))
    hidden = keras.layers.Dropout(0.3)(
        keras.layers.BatchNormalization()(keras.layers.Dense(12, activation="relu")(inputs))
    )
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(hidden))


def unbuilt():
    return keras.Sequential(
        [keras.layers.Dense(8, activation="relu"), keras.layers.Dropout(0.3), keras.layers.Dense(3)]
    )


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3, activation="softmax")

    def call(self, x, training=False):
        return self.out(self.hidden(x))


def compiled(make, **settings):
    keras.utils.set_random_seed(3)
    model = make()
    from_logits = make is unbuilt
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits),
                  metrics=["accuracy"], **settings)  # fmt: skip
    return model


def monitored(model, **settings):
    return ModelMonitor(model, results_dir=ROOT, quiet=True, **settings)


def same(name, make, how, *, compile_with=None, **settings):
    """The same training without and with the monitor: weights and History."""
    plain = compiled(make, **(compile_with or {}))
    theirs = plain.fit(**how())
    model = compiled(make, **(compile_with or {}))
    monitor = monitored(model, **settings)
    ours = monitor.fit(**how())
    FOUND[name] = {
        "weights": all(np.array_equal(a, b) for a, b in zip(plain.get_weights(), model.get_weights(), strict=True)),
        "history": theirs.history == ours.history and type(ours).__name__ == "History" and ours.epoch == theirs.epoch,
        "steps": len(monitor.history["perf/step_time_s"]) if "perf/step_time_s" in monitor.history else 0,
        "names": sorted(monitor.history),
        "keras": {k: v[-1] for k, v in ours.history.items()},
        "last": {k: monitor.history.last(k) for k in monitor.history if k.startswith(("val/", "train/"))},
        "notes": [e.message for e in monitor.history.events if e.kind == "note"],
    }
    return monitor, model


def arrays(**more):
    return lambda: {"x": X[:150], "y": Y[:150], "batch_size": 16, "epochs": 3, "verbose": 0, **more}


def dataset(x, y, size=16, **more):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(size, **more)


def check_metrics(name, monitor, model, x, y):
    scores = model.predict(x, verbose=0)
    precision, recall, f1, _ = precision_recall_fscore_support(y, scores.argmax(1), average="macro", zero_division=0)
    exact = {"accuracy": accuracy_score(y, scores.argmax(1)), "precision": precision, "recall": recall, "f1": f1}
    FOUND[name]["exact"] = max(abs(monitor.history.last(f"val/{k}") - v) for k, v in exact.items())


def generator():
    while True:
        for start in range(0, 144, 16):
            yield X[start : start + 16], Y[start : start + 16]


def trained_the_same():
    """Weights and History are as without the monitor."""
    monitor, model = same("arrays", functional, arrays(validation_data=(VX, VY)), probe="auto")
    check_metrics("arrays", monitor, model, VX, VY)
    series = monitor.history.series("perf/step_time_s")
    FOUND["arrays"]["step_numbers"] = series.steps.tolist() == list(range(30))
    FOUND["arrays"]["step_epochs"] = series.epochs.tolist() == [e for e in range(3) for _ in range(10)]
    rate = monitor.history["perf/samples_per_s"] * series.values
    FOUND["arrays"]["samples"] = np.round(rate, 6).tolist()[:10]
    FOUND["arrays"]["epoch_time"] = bool(np.all(monitor.history["perf/epoch_time_s"] > 0))
    found = records.read(monitor.run)
    FOUND["record"] = {
        "same": all(found.history[n].tolist() == monitor.history[n].tolist() for n in monitor.history),
        "state": found.statuses[-1].state,
        "optimizer": found.cards[-1]["optimizer"]["class"],
        "batch_size": found.cards[-1]["data"]["batch_size"],
    }

    whole = {"x": X, "y": Y, "batch_size": 16, "epochs": 2, "verbose": 0, "validation_split": 0.25}
    monitor, model = same("split", functional, lambda: whole, probe="auto")
    check_metrics("split", monitor, model, VX, VY)
    monitor, model = same("unbuilt", unbuilt, arrays(validation_data=(VX, VY)), probe=(X[:20], Y[:20]))
    check_metrics("unbuilt", monitor, model, VX, VY)
    monitor, model = same("subclassed", Subclassed, arrays(validation_data=(VX, VY)), probe="auto")
    check_metrics("subclassed", monitor, model, VX, VY)

    def data():
        return {
            "x": dataset(X[:150], Y[:150], drop_remainder=True),
            "validation_data": dataset(VX, VY),
            "epochs": 2,
            "verbose": 0,
        }

    monitor, model = same("dataset", functional, data)
    check_metrics("dataset", monitor, model, VX, VY)

    def endless():
        return {
            "x": generator(),
            "validation_data": dataset(VX, VY).repeat(),
            "validation_steps": 2,
            "steps_per_epoch": 9,
            "epochs": 2,
            "verbose": 0,
        }

    monitor, model = same("generator", functional, endless)
    check_metrics("generator", monitor, model, VX[:32], VY[:32])

    def once():
        return {
            "x": dataset(X[:150], Y[:150]),
            "validation_data": generator(),
            "validation_steps": 2,
            "epochs": 2,
            "verbose": 0,
        }

    same("validation_generator", functional, once)
    monitor, model = same(
        "several_steps",
        functional,
        arrays(validation_data=(VX, VY)),
        compile_with={"steps_per_execution": 4},
        probe="auto",
    )
    times = monitor.history["perf/step_time_s"]
    FOUND["several_steps"]["shared"] = bool(times[0] == times[1] == times[2] == times[3] and times[8] == times[9])
    same(
        "unknown_end",
        functional,
        lambda: {"x": dataset(X[:150], Y[:150]).filter(lambda x, y: True), "epochs": 1, "verbose": 0},
    )
    same("compiled", functional, arrays(), compile_with={"jit_compile": True})
    same(
        "weighted",
        functional,
        arrays(validation_data=(VX, VY, np.linspace(0, 1, 50)), sample_weight=np.linspace(0, 1, 150)),
    )
    monitor, _ = same("rarely_validated", functional, arrays(validation_data=(VX, VY), validation_freq=2))
    FOUND["rarely_validated"]["validations"] = len(monitor.history["val/f1"])


def beside_others():
    """Other callbacks, other ends."""

    def two_headed():
        inputs = keras.Input((8,))
        return keras.Model(
            inputs,
            [keras.layers.Dense(3, activation="softmax")(inputs), keras.layers.Dense(3, activation="softmax")(inputs)],
        )

    keras.utils.set_random_seed(3)
    model = two_headed()
    model.compile(optimizer="sgd", loss=["sparse_categorical_crossentropy"] * 2)
    monitor = monitored(model)
    monitor.fit(X, [Y, Y], epochs=2, verbose=0, validation_data=(VX, [VY, VY]))
    FOUND["two_headed"] = [e.message for e in monitor.history.events if e.kind == "note"]

    model = compiled(functional)
    monitor = monitored(model, stop=StopOn("val_f1", patience=2, min_delta=2.0), keep_best=KeepBest("val_loss"))
    monitor.fit(X, Y, 16, 20, 0, None, 0.25)  # by position
    FOUND["stopped_after"] = len(monitor.history["val/f1"])

    model = compiled(functional)
    log, best = ROOT / "log.csv", ROOT / "best.keras"
    theirs = [
        keras.callbacks.EarlyStopping("val_loss", patience=0, min_delta=10.0),
        keras.callbacks.CSVLogger(str(log)),
        keras.callbacks.ModelCheckpoint(str(best)),
    ]
    before = list(theirs)
    returned = monitored(model).fit(X, Y, epochs=9, verbose=0, callbacks=theirs, validation_split=0.25)
    FOUND["their_callbacks"] = {
        "epochs": len(returned.epoch),
        "csv": len(log.read_text().splitlines()) - 1,
        "checkpoint": best.exists(),
        "list_untouched": theirs == before,
    }

    model = compiled(functional)
    seen = []
    callbacks = keras.callbacks.CallbackList(
        [keras.callbacks.LambdaCallback(on_epoch_end=lambda e, logs: seen.append(e))],
        add_history=True,
        model=model,
        steps=13,
    )
    monitor = monitored(model)
    for _ in range(2):
        monitor.fit(X, Y, epochs=2, verbose=0, callbacks=callbacks)
    FOUND["callback_list"] = {"theirs": seen, "steps": len(monitor.history["perf/step_time_s"]), "left": len(callbacks.callbacks),
                              "epochs": monitor.history.series("train/loss").epochs.tolist()}  # fmt: skip

    class Spy(keras.callbacks.Callback):
        """Sees whether Keras dispatches asynchronously."""

        def on_epoch_begin(self, epoch, logs=None):
            frame = sys._getframe(1)
            FOUND.setdefault("async", []).append(frame.f_locals["self"]._async_train)

    keras_backend.IS_THREAD_SAFE = True  # as on JAX and torch: only then does Keras dispatch asynchronously
    compiled(functional).fit(X, Y, verbose=0, callbacks=[Spy()])
    monitor = monitored(compiled(functional))
    monitor.fit(X, Y, epochs=3, verbose=0, callbacks=[Spy()], validation_data=(VX, VY))
    FOUND["async_steps"] = monitor.history.series("perf/step_time_s").epochs.tolist()
    keras_backend.IS_THREAD_SAFE = False

    class Failing(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 3:
                raise ZeroDivisionError("mine")

    monitor = monitored(compiled(functional))
    try:
        monitor.fit(X, Y, verbose=0, callbacks=[Failing()])
    except ZeroDivisionError as error:
        status = records.read(monitor.run).statuses[-1]
        FOUND["failing"] = [str(error), status.state, status.reason]

    model = compiled(functional)
    model.optimizer.learning_rate = float("inf")
    monitor = monitored(model, alerts="default")
    monitor.fit(X, Y, epochs=3, verbose=0)
    FOUND["lost"] = {
        "events": [
            (e.metric, e.epoch) for e in monitor.history.events if e.kind == "validity" and e.metric == "train/loss"
        ],
        "firing": sum(a.state == "firing" and a.metric == "train/loss" for a in records.read(monitor.run).alerts),
    }


WANTED = sys.argv[2:] or ["same", "beside"]
if "same" in WANTED:
    trained_the_same()
if "beside" in WANTED:
    beside_others()
