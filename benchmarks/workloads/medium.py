"""Steps of about 10 ms: a small convolutional network, batches made by an in-process DataLoader."""

import common
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def make():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    loader = DataLoader(TensorDataset(torch.randn(640, 3, 32, 32), torch.randint(0, 10, (640,))), 32, shuffle=True)
    return common.classifier_step(model, optimizer), loader, 32


if __name__ == "__main__":
    common.main(make, default_steps=400)
