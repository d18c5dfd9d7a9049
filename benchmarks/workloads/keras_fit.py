"""Keras' fit on made data: an MLP whose width sets how long a step takes. Prints its own stopwatch, by epochs.

With ``--turns`` perfkit's marks are switched off and on by steps while it runs under `perfkit profile`: off, on, on, off. (With ``--control`` only the
stopwatch of each step is there, and nothing is switched.)
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf

STEPS = 40  # of an epoch
BATCH = 64
TURNS = (False, True, True, False)


class Stopwatch(keras.callbacks.Callback):
    """Seconds per step of each epoch."""

    def __init__(self):
        super().__init__()
        self.took = []

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.took.append((time.perf_counter() - self.began) / STEPS)


class Turns(keras.callbacks.Callback):
    """When each step began; takes the marks off and on. (On TensorFlow callbacks are called in the loop itself, whatever there are.)"""

    def __init__(self, *, switches):
        super().__init__()
        self.switches, self.began = switches, []

    def on_train_batch_begin(self, batch, logs=None):
        if self.switches:
            sys.modules["_perfkit.inside.session"].current.ended = not TURNS[batch % len(TURNS)]
        self.began.append((batch, time.perf_counter()))

    def on_epoch_end(self, epoch, logs=None):
        if self.switches:
            sys.modules["_perfkit.inside.session"].current.ended = False

    def pairs(self):
        """(off, on): means of the two steps each in a turn of four, without the first turn of an epoch, and the first two epochs."""
        found = []
        for first in range(2 * STEPS, len(self.began) - len(TURNS), len(TURNS)):
            batch = self.began[first][0]
            if batch and batch + len(TURNS) < STEPS:
                a, b, _, d, end = (at for _, at in self.began[first : first + len(TURNS) + 1])
                found.append(((b - a + end - d) / 2, (d - b) / 2))
        return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=480)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--turns", action="store_true")
    parser.add_argument("--control", action="store_true")
    parser.add_argument("--tensorboard", metavar="DIR")
    parser.add_argument("--profiler", metavar="DIR")
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((STEPS * BATCH, 128)).astype("float32")
    y = rng.integers(0, 10, STEPS * BATCH)
    layers = [keras.layers.Dense(options.width, activation="relu") for _ in range(3)]
    model = keras.Sequential([keras.Input((128,)), *layers, keras.layers.Dense(10)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    watch, turns = Stopwatch(), Turns(switches=options.turns)
    callbacks = [watch, *([turns] if options.turns or options.control else [])]
    if options.tensorboard:
        callbacks.append(keras.callbacks.TensorBoard(options.tensorboard, profile_batch=(60, 64)))
    if options.profiler:
        tf.profiler.experimental.start(options.profiler)
    began = time.perf_counter()
    history = model.fit(x, y, batch_size=BATCH, epochs=max(4, options.steps // STEPS), verbose=0, callbacks=callbacks)
    loop_s = time.perf_counter() - began
    if options.profiler:
        tf.profiler.experimental.stop()
    steady = watch.took[2:]  # the first epoch traces the function, the second holds perfkit's and TensorBoard's windows
    print(json.dumps({
        "steps": STEPS * len(watch.took), "loop_s": loop_s, "median_s": statistics.median(steady),
        "median_late_s": statistics.median(steady[len(steady) // 2 :]), "loss": history.history["loss"][-1],
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "pairs_s": turns.pairs(),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
