"""Random tiny language models of every family, made and run by Hugging Face transformers (float64 on the CPU), against `weft run`.

    python -m venv venv && venv/bin/pip install torch transformers peft safetensors numpy
    venv/bin/python bench/peers/transformers_lm.py build/weft --rounds 20 --seed 0

Configuration keys vary from round to round (lm_models.py), and how the folder spells them (lm_spellings.py). For each model logits,
hidden states, the loss and every gradient are compared, and for some an adapter made by PEFT (lm_adapters.py).
"""
import argparse
import json
import os
import random
import shutil
import sys
import tempfile

import numpy as np
import torch
import transformers

from lm_adapters import adapter
from lm_common import difference, in_float64, run_weft, shake, tolerance
from lm_models import FAMILIES
from lm_spellings import respell


def compare(weft, family, r, folder, verbose):
    make, config_class, heads = FAMILIES[family]
    keys = make(r)
    head = r.choice(heads)
    causal = "CausalLM" in heads[0] or "LMHeadModel" in heads[0]
    if causal and head.endswith("SequenceClassification"):
        keys["pad_token_id"] = 1
    if head.endswith("SequenceClassification"):
        kind = r.choice(["single_label_classification", "multi_label_classification", "regression"])
        keys.update(problem_type=kind, num_labels=r.choice([1, 3]) if kind == "regression" else r.choice([2, 3, 5]))
    config = getattr(transformers, config_class)(**keys, attn_implementation="eager")
    with in_float64():
        model = getattr(transformers, head)(config).eval()
    stored = r.choice([torch.float32, torch.float32, torch.bfloat16, torch.float16])
    shake(model, r.randrange(1 << 30), stored)
    model.save_pretrained(folder, state_dict={name: t.to(stored) for name, t in model.state_dict().items()})
    cut = respell(folder, family, r, "layer_types" in keys, "ForSequence" not in head and not head.endswith("Model"))
    batch, n = r.choice([1, 2, 3]), r.randint(2, 24)
    ids = torch.tensor([[r.randint(2, keys["vocab_size"] - 1) for _ in range(n)] for _ in range(batch)])
    mask = torch.ones_like(ids)
    if r.random() < 0.5 and n <= (keys.get("sliding_window") or n):  # transformers gives NaN where a pad's window is all pads
        kind = r.choice(["right", "left", "holes"]) if family != "gpt_neox" else "right"  # its rows that see nothing are NaN
        for b in range(batch):
            hidden = r.randint(0, n - 1)
            if kind == "right":
                mask[b, n - hidden:] = 0
            elif kind == "left":
                mask[b, :hidden] = 0
            else:
                mask[b] = (torch.rand(n) < 0.7).to(mask)
                mask[b, 0] = 1
    if "pad_token_id" in keys and causal:  # there a text ends before the padding's tokens
        ids[mask == 0] = keys["pad_token_id"]
    inputs = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
    kwargs = dict(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    if keys.get("type_vocab_size", 0) > 1:
        types = torch.randint(0, keys["type_vocab_size"], ids.shape)
        inputs["token_type_ids"] = types.numpy()
        kwargs["token_type_ids"] = types
    decoder = head.endswith("CausalLM") or head.endswith("LMHeadModel")
    labels = None
    if decoder or head.endswith("MaskedLM"):
        labels = torch.where((mask == 1) & (torch.rand(ids.shape) < 0.8), ids, torch.full_like(ids, -100))
        labels[:, 1] = torch.where(mask[:, 1] == 1, ids[:, 1], labels[:, 1])
        labels[:, 1:][mask[:, :-1] == 0] = -100  # behind padding: what a row that sees nothing foretells is no one's affair
        if mask[0, -3:].all():
            labels[0, -2:] = ids[0, -2:]
        if not ((labels[:, 1:] if decoder else labels) >= 0).any():
            labels = None
    elif head.endswith("SequenceClassification"):
        classes = config.num_labels
        if config.problem_type == "single_label_classification":
            labels = torch.tensor([r.randint(0, classes - 1) for _ in range(batch)])
        elif config.problem_type == "multi_label_classification":
            labels = torch.tensor([[float(r.randint(0, 1)) for _ in range(classes)] for _ in range(batch)]).double()
        else:
            labels = torch.randn(batch, classes).double()
            labels = labels[:, 0] if classes == 1 else labels
    if labels is not None:
        inputs["labels"] = labels.numpy() if labels.dtype == torch.int64 else labels.float().numpy()
        labels = labels if labels.dtype == torch.int64 else labels.float().double()
        kwargs["labels"] = labels
    with in_float64():
        out = model(**kwargs)
    if any(bool(torch.isnan(h).any()) for h in out.hidden_states):  # transformers, where a row sees nothing but padding
        mask[:] = 1  # in place, as what follows: the inputs share this memory
        ids[ids == keys.get("pad_token_id")] = 2
        with in_float64():
            out = model(**kwargs)
    have = run_weft(weft, folder, inputs, ["--dtype", "f64"] + (["--grad", "loss"] if labels is not None else []))
    real = mask.bool().numpy()
    seen = {}

    def rows(name, want, got, axis):
        want, got = want.detach().numpy(), got
        scale = max(1, float(np.abs(want).max()) / 10)
        want, got = (np.moveaxis(x, (axis, axis + 1), (0, 1))[real] for x in (want, got))
        seen[name] = difference(want, got) / scale

    final = "norm" if causal else None  # transformers' last hidden state is behind the final norm
    states = out.hidden_states[:-1] if final else out.hidden_states
    rows("hidden", torch.stack(states), have["hidden"][:len(states)], 1)
    if decoder:
        rows("logits", out.logits, have["logits"], 0)
    elif head.endswith("MaskedLM"):
        rows("mlm_logits", out.logits, have["mlm_logits"], 0)
    elif head.endswith("PreTraining"):
        rows("mlm_logits", out.prediction_logits, have["mlm_logits"], 0)
        seen["nsp_logits"] = difference(out.seq_relationship_logits.detach(), have["nsp_logits"])
    elif head.endswith("SequenceClassification"):
        seen["logits"] = difference(out.logits.detach(), have["logits"])
    elif getattr(out, "pooler_output", None) is not None:
        seen["pooled"] = difference(out.pooler_output.detach(), have["pooled"])
    if labels is not None:
        seen["loss"] = difference(out.loss.detach(), have["loss"][0])
        out.loss.backward()
        largest = max(float(p.grad.abs().max()) for p in model.parameters() if p.grad is not None)
        seen["gradient"] = 0.0
        for name, p in model.named_parameters():
            if p.grad is None:
                continue
            own = max(float(p.grad.abs().max()), 1e-6 * largest)
            if family == "gpt_neox":  # its name in memory; the file says embed_out
                name = name.replace("lm_head", "embed_out")
            if name.startswith(cut):
                name = name[len(cut):]
            if "grad." + name not in have:
                name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            seen["gradient"] = max(seen["gradient"], difference(p.grad, have["grad." + name]) / own)
    if not head.endswith("Model") or decoder:
        if r.random() < 0.5:
            adapter(weft, family, model, head, r, folder, kwargs, inputs, real, seen)
    wrong = {k: v for k, v in seen.items() if not v < tolerance(k, stored)}
    if wrong or verbose:
        print(("WRONG " if wrong else "ok    ") + family, head, str(stored), json.dumps(seen), json.dumps(keys) if wrong else "")
    return not wrong


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("weft")
    arguments.add_argument("--rounds", type=int, default=10, help="models of each family")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--families", nargs="*", default=list(FAMILIES))
    arguments.add_argument("--verbose", action="store_true")
    a = arguments.parse_args()
    torch.set_num_threads(1)
    failed = 0
    for family in a.families:
        good = 0
        for k in range(a.rounds):
            r = random.Random(f"{a.seed} {family} {k}")
            torch.manual_seed(r.randrange(1 << 30))
            folder = tempfile.mkdtemp(prefix="transformers_lm.")
            try:
                good += compare(a.weft, family, r, folder, a.verbose)
            except Exception as problem:  # a model that one side refuses is a difference too
                print(f"WRONG {family} round {k}: {problem} {json.load(open(folder + '/config.json')) if os.path.exists(folder + '/config.json') else ''}")
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        print(f"{family}: {good} of {a.rounds} agree")
        failed += good != a.rounds
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
