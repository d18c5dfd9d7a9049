"""Textures made on the fly with NumPy in many loader workers."""

import time

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Textures(Dataset):
    """Four kinds of stripes with noise."""

    def __init__(self, count, side=48):
        self.count, self.side = count, side
        self.grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), 0).astype(np.float32)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        kind = index % 4
        wave = np.zeros((self.side, self.side), np.float32)
        for octave in range(3):
            angle = kind * np.pi / 4 + rng.normal(0, 0.1)
            wave += np.sin((np.cos(angle) * self.grid[0] + np.sin(angle) * self.grid[1]) * 0.4 * (octave + 1))
        wave += rng.normal(0, 0.5, wave.shape)
        return torch.from_numpy(wave[None].astype(np.float32)), kind


def train():
    torch.manual_seed(0)
    data = Textures(1200)
    loader = DataLoader(data, batch_size=16, shuffle=True, num_workers=8)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1600, 4),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    for epoch in range(10):
        tic = time.time()
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(
            f"epoch {epoch}: loss {total / len(loader):.3f}, {len(data) / (time.time() - tic):.1f} samples/s",
            flush=True,
        )


if __name__ == "__main__":
    train()
