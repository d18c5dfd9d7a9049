"""An LSTM that adds numbers."""

import time

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Adder(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(2, 96, batch_first=True)
        self.out = nn.Linear(96, 1)

    def forward(self, x):
        return self.out(self.lstm(x)[0][:, -1]).squeeze(-1)


values, marks = torch.rand(6400, 40), torch.zeros(6400, 40)
marks.scatter_(1, torch.rand(6400, 40).topk(2).indices, 1.0)
dataset = TensorDataset(torch.stack([values, marks], -1), (values * marks).sum(1))
loader = DataLoader(dataset, batch_size=128, shuffle=True)
model = Adder()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, fused=True)

for epoch in range(6):
    begin = time.time()
    total = 0.0
    for x, y in loader:
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
    print(
        f"epoch {epoch}: loss {total / len(loader):.4f}, {len(dataset) / (time.time() - begin):.1f} samples/s",
        flush=True,
    )
