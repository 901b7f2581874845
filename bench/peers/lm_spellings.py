"""Other ways to say the same model: older spellings of config.json, files in shards, with and without prefixes, with the
buffers and the norm names of old checkpoints."""
import json
import os

import torch
from safetensors.torch import load_file, save_file

BASE = {"gpt2": "transformer.", "gpt_neox": "gpt_neox.", "bert": "bert.", "roberta": "roberta.", "distilbert": "distilbert."}


def old_rope(c, r):
    """rope_parameters as transformers 4 wrote them."""
    rope = c.pop("rope_parameters", None)
    if rope is None:
        return
    if "full_attention" in rope:
        full, local = rope["full_attention"], rope["sliding_attention"]
        c["rope_theta"], c["rope_local_base_freq"] = full["rope_theta"], local["rope_theta"]
        c["rope_scaling"] = None if full["rope_type"] == "default" else {"rope_type": full["rope_type"], "factor": full["factor"]}
        return
    rope = dict(rope)
    kind = rope.pop("rope_type")
    theta = rope.pop("rope_theta")
    if c["model_type"] == "gpt_neox":
        c["rotary_emb_base"], c["rotary_pct"] = theta, rope.pop("partial_rotary_factor")
    else:
        c["rope_theta"] = theta
    if kind == "default":
        if r.random() < 0.5:
            c["rope_scaling"] = None
        return
    if kind == "longrope" and r.random() < 0.5:  # Phi's place for it
        c["original_max_position_embeddings"] = rope.pop("original_max_position_embeddings")
    c["rope_scaling"] = dict(rope, **{"type" if r.random() < 0.5 else "rope_type": kind})


def respell_config(path, r, own_kinds):
    c = json.load(open(path))
    if r.random() < 0.5:
        old_rope(c, r)
    if r.random() < 0.5 and "dtype" in c:
        c["torch_dtype"] = c.pop("dtype")
    if not own_kinds and r.random() < 0.5:
        c.pop("layer_types", None)
    for key in ("head_dim", "num_key_value_heads"):  # null is the rule of the family
        if c["model_type"] == "llama" and r.random() < 0.5:
            usual = c["hidden_size"] // c["num_attention_heads"] if key == "head_dim" else c["num_attention_heads"]
            c[key] = None if c[key] == usual else c[key]
    if c["model_type"].startswith("gemma") and "hidden_activation" in c and r.random() < 0.5:
        c["hidden_act"] = "gelu"
    if c["model_type"] == "gemma" and c.get("hidden_activation") == "gelu_pytorch_tanh" and r.random() < 0.5:
        c["hidden_activation"] = None
    json.dump(c, open(path, "w"))


def old_buffers(tensors, family, base, layers):
    for l in range(layers):
        if family == "gpt2":
            tensors[f"{base}h.{l}.attn.bias"] = torch.tril(torch.ones(1, 1, 8, 8)).to(torch.uint8)
            tensors[f"{base}h.{l}.attn.masked_bias"] = torch.tensor(-1e4)
        elif family == "gpt_neox":
            tensors[f"{base}layers.{l}.attention.bias"] = torch.tril(torch.ones(1, 1, 8, 8)).bool()
            tensors[f"{base}layers.{l}.attention.masked_bias"] = torch.tensor(-1e9)
            tensors[f"{base}layers.{l}.attention.rotary_emb.inv_freq"] = torch.ones(4)
        elif family in ("llama", "mistral", "qwen2"):
            tensors[f"{base}layers.{l}.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    if family in ("bert", "roberta", "distilbert"):
        tensors[f"{base}embeddings.position_ids"] = torch.arange(40)[None]


def respell(folder, family, r, own_kinds, has_head):
    """Writes `folder` anew in another spelling that means the same; answers the prefix that its names have lost."""
    cut = ""
    respell_config(folder + "/config.json", r, own_kinds)
    tensors = load_file(folder + "/model.safetensors")
    layers = json.load(open(folder + "/config.json"))
    layers = layers.get("num_hidden_layers") or layers.get("n_layer") or layers.get("n_layers")
    base = BASE.get(family, "model.")
    if not any(name.startswith(base) for name in tensors):
        base = ""
    tied = {"roberta": ("lm_head.decoder.weight", "lm_head.decoder.bias"),
            "bert": ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias"),
            "distilbert": ("vocab_projector.weight",)}.get(family, ("lm_head.weight",))
    if r.random() < 0.3 and base:  # a base model's file
        tensors = {name[len(base):] if name.startswith(base) else name: t for name, t in tensors.items()}
        cut, base = base, ""
    if r.random() < 0.4:
        old_buffers(tensors, family, base, layers)
    if family in ("bert",) and r.random() < 0.5:
        tensors = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): t
                   for name, t in tensors.items()}
    if r.random() < 0.3:  # pickled checkpoints kept tied tensors twice
        word = next((t for name, t in tensors.items() if name.endswith(("word_embeddings.weight", "embed_tokens.weight", "wte.weight"))), None)
        config = json.load(open(folder + "/config.json"))
        is_tied = config.get("tie_word_embeddings", True)
        if word is not None and is_tied and has_head and tied[0] not in tensors:
            tensors[tied[0]] = word.clone()
    os.remove(folder + "/model.safetensors")
    shards = r.choice([1, 1, 2, 5])
    names = sorted(tensors)
    if shards == 1:
        save_file(tensors, folder + "/model.safetensors", metadata={"format": "pt"})
        return cut
    where = {}
    for k in range(shards):
        part = names[k::shards]
        name = f"model-{k + 1:05d}-of-{shards:05d}.safetensors"
        save_file({n: tensors[n] for n in part}, f"{folder}/{name}", metadata={"format": "pt"})
        where.update({n: name for n in part})
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    json.dump({"metadata": {"total_size": total}, "weight_map": where}, open(folder + "/model.safetensors.index.json", "w"))
    return cut
