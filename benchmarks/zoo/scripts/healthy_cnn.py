"""A convolutional network on small pictures, in the memory format that convolutions like."""

import time

import torch
from torch import nn

torch.manual_seed(0)
pictures = torch.randn(1024, 3, 32, 32).contiguous(memory_format=torch.channels_last)
kinds = pictures.mean((2, 3)).argmax(1)
model = nn.Sequential(
    nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(),
    nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
    nn.Flatten(), nn.Linear(64, 3),
).to(memory_format=torch.channels_last)  # fmt: skip
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

for epoch in range(8):
    begin = time.time()
    total = torch.zeros(())
    for index in torch.randperm(len(pictures)).split(64):
        x, y = pictures[index].contiguous(memory_format=torch.channels_last), kinds[index]
        with torch.autocast("cpu", torch.bfloat16):
            loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(y)
    print(
        f"epoch {epoch}: loss {total / len(kinds):.3f}, {len(kinds) / (time.time() - begin):.1f} samples/s", flush=True
    )
