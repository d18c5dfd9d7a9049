"""Forecast a noisy series with a GRU and watch the validation error closely."""

import time

import torch
from torch import nn

torch.manual_seed(0)
time_axis = torch.arange(6000) / 20
series = torch.sin(time_axis) + 0.5 * torch.sin(2.7 * time_axis) + 0.1 * torch.randn(6000)
windows = series.unfold(0, 33, 1)
train, valid = windows[:4800], windows[4900:]


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(1, 32, batch_first=True)
        self.head = nn.Linear(32, 1)

    def forward(self, x):
        states, _ = self.gru(x.unsqueeze(-1))
        return self.head(states[:, -1]).squeeze(-1)


def validate(model):
    model.eval()
    errors = []
    with torch.no_grad():
        for window in valid.split(128):
            errors.append((model(window[:, :-1]) - window[:, -1]).pow(2))
    model.train()
    return torch.cat(errors).mean().item()


model = Forecaster()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(6):
    start = time.time()
    best = float("inf")
    for step, index in enumerate(torch.randperm(len(train)).split(64)):
        batch = train[index]
        loss = nn.functional.mse_loss(model(batch[:, :-1]), batch[:, -1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 5 == 0:
            best = min(best, validate(model))
    print(f"epoch {epoch}: validation {best:.4f}, {len(train) / (time.time() - start):.1f} samples/s", flush=True)
