"""Adapters made by PEFT on a model of transformers, against `weft run --adapter` and `weft lm merge`."""
import numpy as np
import peft
import torch
import transformers

from lm_common import call_weft, difference, in_float64, run_weft


def main_output(out):
    return getattr(out, "logits", None) if getattr(out, "logits", None) is not None else out.prediction_logits


def targets_of(r, names):
    """What PEFT may be told: suffixes, an expression, all linear layers."""
    some = r.sample(names, r.randint(1, len(names)))
    return r.choice([some, some, "all-linear", r".*\.[01]\..*(" + "|".join(some) + ")"])


def adapter(weft, family, model, head, r, folder, kwargs, inputs, real, seen):
    linear = (torch.nn.Linear, transformers.pytorch_utils.Conv1D)
    tied = model.config.tie_word_embeddings
    names = sorted({n.split(".")[-1] for n, m in model.base_model.named_modules() if isinstance(m, linear) and "pooler" not in n})
    targets = targets_of(r, names)
    listed = isinstance(targets, list)
    saved = None
    classifies = head.endswith("SequenceClassification")
    if not classifies and not tied and r.random() < 0.3:
        saved = ["lm_head"] if hasattr(model, "lm_head") else None
    embedding = {"gpt2": "wte", "gpt_neox": "embed_in"}.get(family, "embed_tokens")
    if listed and not tied and family in ("gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3", "gemma2") and r.random() < 0.3:
        targets = targets + [embedding]
    task = "SEQ_CLS" if classifies else "CAUSAL_LM" if head.endswith(("CausalLM", "LMHeadModel")) else None
    dora = r.random() < 0.3 and not (listed and embedding in targets)
    settings = peft.LoraConfig(r=r.choice([2, 3]), lora_alpha=r.choice([3, 8]), target_modules=targets, use_rslora=r.random() < 0.3,
                               use_dora=dora, task_type=task,
                               rank_pattern={targets[0]: 4} if listed and r.random() < 0.3 else {},
                               alpha_pattern={targets[-1]: 5} if listed and r.random() < 0.3 else {}, modules_to_save=saved,
                               layers_to_transform=[0] if listed and embedding not in targets and r.random() < 0.2 else None,
                               bias=r.choice(["none", "none", "all", "lora_only"]))
    try:
        tuned = peft.get_peft_model(model, settings).double().eval()
    except TypeError:  # PEFT does not train a head whole that the targets name as well
        return
    g = torch.Generator().manual_seed(r.randrange(1 << 30))
    with torch.no_grad():
        for n, p in tuned.named_parameters():
            if p.requires_grad:
                p.add_((torch.rand(p.shape, generator=g, dtype=torch.float64) - 0.5) * 0.4)
                p.copy_(p.float())
    tuned.float().save_pretrained(folder + "/adapter")
    tuned.double()
    with in_float64():
        out = tuned(**kwargs)
    output = "mlm_logits" if head.endswith(("MaskedLM", "PreTraining")) else "logits"
    options = ["--dtype", "f64", "--adapter", folder + "/adapter"]
    have = run_weft(weft, folder, inputs, options + (["--grad", "loss"] if out.get("loss") is not None else []))
    rows = slice(None) if classifies else real
    want = main_output(out).detach().numpy()[rows]
    seen["adapter"] = difference(want, have[output][rows])
    if out.get("loss") is not None:
        tuned.zero_grad()
        out.loss.backward()
        largest = max(float(p.grad.abs().max()) for p in tuned.parameters() if p.grad is not None)
    for n, p in tuned.named_parameters():
        if p.grad is not None and p.requires_grad:
            key = "grad." + n.replace(".modules_to_save.default", "").replace(".default.weight", ".weight").replace(".default", "")
            key = key.replace(".base_layer", "")
            own = max(float(p.grad.abs().max()), 1e-6 * largest, 1e-9)
            got = have.get(key, have.get(key.replace(".lora_magnitude_vector.weight", ".lora_magnitude_vector")))
            if got is None:
                raise RuntimeError(f"no {key} among {[k for k in have if k.startswith('grad')]}")
            seen["adapter_gradient"] = max(seen.get("adapter_gradient", 0.0), difference(p.grad, got) / own)
    if any(m.startswith(embedding) for m in targets if listed) and tied:
        return
    call_weft(weft, ["lm", "merge", folder, "--adapter", folder + "/adapter", "--out", folder + "/merged"])
    with in_float64(reading=True):
        whole = type(model).from_pretrained(folder + "/merged", dtype=torch.float64, attn_implementation="eager").eval()
    with in_float64():
        seen["merged"] = difference(want, main_output(whole(**kwargs)).detach().numpy()[rows]) / max(1, np.abs(want).max())
