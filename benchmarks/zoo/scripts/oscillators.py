"""Fit the constants of coupled oscillators: a simulation of many small elementwise steps."""

import time

import torch
from torch import nn

torch.manual_seed(0)


class Oscillators(nn.Module):
    """Damped, driven and coupled; integrated by Euler's method."""

    def __init__(self, count=16):
        super().__init__()
        self.stiffness = nn.Parameter(torch.rand(count) + 0.5)
        self.damping = nn.Parameter(torch.rand(count) * 0.1)
        self.coupling = nn.Parameter(torch.rand(count) * 0.1)

    def forward(self, position, velocity):
        for number in range(12):
            neighbour = torch.roll(position, 1, -1)
            force = -self.stiffness * torch.sin(position) - self.damping * velocity * velocity.abs()
            force = force + self.coupling * torch.tanh(neighbour - position) + 0.1 * torch.cos(position * number)
            velocity = velocity + 0.05 * force
            position = position + 0.05 * velocity
        return position, velocity


truth = Oscillators()
positions, velocities = torch.randn(8192, 16), torch.randn(8192, 16)
with torch.no_grad():
    wanted, _ = truth(positions, velocities)
model = Oscillators()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

for epoch in range(24):
    start = time.time()
    total = 0.0
    for index in torch.randperm(len(positions)).split(128):
        found, _ = model(positions[index], velocities[index])
        loss = nn.functional.mse_loss(found, wanted[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch}: loss {total / 64:.5f}, {len(positions) / (time.time() - start):.1f} samples/s", flush=True)
