"""torch.compile with inductor, bfloat16 autocast and a loader with two workers, in one loop."""

import torch
from digest import report
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

BATCH = 32


def main():
    torch.manual_seed(7)
    model = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.LayerNorm(256), nn.Linear(256, 5))
    compiled = torch.compile(model)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    data = TensorDataset(torch.randn(1600, 64), torch.randint(0, 5, (1600,)))
    steps = 0
    for _ in range(2):
        for x, y in DataLoader(data, BATCH, shuffle=True, num_workers=2):
            with torch.autocast("cpu", torch.bfloat16):
                loss = nn.functional.cross_entropy(compiled(x).float(), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    counters = torch._dynamo.utils.counters
    report(
        model,
        steps=steps,
        samples_per_step=BATCH,
        loss=loss,
        graphs=counters["stats"]["unique_graphs"],
        breaks=sum(counters["graph_break"].values()),
    )


if __name__ == "__main__":
    main()
