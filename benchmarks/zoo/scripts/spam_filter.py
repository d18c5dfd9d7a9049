"""A spam filter: texts become counts of word pairs, then a small network learns."""

import random
import time
from collections import Counter
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

BUCKETS = 512
CACHE = Path(__file__).with_name("features.pt")


def write_mails(count):
    rng = random.Random(3)
    words = [f"word{n}" for n in range(800)]
    return [" ".join(rng.choices(words[: 500 if n % 2 else 800], k=150)) for n in range(count)], [
        n % 2 for n in range(count)
    ]


def bucket(pair):
    value = 0
    for letter in pair:
        value = (value * 31 + ord(letter)) % 1_000_003
    return value % BUCKETS


def count_pairs(mails):
    """Counts of word pairs in each mail, hashed into buckets."""
    rows = []
    for mail in mails:
        words = mail.split()
        counts = Counter(bucket(first + second) for first, second in zip(words, words[1:]))
        rows.append([float(counts[n]) for n in range(BUCKETS)])
    return torch.tensor(rows)


def main():
    torch.manual_seed(0)
    mails, labels = write_mails(8000)
    features = count_pairs(mails)
    loader = DataLoader(TensorDataset(features, torch.tensor(labels)), batch_size=256, shuffle=True)
    model = nn.Sequential(nn.Linear(BUCKETS, 128), nn.ReLU(), nn.Linear(128, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for epoch in range(10):
        start = time.time()
        total = 0.0
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        rate = len(labels) / (time.time() - start)
        print(f"epoch {epoch}: loss {total / len(loader):.3f}, {rate:.1f} samples/s", flush=True)


if __name__ == "__main__":
    main()
