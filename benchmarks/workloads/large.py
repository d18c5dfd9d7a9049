"""Steps of 100 ms and more: a four-layer transformer on one thread."""

import common
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

VOCABULARY, WIDTH, LENGTH, BATCH = 512, 256, 128, 8


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, batch_first=True, dropout=0.0)
        self.layers = nn.TransformerEncoder(layer, 4)
        self.head = nn.Linear(WIDTH, VOCABULARY)

    def forward(self, ids):
        return self.head(self.layers(self.embed(ids)))


def make():
    torch.manual_seed(0)
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)
    loader = DataLoader(TensorDataset(torch.randint(0, VOCABULARY, (64, LENGTH))), BATCH)

    def step(batch):
        (ids,) = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(ids).flatten(0, 1), ids.flatten())
        loss.backward()
        optimizer.step()
        return loss

    return step, loader, BATCH


if __name__ == "__main__":
    common.main(make, default_steps=50)
