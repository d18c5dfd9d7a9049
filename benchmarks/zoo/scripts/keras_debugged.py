"""A Keras classifier on scikit-learn's digits that somebody was still debugging."""

import time

import keras
from sklearn.datasets import load_digits

digits = load_digits()
x, y = digits.images[..., None].astype("float32") / 16, digits.target
SAMPLES = len(x)


class Rate(keras.callbacks.Callback):
    """Prints how fast each epoch was."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.time()

    def on_epoch_end(self, epoch, logs=None):
        rate = SAMPLES / (time.time() - self.start)
        print(f"epoch {epoch}: loss {logs['loss']:.3f}, {rate:.1f} samples/s", flush=True)


model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile("adam", loss, run_eagerly=True)
model.fit(x, y, batch_size=32, epochs=5, verbose=0, callbacks=[Rate()])
