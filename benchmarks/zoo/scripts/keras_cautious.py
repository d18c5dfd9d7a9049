"""A Keras classifier that saves itself every few batches."""

import tempfile
import time

import keras
import numpy as np

SAMPLES = 6400
chance = np.random.default_rng(6)
x = chance.normal(size=(SAMPLES, 256)).astype("float32")
y = (x[:, :20].sum(1) > 0).astype("float32")


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
        keras.layers.Dense(1),
    ]
)
model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
with tempfile.TemporaryDirectory() as folder:
    saving = keras.callbacks.ModelCheckpoint(folder + "/model.keras", save_freq=10)
    model.fit(x, y, batch_size=64, epochs=6, verbose=0, callbacks=[Rate(), saving])
