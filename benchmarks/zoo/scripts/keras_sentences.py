"""A custom Keras training loop over sentences of many lengths: each new length is traced anew."""

import time

import keras
import numpy as np
import tensorflow as tf

BATCH, BATCHES, WORDS, LONGEST = 16, 60, 500, 80
SAMPLES = BATCH * BATCHES
chance = np.random.default_rng(3)


def batch():
    length = int(chance.integers(20, LONGEST + 1))
    words = chance.integers(1, WORDS, (BATCH, length)).astype("int32")
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
def step(words, labels):
    with tf.GradientTape() as tape:
        loss = loss_of(labels[:, None], model(words, training=True))
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss


for epoch in range(6):
    start, running = time.time(), 0.0
    for _ in range(BATCHES):
        words, labels = batch()
        running += float(step(tf.constant(words), tf.constant(labels)))
    rate = SAMPLES / (time.time() - start)
    print(f"epoch {epoch}: loss {running / BATCHES:.3f}, {rate:.1f} samples/s", flush=True)
