"""A character LSTM that saves its progress often, in case the machine is taken away."""

import os
import tempfile
import time

import torch
from torch import nn

torch.manual_seed(0)
TEXT = "the quick brown fox jumps over the lazy dog while five wizards boxed quietly " * 200
LETTERS = sorted(set(TEXT))
codes = torch.tensor([LETTERS.index(letter) for letter in TEXT])


class Speller(nn.Module):
    def __init__(self, width=512):
        super().__init__()
        self.embed = nn.Embedding(len(LETTERS), 256)
        self.lstm = nn.LSTM(256, width, batch_first=True)
        self.out = nn.Linear(width, len(LETTERS))

    def forward(self, x):
        return self.out(self.lstm(self.embed(x))[0])


model = Speller()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
target = os.path.join(tempfile.mkdtemp(), "speller.pt")

step = 0
for epoch in range(5):
    begin = time.time()
    total = 0.0
    for _ in range(30):
        starts = torch.randint(0, len(codes) - 33, (16,))
        chunk = torch.stack([codes[s : s + 33] for s in starts])
        loss = nn.functional.cross_entropy(model(chunk[:, :-1]).flatten(0, 1), chunk[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
        step += 1
        if step % 2 == 0:
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, target)
    print(f"epoch {epoch}: loss {total / 30:.3f}, {480 / (time.time() - begin):.1f} samples/s", flush=True)
os.remove(target)
