"""Trains a small text classifier in PyTorch on sentences made here, under `ModelMonitor`, with a fault of your choice.

    python examples/monitor_text.py --fault nan|overfit|slow|none

A sentence is about food, sport or weather; a few of its words say which, the others are the same everywhere. The loop is of one's own: it
tells the monitor of epochs and steps.
"""

import argparse
import random
import time

import torch
from torch import nn
from torch.nn import functional

from perfkit.monitor import ModelMonitor

TOPICS = {
    "food": ["bread", "soup", "apple", "cheese", "oven", "salt", "pepper", "cook", "taste", "dinner"],
    "sport": ["ball", "goal", "team", "race", "coach", "win", "run", "match", "field", "score"],
    "weather": ["rain", "snow", "wind", "cloud", "sun", "storm", "cold", "warm", "sky", "fog"],
}
COMMON = [
    "the",
    "a",
    "we",
    "they",
    "it",
    "was",
    "is",
    "had",
    "very",
    "then",
    "with",
    "of",
    "in",
    "on",
    "and",
    "but",
    "day",
    "time",
    "again",
    "here",
]
WORDS = {word: number for number, word in enumerate([*COMMON, *(w for words in TOPICS.values() for w in words)])}
BATCH = 32


def sentences(count, clear, generator):
    """(count, 12) word numbers and (count,) topics; *clear* is the share of sentences whose topic is what is written down."""
    texts, topics = [], []
    for _ in range(count):
        topic = generator.randrange(len(TOPICS))
        about = list(TOPICS.values())[topic]
        words = [generator.choice(about if generator.random() < 0.25 else COMMON) for _ in range(12)]
        texts.append([WORDS[word] for word in words])
        topics.append(topic if generator.random() < clear else generator.randrange(len(TOPICS)))
    return torch.tensor(texts), torch.tensor(topics)


class Classifier(nn.Module):
    """The mean of the words' vectors, and two layers on it."""

    def __init__(self, width):
        super().__init__()
        self.words = nn.EmbeddingBag(len(WORDS), width)
        self.layers = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, len(TOPICS)))

    def forward(self, texts):
        return self.layers(self.words(texts))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fault", choices=["nan", "overfit", "slow", "none"], default="none")
    fault = parser.parse_args().fault
    torch.manual_seed(0)
    generator = random.Random(0)
    overfits = fault == "overfit"
    texts, topics = sentences(96 if overfits else 1280, 0.7 if overfits else 1.0, generator)
    held_texts, held_topics = sentences(400, 1.0, generator)
    model = Classifier(64 if overfits else 16)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005 if overfits else 0.001)
    steps = 0

    with ModelMonitor(model, alerts="default") as monitor:
        for number in range(60 if overfits else 24):
            with monitor.epoch(number):
                for chosen in torch.randperm(len(texts)).split(32 if overfits else BATCH):
                    logits = model(texts[chosen])
                    loss = functional.cross_entropy(logits, topics[chosen])
                    steps += 1
                    if fault == "nan" and steps > 300:
                        loss = loss * float("nan")
                    if fault == "slow" and steps > 300:
                        time.sleep(0.02)  # as if a tokenizer had begun to look up each word on a disk
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    monitor.step(loss, y_true=topics[chosen], y_pred=logits)
                with torch.no_grad():
                    said = model(held_texts)
                monitor.validate(held_topics, said, loss=functional.cross_entropy(said, held_topics))

    told = [event for event in monitor.history.events if event.severity != "info"]
    print(f"fault: {fault}; found: {len(told)}; val/f1 {monitor.history.last('val/f1'):.3f}")
    for event in told:
        print(f"  {event.severity} at step {event.step}: {event.message}")
        if event.advice:
            print(f"    {event.advice}")


if __name__ == "__main__":
    main()
