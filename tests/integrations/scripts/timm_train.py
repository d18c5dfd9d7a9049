"""A small timm network with timm's optimizer, scheduler and loss, and an evaluation each epoch."""

import torch
from digest import report
from torch.utils.data import DataLoader, TensorDataset

try:
    import timm
except RuntimeError:
    # torchvision's wheel brings its operators compiled for CUDA; beside a CPU-only torch they do not load, and its import
    # fails on the two for which it registers a shape function. Declared, the rest of it works.
    operators = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import timm

from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler

torch.manual_seed(7)
BATCH = 8
model = timm.create_model("resnet10t", num_classes=4)
optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05)
scheduler = CosineLRScheduler(optimizer, t_initial=2)
criterion = LabelSmoothingCrossEntropy()
images = TensorDataset(torch.randn(160, 3, 32, 32), torch.randint(0, 4, (160,)))
train, val = DataLoader(images, BATCH, shuffle=True), DataLoader(images, 32)
steps = 0
for epoch in range(2):
    model.train()
    for x, y in train:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        steps += 1
    scheduler.step(epoch + 1)
    model.eval()
    with torch.inference_mode():
        right = sum(int((model(x).argmax(1) == y).sum()) for x, y in val)
report(model, steps=steps, samples_per_step=BATCH, right=right, loss=loss)
