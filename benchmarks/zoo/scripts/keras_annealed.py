"""A custom Keras training loop whose loss is annealed: the weight is a Python number, and each new one is traced anew."""

import time

import keras
import numpy as np
import tensorflow as tf

BATCH, BATCHES, WORDS, LENGTH = 16, 60, 500, 50
SAMPLES, EVERY = BATCH * BATCHES, 6
chance = np.random.default_rng(3)


def batch():
    words = chance.integers(1, WORDS, (BATCH, LENGTH)).astype("int32")
    return words, (words.mean(1) > WORDS / 2).astype("float32")


model = keras.Sequential(
    [
        keras.layers.Embedding(WORDS, 32),
        keras.layers.Conv1D(64, 5, activation="relu"),
        keras.layers.GlobalMaxPooling1D(),
        keras.layers.Dense(1),
    ]
)
model.build((None, None))
optimizer = keras.optimizers.Adam(1e-3)
optimizer.build(model.trainable_variables)
loss_of = keras.losses.BinaryCrossentropy(from_logits=True)


@tf.function
def step(words, labels, weight):
    with tf.GradientTape() as tape:
        logits = model(words, training=True)
        loss = loss_of(labels[:, None], logits) + weight * tf.reduce_mean(logits**2)
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss


number = 0
for epoch in range(6):
    start, running = time.time(), 0.0
    for _ in range(BATCHES):
        words, labels = batch()
        weight = 0.1 * 0.98 ** (number // EVERY)
        running += float(step(tf.constant(words), tf.constant(labels), weight))
        number += 1
    rate = SAMPLES / (time.time() - start)
    print(f"epoch {epoch}: loss {running / BATCHES:.3f}, {rate:.1f} samples/s", flush=True)
