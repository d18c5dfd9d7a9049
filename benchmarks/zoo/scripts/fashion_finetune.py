"""Fine-tune the head and last block of a network; somebody once ran out of memory here."""

import gc
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


def block(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())


backbone = nn.Sequential(block(1, 32), block(32, 64)).eval().requires_grad_(False)
head = nn.Sequential(block(64, 128), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))
images = torch.randn(1920, 1, 56, 56)
labels = (images.mean((1, 2, 3)) * 300).long() % 10
loader = DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True)
optimizer = torch.optim.Adam(head.parameters(), lr=1e-3, fused=True)

for epoch in range(4):
    tic = time.time()
    total = 0.0
    for step, (x, y) in enumerate(loader):
        with torch.no_grad():
            features = backbone(x)
        loss = nn.functional.cross_entropy(head(features), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
        del features, loss
        if step % 3 == 0:
            gc.collect()
    print(
        f"epoch {epoch}: loss {total / len(loader):.3f}, {len(images) / (time.time() - tic):.1f} samples/s", flush=True
    )
