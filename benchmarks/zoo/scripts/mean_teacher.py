"""Mean teacher: a student learns, a teacher follows as an exponential moving average."""

import copy
import time

import torch
from torch import nn
from torch.nn import functional as F

DECAY = 0.995
torch.manual_seed(0)

student = nn.Sequential(
    nn.Linear(48, 96),
    *[m for _ in range(24) for m in (nn.Linear(96, 96), nn.LayerNorm(96), nn.ReLU())],
    nn.Linear(96, 5),
)
teacher = copy.deepcopy(student).requires_grad_(False)
optimizer = torch.optim.SGD(student.parameters(), lr=0.05)
points = torch.randn(12800, 48)
labels = points[:, :5].argmax(1)


def update_teacher():
    for ours, theirs in zip(teacher.parameters(), student.parameters()):
        ours.data = DECAY * ours.data + (1 - DECAY) * theirs.data


for epoch in range(8):
    started = time.time()
    total = 0.0
    for picked in torch.randperm(len(points)).split(128):
        inputs, targets = points[picked], labels[picked]
        optimizer.zero_grad()
        loss = F.cross_entropy(student(inputs), targets)
        loss.backward()
        optimizer.step()
        update_teacher()
        total += loss.item() * len(picked)
    print(
        f"epoch {epoch}: loss {total / len(points):.3f}, {len(points) / (time.time() - started):.1f} samples/s",
        flush=True,
    )
