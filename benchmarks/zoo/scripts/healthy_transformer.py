"""A small GPT with the framework's own attention."""

import time

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
LENGTH, WIDTH, HEADS, VOCABULARY, BATCH = 128, 128, 4, 64, 16


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.ReLU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, HEADS, c // HEADS).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, c))
        return x + self.mlp(self.norm2(x))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.places = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.Sequential(*[Block() for _ in range(3)])
        self.head = nn.Linear(WIDTH, VOCABULARY)

    def forward(self, ids):
        return self.head(self.blocks(self.tokens(ids) + self.places(torch.arange(ids.shape[1]))))


data = torch.randint(0, 4, (50000,)).cumsum(0) % VOCABULARY
model = Model()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
offsets = torch.arange(LENGTH + 1)

for epoch in range(6):
    started = time.time()
    for _ in range(20):
        window = data[torch.randint(0, len(data) - LENGTH - 1, (BATCH, 1)) + offsets]
        loss = F.cross_entropy(model(window[:, :-1]).flatten(0, 1), window[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {loss.item():.3f}, {20 * BATCH / (time.time() - started):.1f} samples/s", flush=True)
