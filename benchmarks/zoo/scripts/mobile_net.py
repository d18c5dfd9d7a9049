"""A mobile network with depthwise convolutions on small colour pictures."""

import time

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Separable(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.depth = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
        self.point = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return torch.relu(self.norm(self.point(self.depth(x))))


class MobileNet(nn.Module):
    def __init__(self, kinds=5):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, padding=1)
        self.layers = nn.Sequential(Separable(32, 64), Separable(64, 64, 2), Separable(64, 128), Separable(128, 128, 2))
        self.head = nn.Linear(128, kinds)

    def forward(self, x):
        return self.head(self.layers(torch.relu(self.stem(x))).mean((2, 3)))


pictures = torch.randn(512, 3, 32, 32)
kinds = pictures.mean((2, 3)).argmax(1)
loader = DataLoader(TensorDataset(pictures, kinds), batch_size=32, shuffle=True)
model = MobileNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

for epoch in range(6):
    begin = time.time()
    total = 0.0
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(
        f"epoch {epoch}: loss {total / len(loader):.3f}, {len(pictures) / (time.time() - begin):.1f} samples/s",
        flush=True,
    )
