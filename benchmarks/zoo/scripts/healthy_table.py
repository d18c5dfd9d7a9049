"""A network on a table that lies in memory as tensors."""

import time

import torch
from torch import nn

torch.manual_seed(0)
features = torch.randn(65536, 64)
labels = (features[:, 0] * features[:, 1] + features[:, 2] > 0).long()
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

for epoch in range(15):
    start = time.time()
    total = torch.zeros(())
    for index in torch.randperm(len(features)).split(1024):
        loss = nn.functional.cross_entropy(model(features[index]), labels[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(index)
    print(
        f"epoch {epoch}: loss {total / len(labels):.4f}, {len(labels) / (time.time() - start):.1f} samples/s",
        flush=True,
    )
