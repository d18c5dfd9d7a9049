"""A convolutional denoiser for small pictures."""

import time

import torch
from torch import nn

torch.manual_seed(0)
torch.set_num_threads(16)

clean = nn.functional.interpolate(torch.rand(512, 1, 8, 8), size=32, mode="bilinear")
net = nn.Sequential(
    nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(),
    nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(),
    nn.Conv2d(24, 1, 3, padding=1),
).to(memory_format=torch.channels_last)  # fmt: skip
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

for epoch in range(6):
    begin = time.perf_counter()
    losses = []
    for batch in clean[torch.randperm(len(clean))].split(32):
        noisy = batch + 0.2 * torch.randn_like(batch)
        with torch.autocast("cpu", torch.bfloat16):
            output = net(noisy.contiguous(memory_format=torch.channels_last))
        loss = nn.functional.mse_loss(output.float(), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    speed = len(clean) / (time.perf_counter() - begin)
    print(f"epoch {epoch}: loss {torch.stack(losses).mean():.4f}, {speed:.1f} samples/s", flush=True)
