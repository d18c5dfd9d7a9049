"""A loop of one's own on Accelerate, accumulating four batches a step, with a scheduler and clipping."""

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from digest import report
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ACCUMULATE, BATCH = 4, 8

set_seed(7)
accelerator = Accelerator(cpu=True, gradient_accumulation_steps=ACCUMULATE)
model = nn.Sequential(nn.Linear(32, 1024), nn.Tanh(), nn.Linear(1024, 1024), nn.Tanh(), nn.Linear(1024, 5))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
loader = DataLoader(TensorDataset(torch.randn(960, 32), torch.randint(0, 5, (960,))), BATCH, shuffle=True)
model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)
steps = 0
for _ in range(2):
    for x, y in loader:
        with accelerator.accumulate(model):
            loss = nn.functional.cross_entropy(model(x), y)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
                steps += 1
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
report(accelerator.unwrap_model(model), steps=steps, samples_per_step=BATCH * ACCUMULATE, loss=loss)
