"""A step of equal parts: a small classifier whose pictures are mixed --work times, each time by the same product.

Of 19 parts one is 5.3 % of the mixing, and about 5 % of the step. Prints the samples per second of every hundred steps.
"""

import argparse
import time

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--work", type=int, default=19)
parser.add_argument("--hundreds", type=int, default=1000, help="of steps")
options = parser.parse_args()

BATCH, WIDTH = 128, 384
torch.manual_seed(0)
pictures, labels = torch.randn(40, BATCH, WIDTH), torch.randint(0, 4, (40, BATCH))
mixing = nn.init.orthogonal_(torch.empty(WIDTH, WIDTH))
model = nn.Linear(WIDTH, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

for _hundred in range(options.hundreds):
    start = time.perf_counter()
    for step in range(100):
        x, y = pictures[step % 40], labels[step % 40]
        for _ in range(options.work):
            x = x @ mixing
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"{100 * BATCH / (time.perf_counter() - start):.1f} samples/s", flush=True)
