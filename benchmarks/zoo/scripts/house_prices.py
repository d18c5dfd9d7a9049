"""Regression on a table of houses that comes from NumPy."""

import time

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

rng = np.random.default_rng(0)
table = rng.normal(size=(6400, 128))
prices = table[:, :5].sum(1) + np.abs(table[:, 5]) + rng.normal(0, 0.1, 6400)

features = torch.from_numpy(table)
targets = torch.from_numpy(prices)
loader = DataLoader(TensorDataset(features, targets), batch_size=128, shuffle=True)

layers = [nn.Linear(128, 512), nn.SiLU(), nn.Linear(512, 512), nn.SiLU(), nn.Linear(512, 1)]
model = nn.Sequential(*layers).to(features.dtype)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)

for epoch in range(10):
    start = time.time()
    squares = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x).squeeze(-1), y)
        loss.backward()
        optimizer.step()
        squares += loss.item() * len(y)
    speed = len(features) / (time.time() - start)
    print(f"epoch {epoch}: rmse {np.sqrt(squares / len(features)):.3f}, {speed:.1f} samples/s", flush=True)
