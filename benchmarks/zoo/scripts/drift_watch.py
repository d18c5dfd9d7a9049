"""Training that watches how far the model's answers drift from where they started."""

import copy
import time

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 512), nn.Tanh(), nn.Linear(512, 512), nn.Tanh(), nn.Linear(512, 16))
start_model = copy.deepcopy(model).requires_grad_(False)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
inputs, targets = torch.randn(12800, 64), torch.randn(12800, 16)
drifts = []

for epoch in range(6):
    begin = time.time()
    total = 0.0
    for picked in torch.randperm(len(inputs)).split(256):
        x, y = inputs[picked], targets[picked]
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
        drift = nn.functional.mse_loss(model(x), start_model(x))
        drifts.append(drift)
    speed = len(inputs) / (time.time() - begin)
    print(f"epoch {epoch}: loss {total / 50:.3f}, drift {float(drifts[-1]):.4f}, {speed:.1f} samples/s", flush=True)
