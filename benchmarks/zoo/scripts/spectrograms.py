"""Classify spectrograms that a loader process fetches from an object store."""

import time

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Spectrograms(Dataset):
    def __init__(self, count):
        generator = torch.Generator().manual_seed(1)
        self.labels = torch.randint(0, 8, (count,), generator=generator)
        self.clips = torch.randn(count, 40, 50, generator=generator) + self.labels[:, None, None] / 4

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        time.sleep(0.0012)  # a request to the store
        clip = self.clips[index]
        return (clip - clip.mean()) / clip.std(), self.labels[index]


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(40, 48, batch_first=True)
        self.out = nn.Linear(48, 8)

    def forward(self, clips):
        states, _ = self.rnn(clips.transpose(1, 2))
        return self.out(states[:, -1])


def main():
    torch.manual_seed(0)
    data = Spectrograms(1600)
    loader = DataLoader(data, batch_size=32, shuffle=True, num_workers=1, persistent_workers=True)
    model = Tagger()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    for epoch in range(5):
        started = time.time()
        total = 0.0
        for clips, labels in loader:
            loss = nn.functional.cross_entropy(model(clips), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        speed = len(data) / (time.time() - started)
        print(f"epoch {epoch}: loss {total / len(loader):.3f}, {speed:.1f} samples/s", flush=True)


if __name__ == "__main__":
    main()
