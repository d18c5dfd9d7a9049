"""Customer churn from a table: rows as dictionaries, a small network."""

import random
import time

import torch
from torch import nn

COLUMNS = [f"feature_{n}" for n in range(32)]
BATCH = 256


def read_table(count):
    rng = random.Random(7)
    rows = []
    for _ in range(count):
        row = {name: rng.gauss(0, 1) for name in COLUMNS}
        row["churned"] = float(row["feature_0"] + row["feature_1"] * row["feature_2"] > 0.3)
        rows.append(row)
    return rows


rows = read_table(12800)
model = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
loss_fn = nn.BCEWithLogitsLoss()

for epoch in range(20):
    start = time.time()
    order = list(range(len(rows)))
    random.shuffle(order)
    total = 0.0
    for first in range(0, len(order), BATCH):
        chosen = order[first : first + BATCH]
        features = torch.tensor([[rows[i][name] for name in COLUMNS] for i in chosen])
        target = torch.tensor([rows[i]["churned"] for i in chosen])
        loss = loss_fn(model(features).squeeze(1), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
    print(f"epoch {epoch}: loss {total / len(rows):.4f}, {len(rows) / (time.time() - start):.1f} samples/s", flush=True)
