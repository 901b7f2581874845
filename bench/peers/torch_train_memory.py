"""Resident memory of three training steps of GPT-2's size in PyTorch: f32, AdamW, the loss on every token.

    python3 bench/peers/torch_train_memory.py --batch 1 --tokens 256 [--recompute] [--threads 2]

Prints a JSON line: the process's resident peak, and what it held before the model was made (Python and PyTorch themselves).
"""

import argparse
import json

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from timing import resident_bytes
from torch_lm import GPT2


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--recompute", action="store_true", help="blocks by torch.utils.checkpoint")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    before = resident_bytes("VmRSS")
    model = GPT2()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1)
    ids = (torch.arange(a.batch * (a.tokens + 1)) * 7919 % 50257).view(a.batch, -1)

    def loss():
        x = model.wte(ids[:, :-1]) + model.wpe(torch.arange(a.tokens))
        for block in model.blocks:
            x = checkpoint(block, x, use_reentrant=False) if a.recompute else block(x)
        logits = model.ln_f(x) @ model.wte.weight.T
        return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())

    for _ in range(3):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    print(json.dumps({"batch": a.batch, "tokens": a.tokens, "recompute": a.recompute, "before": before,
                      "peak": resident_bytes("VmHWM")}))


if __name__ == "__main__":
    main()
