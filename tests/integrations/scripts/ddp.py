"""DistributedDataParallel on gloo with a sampler: run it under torchrun."""

import torch
import torch.distributed as dist
from digest import report
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

BATCH = 16

dist.init_process_group("gloo")
torch.manual_seed(7)
data = TensorDataset(torch.randn(1920, 64), torch.randint(0, 5, (1920,)))
sampler = DistributedSampler(data, seed=7)
model = DistributedDataParallel(nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 5)))
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
steps = 0
for epoch in range(2):
    sampler.set_epoch(epoch)
    for x, y in DataLoader(data, BATCH, sampler=sampler):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        steps += 1
if dist.get_rank() == 0:
    report(model.module, steps=steps, samples_per_step=BATCH, loss=loss)
dist.destroy_process_group()
