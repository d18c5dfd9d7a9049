"""A Keras network in double precision, as its author's numpy was."""

import time

import keras
import numpy as np

keras.config.set_floatx("float64")
SAMPLES = 8192
chance = np.random.default_rng(4)
x = chance.normal(size=(SAMPLES, 256))
y = np.tanh(x @ chance.normal(size=(256, 8)) / 16)


class Rate(keras.callbacks.Callback):
    """Prints how fast each epoch was."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.time()

    def on_epoch_end(self, epoch, logs=None):
        rate = SAMPLES / (time.time() - self.start)
        print(f"epoch {epoch}: loss {logs['loss']:.3f}, {rate:.1f} samples/s", flush=True)


model = keras.Sequential(
    [
        keras.Input((256,)),
        keras.layers.Dense(512, activation="relu"),
        keras.layers.Dense(512, activation="relu"),
        keras.layers.Dense(8),
    ]
)
model.compile("adam", "mse")
model.fit(x, y, batch_size=128, epochs=6, verbose=0, callbacks=[Rate()])
