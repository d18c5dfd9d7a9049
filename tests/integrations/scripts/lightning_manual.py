"""A Lightning GAN under manual optimization: two optimizers, the critic first."""

import lightning as L
import torch
from digest import report
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Gan(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(8, 1024), nn.ReLU(), nn.Linear(1024, 16))
        self.critic = nn.Sequential(
            nn.Linear(16, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 1)
        )

    def training_step(self, batch, index):
        (real,) = batch
        optimizer_g, optimizer_d = self.optimizers()
        fake = self.generator(torch.randn(real.shape[0], 8))
        self.descend(optimizer_d, self.critic(fake.detach()).mean() - self.critic(real).mean())
        self.descend(optimizer_g, -self.critic(fake).mean())

    def descend(self, optimizer, loss):
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()

    def configure_optimizers(self):
        return (
            torch.optim.Adam(self.generator.parameters(), 1e-3),
            torch.optim.Adam(self.critic.parameters(), 1e-3),
        )


L.seed_everything(7, verbose=False)
model = Gan()
trainer = L.Trainer(
    max_epochs=3,
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(model, DataLoader(TensorDataset(torch.randn(320, 16)), 16))
# Lightning's global_step counts the steps of both optimizers.
report(model, steps=trainer.global_step // 2, samples_per_step=16)
