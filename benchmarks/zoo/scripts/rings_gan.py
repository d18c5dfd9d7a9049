"""A tiny GAN that learns rings in the plane and writes everything down."""

import json
import math
import tempfile
import time

import torch
from torch import nn

torch.manual_seed(0)
BATCH = 256
log = open(tempfile.mktemp(suffix=".jsonl"), "w")


def rings(count):
    angle = torch.rand(count) * 2 * math.pi
    radius = torch.randint(1, 4, (count,)) + 0.05 * torch.randn(count)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1)


def net(inputs, outputs):
    return nn.Sequential(
        nn.Linear(inputs, 128), nn.LeakyReLU(0.2), nn.Linear(128, 128), nn.LeakyReLU(0.2), nn.Linear(128, outputs)
    )


def write_log(step, losses, models):
    record = {"step": step, "losses": losses}
    for label, model in models.items():
        for name, parameter in model.named_parameters():
            record[f"{label}.{name}.histogram"] = torch.histc(parameter.detach(), 64).tolist()
            record[f"{label}.{name}.values"] = parameter.detach().flatten()[:200].tolist()
    log.write(json.dumps(record) + "\n")
    log.flush()


generator, critic = net(8, 2), net(2, 1)
opt_g = torch.optim.Adam(generator.parameters(), lr=1e-3, fused=True)
opt_d = torch.optim.Adam(critic.parameters(), lr=1e-3, fused=True)
loss_fn = nn.BCEWithLogitsLoss()
real_label, fake_label = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)

for epoch in range(8):
    start = time.time()
    for step in range(150):
        fake = generator(torch.randn(BATCH, 8))
        loss_d = loss_fn(critic(rings(BATCH)), real_label) + loss_fn(critic(fake.detach()), fake_label)
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()
        loss_g = loss_fn(critic(fake), real_label)
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
        write_log(step, [loss_d.item(), loss_g.item()], {"generator": generator, "critic": critic})
    speed = 150 * BATCH / (time.time() - start)
    print(
        f"epoch {epoch}: critic {loss_d.item():.3f}, generator {loss_g.item():.3f}, {speed:.1f} samples/s", flush=True
    )
