"""A model under torch.compile (inductor), with an autograd step of about 3 ms."""

import common
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))


def make():
    torch.manual_seed(0)
    model = torch.compile(nn.Sequential(*[Block(128) for _ in range(4)], nn.Linear(128, 10)))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    loader = DataLoader(TensorDataset(torch.randn(1280, 128), torch.randint(0, 10, (1280,))), 64)
    return common.classifier_step(model, optimizer), loader, 64


if __name__ == "__main__":
    common.main(make, default_steps=1000)
