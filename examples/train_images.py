"""Trains a small convolutional network on pictures made on the fly. Knows nothing of perfkit.

    perfkit profile examples/train_images.py

The dataset draws each picture in Python, in the training process: a very common shape of script, and a slow one.
"""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

CLASSES = 8


class Shapes(Dataset):
    """Noisy stripes whose angle is the class, drawn pixel row by pixel row."""

    def __init__(self, count, size):
        self.count, self.size = count, size

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        label = index % CLASSES
        slope = label / CLASSES * 3.1416
        columns = torch.arange(self.size, dtype=torch.float32)
        rows = [torch.sin(0.6 * (columns * slope + row)) for row in range(self.size)]
        picture = torch.stack(rows).expand(3, -1, -1)
        return picture + 0.5 * torch.randn(3, self.size, self.size, generator=generator), label


def network():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(64, CLASSES),
    )  # fmt: skip


def accuracy(model, loader):
    model.eval()
    with torch.no_grad():
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    model.train()
    return right / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--size", type=int, default=32, help="width and height of a picture in pixels")
    parser.add_argument("--workers", type=int, default=0)
    args = parser.parse_args()

    torch.manual_seed(0)
    train = DataLoader(
        Shapes(2048, args.size), args.batch_size, shuffle=True, num_workers=args.workers,
        persistent_workers=args.workers > 0,
    )  # fmt: skip
    held_out = DataLoader(Shapes(256, args.size), 64)
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for epoch in range(args.epochs):
        for pictures, labels in train:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(pictures), labels)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {accuracy(model, held_out):.1%}", flush=True)


if __name__ == "__main__":
    main()
