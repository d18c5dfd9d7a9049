"""A wide autoencoder on sensor readings."""

import time

import torch
from torch import nn

torch.set_num_threads(1)  # was needed on the shared login node
torch.manual_seed(0)


class Autoencoder(nn.Module):
    def __init__(self, inputs=784, hidden=2048, code=64):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, code))
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.GELU(), nn.Linear(hidden, inputs))

    def forward(self, x):
        return self.decoder(self.encoder(x))


basis = torch.randn(20, 784)
readings = torch.randn(10240, 20) @ basis
model = Autoencoder()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)

for epoch in range(10):
    t = time.time()
    total = 0.0
    for x in readings.split(512):
        with torch.autocast("cpu", torch.bfloat16):
            output = model(x)
        loss = nn.functional.mse_loss(output.float(), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    print(
        f"epoch {epoch}: loss {total / len(readings):.3f}, {len(readings) / (time.time() - t):.1f} samples/s",
        flush=True,
    )
