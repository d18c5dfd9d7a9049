"""transformers' generate() with a cache: inference, one model call per token."""

import torch
from digest import report
from transformers import GPT2Config, GPT2LMHeadModel

BATCH, PROMPT, NEW, ROUNDS = 3, 8, 16, 6

torch.manual_seed(7)
model = GPT2LMHeadModel(
    GPT2Config(vocab_size=64, n_positions=64, n_embd=192, n_layer=3, n_head=4, bos_token_id=0, eos_token_id=None)
).eval()
calls, written = 0, 0
for _ in range(ROUNDS):
    prompt = torch.randint(1, 64, (BATCH, PROMPT))
    ids = model.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=NEW, do_sample=False, pad_token_id=0
    )
    calls += ids.shape[1] - PROMPT
    written += int(ids.sum())
tokens = BATCH * (PROMPT + NEW - 1) / NEW  # the first call reads the prompt, each other one token
report(model, steps=calls, samples_per_step=BATCH, tokens_per_step=tokens, written=written)
