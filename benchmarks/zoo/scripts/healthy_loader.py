"""Signals are made by one loader process while a small convolutional network learns from the last ones."""

import time

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Signals(Dataset):
    def __init__(self, count, length=256):
        self.count, self.axis = count, np.linspace(0, 20, length, dtype=np.float32)
        self.noise = np.random.default_rng(0).normal(0, 0.4, (64, length)).astype(np.float32)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        kind = index % 5
        signal = np.sin(self.axis * (1 + kind / 3)) + self.noise[index % 64]
        return torch.from_numpy(signal[None].astype(np.float32)), kind


def main():
    torch.manual_seed(0)
    data = Signals(3200)
    loader = DataLoader(data, batch_size=64, shuffle=True, num_workers=1, persistent_workers=True)
    model = nn.Sequential(
        nn.Conv1d(1, 16, 7, padding=3), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool1d(4),
        nn.Flatten(), nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 5),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    for epoch in range(10):
        start = time.time()
        total = 0.0
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(
            f"epoch {epoch}: loss {total / len(loader):.3f}, {len(data) / (time.time() - start):.1f} samples/s",
            flush=True,
        )


if __name__ == "__main__":
    main()
