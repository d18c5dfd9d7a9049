"""A small transformer encoder sorts texts by topic; accuracy is taken on a large validation set."""

import time

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class TopicModel(nn.Module):
    def __init__(self, vocabulary=1000, width=64, topics=6):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        layer = nn.TransformerEncoderLayer(width, 4, 128, batch_first=True, dropout=0.1)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(width, topics)

    def forward(self, tokens):
        return self.head(self.encoder(self.embed(tokens)).mean(1))


def make_texts(count):
    topics = torch.randint(0, 6, (count,))
    tokens = torch.randint(0, 500, (count, 32)) + 80 * topics.unsqueeze(1)
    return TensorDataset(tokens, topics)


def accuracy(model, loader):
    model.eval()
    right = 0
    for tokens, topics in loader:
        right += (model(tokens).argmax(1) == topics).sum().item()
    return right / len(loader.dataset)


train_set, valid_set = make_texts(640), make_texts(5120)
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
valid_loader = DataLoader(valid_set, batch_size=64)
model = TopicModel()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

for epoch in range(6):
    started = time.time()
    model.train()
    for tokens, topics in train_loader:
        loss = nn.functional.cross_entropy(model(tokens), topics)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    share = accuracy(model, valid_loader)
    print(f"epoch {epoch}: accuracy {share:.3f}, {len(train_set) / (time.time() - started):.1f} samples/s", flush=True)
