"""A deep and wide classifier of gene expression profiles."""

import time

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )

    def forward(self, x):
        return x + self.inner(x)


class Classifier(nn.Module):
    def __init__(self, genes=1024, kinds=12):
        super().__init__()
        self.blocks = nn.Sequential(Block(genes), Block(genes), nn.LayerNorm(genes))
        self.head = nn.Linear(genes, kinds)

    def forward(self, x):
        return self.head(self.blocks(x))


profiles = torch.randn(3840, 1024)
kinds = profiles[:, :12].argmax(1)
loader = DataLoader(TensorDataset(profiles, kinds), batch_size=256, shuffle=True)
model = Classifier()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

for epoch in range(5):
    started = time.time()
    total = 0.0
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
    rate = len(profiles) / (time.time() - started)
    print(f"epoch {epoch}: loss {total / len(profiles):.3f}, {rate:.1f} samples/s", flush=True)
