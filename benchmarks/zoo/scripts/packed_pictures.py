"""Pictures kept compressed in memory; every sample is unpacked and augmented with NumPy."""

import time
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

SIDE = 64


def make_pictures(count, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    packed = []
    for label in labels:
        small = rng.integers(0, 120, (SIDE // 4, SIDE // 4, 3)) + 30 * label
        packed.append(zlib.compress(np.kron(small, np.ones((4, 4, 1))).astype(np.uint8).tobytes(), 6))
    return packed, labels


class Pictures(Dataset):
    def __init__(self, count):
        self.packed, self.labels = make_pictures(count)

    def __len__(self):
        return len(self.packed)

    def __getitem__(self, index):
        picture = np.frombuffer(zlib.decompress(self.packed[index]), np.uint8).reshape(SIDE, SIDE, 3)
        picture = picture.astype(np.float32) / 255
        if np.random.rand() < 0.5:
            picture = picture[:, ::-1]
        picture = picture * np.random.uniform(0.8, 1.2) + np.random.normal(0, 0.02, picture.shape)
        picture = (picture - picture.mean((0, 1))) / (picture.std((0, 1)) + 1e-5)
        return torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32)), int(self.labels[index])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 5, stride=4)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        return self.head(x.mean((2, 3)))


def main():
    torch.manual_seed(0)
    data = Pictures(1600)
    loader = DataLoader(data, batch_size=40, shuffle=True)
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for epoch in range(8):
        begin, seen, total = time.perf_counter(), 0, 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            seen += len(y)
            total += loss.item() * len(y)
        print(
            f"epoch {epoch}: loss {total / seen:.4f}, {seen / (time.perf_counter() - begin):.1f} samples/s", flush=True
        )


if __name__ == "__main__":
    main()
