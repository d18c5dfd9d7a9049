"""A convolutional GAN on blobs, with its samples kept once in an epoch."""

import tempfile
import time

import torch
from torch import nn

torch.manual_seed(0)
BATCH = 64
generator = nn.Sequential(
    nn.ConvTranspose2d(16, 32, 4), nn.BatchNorm2d(32), nn.ReLU(),
    nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ReLU(),
    nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Tanh(),
)  # fmt: skip
critic = nn.Sequential(
    nn.Conv2d(1, 16, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 1, 4)
)
opt_g = torch.optim.Adam(generator.parameters(), 2e-4, betas=(0.5, 0.999), fused=True)
opt_d = torch.optim.Adam(critic.parameters(), 2e-4, betas=(0.5, 0.999), fused=True)
bce = nn.functional.binary_cross_entropy_with_logits
axis = torch.linspace(-1, 1, 16)
centres = torch.rand(4096, 2, 1, 1) - 0.5
blobs = 2 * torch.exp(-8 * ((axis[:, None] - centres[:, :1]) ** 2 + (axis - centres[:, 1:]) ** 2)) - 1
folder = tempfile.TemporaryDirectory()

for epoch in range(8):
    begin = time.time()
    for index in torch.randperm(len(blobs)).split(BATCH):
        real, fake = blobs[index], generator(torch.randn(BATCH, 16, 1, 1))
        real_score, fake_score = critic(real), critic(fake.detach())
        loss_d = bce(real_score, torch.ones_like(real_score)) + bce(fake_score, torch.zeros_like(fake_score))
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()
        score = critic(fake)
        loss_g = bce(score, torch.ones_like(score))
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
    torch.save(fake.detach(), f"{folder.name}/samples.pt")
    speed = len(blobs) / (time.time() - begin)
    print(
        f"epoch {epoch}: critic {loss_d.item():.3f}, generator {loss_g.item():.3f}, {speed:.1f} samples/s", flush=True
    )
