"""The first network of a tutorial: digits, two layers."""

import time

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

digits = load_digits()
x_train, x_test, y_train, y_test = train_test_split(digits.data / 16, digits.target, random_state=0)
x_train, y_train = torch.tensor(x_train, dtype=torch.float32), torch.tensor(y_train)
x_test, y_test = torch.tensor(x_test, dtype=torch.float32), torch.tensor(y_test)

loader = DataLoader(TensorDataset(x_train, y_train), batch_size=8, shuffle=True)
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(30):
    start = time.time()
    for x, y in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
    took = time.time() - start
    with torch.no_grad():
        right = (model(x_test).argmax(1) == y_test).float().mean()
    print(f"epoch {epoch}: accuracy {right:.3f}, {len(y_train) / took:.1f} samples/s", flush=True)
