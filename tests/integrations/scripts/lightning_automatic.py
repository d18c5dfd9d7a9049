"""A Lightning module under automatic optimization, with validation and checkpoints.

usage: lightning_automatic.py [accumulate_grad_batches] [profiler]
"""

import sys

import lightning as L
import torch
from digest import report
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ACCUMULATE = int(sys.argv[1]) if len(sys.argv) > 1 else 1
PROFILER = sys.argv[2] if len(sys.argv) > 2 else None


class Classifier(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(32, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 5))

    def training_step(self, batch, index):
        x, y = batch
        loss = nn.functional.cross_entropy(self.net(x), y)
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, index):
        x, y = batch
        self.log("val_loss", nn.functional.cross_entropy(self.net(x), y))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def data(n):
    return TensorDataset(torch.randn(n, 32), torch.randint(0, 5, (n,)))


L.seed_everything(7, verbose=False)
train, val = DataLoader(data(640), 16, shuffle=True), DataLoader(data(96), 16)
model = Classifier()
trainer = L.Trainer(
    max_epochs=2,
    accelerator="cpu",
    accumulate_grad_batches=ACCUMULATE,
    profiler=PROFILER,
    logger=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    default_root_dir="lightning",
)
trainer.fit(model, train, val)
report(
    model,
    steps=trainer.global_step,
    samples_per_step=16 * ACCUMULATE,
    loss=trainer.callback_metrics["loss"],
    val_loss=trainer.callback_metrics["val_loss"],
)
