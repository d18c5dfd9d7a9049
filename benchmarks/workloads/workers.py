"""Two loader processes that decode in Python; the training process waits for them."""

import common
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Decoded(Dataset):
    def __len__(self):
        return 2048

    def __getitem__(self, index):
        value = index
        for n in range(8000):
            value = (value * 31 + n) & 0xFFFF
        return torch.full((3, 16, 16), value / 65536), index % 10


def make():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(768, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    loader = DataLoader(Decoded(), 32, num_workers=2, persistent_workers=True)
    return common.classifier_step(model, optimizer), loader, 32


if __name__ == "__main__":
    common.main(make, default_steps=320)
