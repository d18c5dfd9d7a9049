"""A small Keras regression whose steps are short beside what calling them takes."""

import time

import keras
import numpy as np
import tensorflow as tf

SAMPLES, BATCH = 64_000, 64
chance = np.random.default_rng(2)
x = chance.normal(size=(SAMPLES, 16)).astype("float32")
y = (x**2).sum(1, keepdims=True).astype("float32")
data = (
    tf.data.Dataset.from_tensor_slices((x, y))
    .cache()
    .shuffle(SAMPLES)
    .batch(BATCH, drop_remainder=True)
    .prefetch(tf.data.AUTOTUNE)
)


class Rate(keras.callbacks.Callback):
    """Prints how fast each epoch was."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.time()

    def on_epoch_end(self, epoch, logs=None):
        rate = SAMPLES / (time.time() - self.start)
        print(f"epoch {epoch}: loss {logs['loss']:.3f}, {rate:.1f} samples/s", flush=True)


model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(32, activation="relu"), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(1e-3), "mse")
model.fit(data, epochs=6, verbose=0, callbacks=[Rate()])
