"""A variational autoencoder on digits. A NaN was hunted here last week."""

import time

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
torch.autograd.set_detect_anomaly(True)


class VAE(nn.Module):
    def __init__(self, code=8, width=256):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.mean, self.logvar = nn.Linear(width, code), nn.Linear(width, code)
        self.decoder = nn.Sequential(
            nn.Linear(code, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 64)
        )

    def forward(self, x):
        hidden = self.encoder(x)
        mean, logvar = self.mean(hidden), self.logvar(hidden)
        code = mean + torch.randn_like(mean) * torch.exp(0.5 * logvar)
        return torch.sigmoid(self.decoder(code)), mean, logvar


def loss_function(output, x, mean, logvar):
    reconstruction = nn.functional.binary_cross_entropy(output, x, reduction="sum")
    divergence = -0.5 * torch.sum(1 + logvar - mean.pow(2) - logvar.exp())
    return (reconstruction + divergence) / len(x)


pixels = torch.tensor(load_digits().data, dtype=torch.float32) / 16
loader = DataLoader(TensorDataset(pixels), batch_size=128, shuffle=True)
model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

for epoch in range(40):
    start = time.time()
    total = 0.0
    for (x,) in loader:
        output, mean, logvar = model(x)
        loss = loss_function(output, x, mean, logvar)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 5 == 0 or epoch == 39:
        print(
            f"epoch {epoch}: loss {total / len(loader):.2f}, {len(pixels) / (time.time() - start):.1f} samples/s",
            flush=True,
        )
