"""transformers' Trainer on a tiny GPT-2 with accumulation, evaluation and checkpoints."""

import torch
from digest import report
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

ACCUMULATE, BATCH, LENGTH = 2, 4, 48


class Numbers(Dataset):
    def __init__(self, count):
        self.rows = torch.randint(0, 64, (count, LENGTH))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return {"input_ids": self.rows[index], "labels": self.rows[index]}


set_seed(7)
model = GPT2LMHeadModel(
    GPT2Config(vocab_size=64, n_positions=LENGTH, n_embd=128, n_layer=3, n_head=4, bos_token_id=0, eos_token_id=0)
)
trainer = Trainer(
    model=model,
    args=TrainingArguments(
        output_dir="trainer",
        per_device_train_batch_size=BATCH,
        per_device_eval_batch_size=BATCH,
        gradient_accumulation_steps=ACCUMULATE,
        max_steps=40,
        eval_strategy="steps",
        eval_steps=10,
        save_steps=10,
        logging_steps=5,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
        seed=7,
    ),
    train_dataset=Numbers(400),
    eval_dataset=Numbers(32),
)
outcome = trainer.train()
report(
    model,
    steps=trainer.state.global_step,
    samples_per_step=BATCH * ACCUMULATE,
    tokens_per_step=BATCH * ACCUMULATE * LENGTH,
    loss=torch.tensor(outcome.training_loss, dtype=torch.float64),
)
