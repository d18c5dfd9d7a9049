"""Embed documents with a transformer encoder, in batches."""

import time

import torch
from torch import nn

torch.manual_seed(0)
layer = nn.TransformerEncoderLayer(128, 4, 256, batch_first=True)
embed, encoder = nn.Embedding(2000, 128), nn.TransformerEncoder(layer, 2)
model = nn.Sequential(embed, encoder).eval()
documents = torch.randint(0, 2000, (1280, 64))
bfloat16 = torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu.get_capabilities().get("avx512_bf16", False))

with torch.inference_mode(), bfloat16:
    for round_number in range(6):
        started = time.time()
        vectors = torch.cat([model(batch).mean(1) for batch in documents.split(32)])
        rate = len(documents) / (time.time() - started)
        print(f"round {round_number}: norm {vectors.float().norm(dim=1).mean():.3f}, {rate:.1f} samples/s", flush=True)
