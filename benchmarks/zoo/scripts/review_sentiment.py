"""Bag-of-embeddings sentiment on reviews of different length, padded batch by batch."""

import random
import time

import torch
from torch import nn
from torch.utils.data import DataLoader

VOCABULARY = 5000
PAD = 0


def make_reviews(count):
    rng = random.Random(0)
    reviews = []
    for _ in range(count):
        label = rng.randint(0, 1)
        words = [rng.randint(1 + 1000 * label, VOCABULARY - 1) for _ in range(rng.randint(20, 120))]
        reviews.append((torch.tensor(words), label))
    return reviews


def collate(reviews):
    """Batch of tokens, padded to the longest review."""
    longest = max(len(words) for words, _ in reviews)
    tokens = torch.full((len(reviews), longest), PAD)
    for row, (words, _) in enumerate(reviews):
        for column, word in enumerate(words):
            tokens[row, column] = word
    return tokens, torch.tensor([label for _, label in reviews])


class Sentiment(nn.Module):
    def __init__(self, width=128):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, width, padding_idx=PAD)
        self.hidden = nn.Linear(width, width)
        self.out = nn.Linear(width, 2)

    def forward(self, tokens):
        mask = (tokens != PAD).unsqueeze(-1)
        mean = (self.embed(tokens) * mask).sum(1) / mask.sum(1)
        return self.out(torch.tanh(self.hidden(mean)))


reviews = make_reviews(640)
loader = DataLoader(reviews, batch_size=32, shuffle=True, collate_fn=collate)
model = Sentiment()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(1, 13):
    t0 = time.time()
    losses = []
    for tokens, labels in loader:
        loss = criterion(model(tokens), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(
        f"epoch {epoch}: loss {sum(losses) / len(losses):.3f}, {len(reviews) / (time.time() - t0):.1f} samples/s",
        flush=True,
    )
