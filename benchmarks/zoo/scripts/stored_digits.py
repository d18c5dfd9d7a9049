"""A small CNN on digits that are read one by one from slow storage."""

import time

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Dataset

READ_S = 0.0007  # what one read from the storage takes


class StoredDigits(Dataset):
    def __init__(self):
        digits = load_digits()
        self.images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
        self.labels = torch.tensor(digits.target)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        time.sleep(READ_S)
        return self.images[index], self.labels[index]


model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(512, 64),
    nn.ReLU(),
    nn.Linear(64, 10),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
loss_fn = nn.CrossEntropyLoss()
train_data = StoredDigits()
loader = DataLoader(train_data, batch_size=32, shuffle=True)

for epoch in range(6):
    start = time.time()
    running = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(images), labels)
        loss.backward()
        optimizer.step()
        running += loss.item() * len(labels)
    rate = len(train_data) / (time.time() - start)
    print(f"epoch {epoch}: loss {running / len(train_data):.3f}, {rate:.1f} samples/s", flush=True)
