"""A compiled convolutional language model whose sequences grow longer as training goes on."""

import time

import torch
from torch import nn

torch.manual_seed(0)
VOCABULARY, BATCH, STEPS = 64, 16, 500


class Model(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, width)
        self.mix = nn.Linear(width, width)
        self.gate = nn.Linear(width, width)
        self.head = nn.Linear(width, VOCABULARY)

    def forward(self, tokens):
        x = self.embed(tokens)
        past = x.cumsum(1) / torch.arange(1, x.shape[1] + 1).unsqueeze(-1)
        return self.head(torch.tanh(self.mix(past)) * torch.sigmoid(self.gate(x)) + x)


model = Model()
compiled = torch.compile(model, dynamic=False)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

for epoch in range(4):
    length = 64 + 8 * epoch
    begin = time.time()
    total = 0.0
    for _ in range(STEPS):
        tokens = torch.randint(0, VOCABULARY, (BATCH, length + 1)).sort(1).values
        logits = compiled(tokens[:, :-1])
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    rate = BATCH * STEPS / (time.time() - begin)
    print(f"epoch {epoch}: length {length}, loss {total / STEPS:.3f}, {rate:.1f} samples/s", flush=True)
