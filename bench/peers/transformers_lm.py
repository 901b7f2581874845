"""Random tiny language models of every family, made and run by Hugging Face transformers (float64 on the CPU), against `weft run`.

    python -m venv venv && venv/bin/pip install torch transformers peft safetensors numpy
    venv/bin/python bench/peers/transformers_lm.py build/weft --rounds 20 --seed 0

Configuration keys vary from round to round: windows, soft caps, biases, ropes and their scalings, ties, heads, activations,
padding. For each model logits, hidden states, the loss and every gradient are compared, and for some an adapter made by PEFT.
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file, save_file

from lm_spellings import respell

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
warnings.simplefilter("ignore")


ACTIVATIONS = ["gelu_new", "gelu", "relu", "silu", "swish", "gelu_fast", "gelu_pytorch_tanh", "quick_gelu", "gelu_python"]


def ropes(r, head, positions):
    """A rope_scaling of a random type (None: plain)."""
    half = head // 2
    return r.choice([
        None,
        {"rope_type": "linear", "factor": r.choice([2.0, 8.0])},
        {"rope_type": "dynamic", "factor": r.choice([1.0, 2.0, 4.5])},
        {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 32},
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": positions // 4},
        {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": positions // 8, "mscale": 0.7,
         "mscale_all_dim": 1.3, "beta_fast": 16.0, "beta_slow": 2.0},
        {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": positions, "attention_factor": 1.7,
         "truncate": False},
        {"rope_type": "yarn", "factor": 40.0, "original_max_position_embeddings": positions, "mscale": 1.0},
        {"rope_type": "longrope", "short_factor": [1.0] * half, "long_factor": [3.0] * half, "attention_factor": 0.8,
         "original_max_position_embeddings": 8},
        {"rope_type": "longrope", "short_factor": [1.0 + 0.1 * i for i in range(half)],
         "long_factor": [2.0 + 0.3 * i for i in range(half)], "factor": 4.0,
         "original_max_position_embeddings": positions // 4},
    ])


def common(r):
    head = r.choice([8, 12, 16])
    kv = r.choice([1, 2, 4])
    return dict(vocab_size=r.choice([50, 97]), hidden_size=r.choice([24, 40]), intermediate_size=r.choice([33, 48]),
                num_hidden_layers=r.choice([2, 3, 7]), num_attention_heads=4, num_key_value_heads=kv, head_dim=head,
                max_position_embeddings=r.choice([64, 32]), tie_word_embeddings=r.random() < 0.5)


def with_rope(r, c, theta=(10000.0, 500000.0)):
    scaling = ropes(r, c["head_dim"], c["max_position_embeddings"])
    parameters = dict(scaling or {"rope_type": "default"}, rope_theta=r.choice(theta))
    return dict(c, rope_parameters=parameters)


def divided(c):
    """A family without head_dim: heads share the width."""
    c = dict(c)
    c["hidden_size"] = c["head_dim"] * 4
    del c["head_dim"]
    return c


def gpt2(r):
    return dict(vocab_size=r.choice([50, 97]), n_embd=24, n_layer=r.choice([1, 3]), n_head=r.choice([2, 3]), n_positions=48,
                n_inner=r.choice([None, 40]), activation_function=r.choice(ACTIVATIONS),
                scale_attn_weights=r.random() < 0.7, scale_attn_by_inverse_layer_idx=r.random() < 0.3,
                tie_word_embeddings=r.random() < 0.5)


def gpt_neox(r):
    return dict(vocab_size=r.choice([50, 97]), hidden_size=32, num_hidden_layers=r.choice([1, 3]), num_attention_heads=2,
                intermediate_size=r.choice([48, 64]), max_position_embeddings=48, hidden_act=r.choice(ACTIVATIONS),
                use_parallel_residual=r.random() < 0.5, attention_bias=r.random() < 0.7, tie_word_embeddings=r.random() < 0.3,
                rope_parameters={"rope_type": "default", "rope_theta": r.choice([10000.0, 1000.0]),
                                 "partial_rotary_factor": r.choice([0.25, 0.5, 1.0])})


def llama(r):
    return dict(with_rope(r, common(r)), attention_bias=r.random() < 0.5, mlp_bias=r.random() < 0.5,
                hidden_act=r.choice(ACTIVATIONS), rms_norm_eps=r.choice([1e-5, 1e-6]))


def kinds(r, c):
    """layer_types of one's own."""
    if c.get("use_sliding_window", True) and r.random() < 0.3:
        c["layer_types"] = [r.choice(["full_attention", "sliding_attention"]) for _ in range(c["num_hidden_layers"])]
    return c


def mistral(r):
    return dict(with_rope(r, common(r)), sliding_window=r.choice([None, 1, 5, 100]))


def qwen2(r):
    c = with_rope(r, common(r))
    rope = c["rope_parameters"]
    if rope["rope_type"] == "longrope":
        rope = {"rope_type": "default", "rope_theta": 10000.0}
    return kinds(r, dict(divided(c), rope_parameters=rope, use_sliding_window=r.random() < 0.5, sliding_window=5,
                         max_window_layers=r.choice([0, 1, 2])))


def qwen3(r):
    return kinds(r, dict(with_rope(r, common(r)), use_sliding_window=r.random() < 0.5, sliding_window=6,
                         max_window_layers=r.choice([0, 1]), attention_bias=r.random() < 0.5))


def gemma(r):
    return with_rope(r, common(r))


def gemma2(r):
    return kinds(r, dict(with_rope(r, common(r)), sliding_window=r.choice([4, 100]), query_pre_attn_scalar=r.choice([16, 24]),
                final_logit_softcapping=r.choice([None, 3.0, 30.0]),
                         attn_logit_softcapping=r.choice([None, 5.0, 50.0]),
                         hidden_activation=r.choice(["gelu_pytorch_tanh", "gelu", "silu"])))


def gemma3_text(r):
    c = common(r)
    return kinds(r, dict(c, sliding_window=r.choice([4, 7]), query_pre_attn_scalar=r.choice([16, 24]),
                rope_parameters={"full_attention": {"rope_type": r.choice(["default", "linear"]), "factor": 8.0,
                                                    "rope_theta": 1e6},
                                 "sliding_attention": {"rope_type": "default", "rope_theta": r.choice([10000.0, 500.0])}}))


def encoder(r):
    return dict(vocab_size=60, hidden_size=24, num_hidden_layers=r.choice([1, 2]), num_attention_heads=r.choice([2, 3]),
                intermediate_size=r.choice([40, 48]), max_position_embeddings=40, hidden_act=r.choice(ACTIVATIONS),
                layer_norm_eps=r.choice([1e-12, 1e-5, 1e-3]), tie_word_embeddings=r.random() < 0.7)


def bert(r):
    return dict(encoder(r), type_vocab_size=r.choice([2, 3]))


def roberta(r):
    return dict(encoder(r), type_vocab_size=1, pad_token_id=1)


def distilbert(r):
    e = encoder(r)
    return dict(vocab_size=60, dim=24, n_layers=e["num_hidden_layers"], n_heads=e["num_attention_heads"],
                hidden_dim=e["intermediate_size"], max_position_embeddings=40, activation=r.choice(["gelu", "relu", "silu", "gelu_new"]),
                tie_word_embeddings=r.random() < 0.7,
                sinusoidal_pos_embds=False)


FAMILIES = {
    "gpt2": (gpt2, "GPT2Config", ["GPT2LMHeadModel", "GPT2ForSequenceClassification"]),
    "gpt_neox": (gpt_neox, "GPTNeoXConfig", ["GPTNeoXForCausalLM", "GPTNeoXForSequenceClassification"]),
    "llama": (llama, "LlamaConfig", ["LlamaForCausalLM", "LlamaForSequenceClassification"]),
    "mistral": (mistral, "MistralConfig", ["MistralForCausalLM", "MistralForSequenceClassification"]),
    "qwen2": (qwen2, "Qwen2Config", ["Qwen2ForCausalLM", "Qwen2ForSequenceClassification"]),
    "qwen3": (qwen3, "Qwen3Config", ["Qwen3ForCausalLM", "Qwen3ForSequenceClassification"]),
    "gemma": (gemma, "GemmaConfig", ["GemmaForCausalLM", "GemmaForSequenceClassification"]),
    "gemma2": (gemma2, "Gemma2Config", ["Gemma2ForCausalLM", "Gemma2ForSequenceClassification"]),
    "gemma3_text": (gemma3_text, "Gemma3TextConfig", ["Gemma3ForCausalLM", "Gemma3TextForSequenceClassification"]),
    "bert": (bert, "BertConfig", ["BertForPreTraining", "BertForMaskedLM", "BertForSequenceClassification", "BertModel"]),
    "roberta": (roberta, "RobertaConfig", ["RobertaForMaskedLM", "RobertaForSequenceClassification", "RobertaModel"]),
    "distilbert": (distilbert, "DistilBertConfig", ["DistilBertForMaskedLM", "DistilBertForSequenceClassification",
                                                    "DistilBertModel"]),
}


def shake(model, seed, stored):
    """Weights that are no powers of a tiny number, in the type that they are stored in: norms away from 1, biases away from 0."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=g) * (0.3 if p.dim() > 1 else 0.2))
            p.copy_(p.to(stored))


def difference(a, b):
    return float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).max(initial=0.0))


def tolerance(what, stored):
    """transformers keeps rope tables and RMS statistics in float32 whatever the model's type; a merged weight is rounded."""
    if what == "merged":
        return 1e-3 if stored == torch.float32 else 0.1
    return 1e-3 if "gradient" in what else 3e-4 if what == "hidden" else 1e-4


def run_weft(weft, folder, inputs, options):
    save_file(inputs, folder + "/inputs.safetensors")
    command = [weft, "run", folder, folder + "/inputs.safetensors", "--out", folder + "/out.safetensors", "--force"] + options
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return load_file(folder + "/out.safetensors")


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
    model = getattr(transformers, head)(config).double().eval()
    stored = r.choice([torch.float32, torch.float32, torch.bfloat16, torch.float16])
    shake(model, r.randrange(1 << 30), stored)
    model.to(stored).save_pretrained(folder)
    if stored != torch.float32:  # the buffers of ropes were rounded with the rest
        model = getattr(transformers, head).from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()
        config = model.config
    model.double()
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
    out = model(**kwargs)
    if any(bool(torch.isnan(h).any()) for h in out.hidden_states):  # transformers, where a row sees nothing but padding
        mask[:] = 1  # in place, as what follows: the inputs share this memory
        ids[ids == keys.get("pad_token_id")] = 2
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


def main_output(out):
    return getattr(out, "logits", None) if getattr(out, "logits", None) is not None else out.prediction_logits


def targets_of(r, names):
    """What PEFT may be told: suffixes, an expression, all linear layers."""
    some = r.sample(names, r.randint(1, len(names)))
    return r.choice([some, some, "all-linear", r".*\.[01]\..*(" + "|".join(some) + ")"])


def adapter(weft, family, model, head, r, folder, kwargs, inputs, real, seen):
    import peft
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
    tuned = peft.get_peft_model(model, settings).double().eval()
    g = torch.Generator().manual_seed(r.randrange(1 << 30))
    with torch.no_grad():
        for n, p in tuned.named_parameters():
            if p.requires_grad:
                p.add_((torch.rand(p.shape, generator=g, dtype=torch.float64) - 0.5) * 0.4)
                p.copy_(p.float())
    tuned.float().save_pretrained(folder + "/adapter")
    tuned.double()
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
    done = subprocess.run([weft, "lm", "merge", folder, "--adapter", folder + "/adapter", "--out", folder + "/merged"],
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError("merge: " + done.stderr.strip())
    whole = type(model).from_pretrained(folder + "/merged", dtype=torch.float64, attn_implementation="eager").eval()
    seen["merged"] = difference(want, main_output(whole(**kwargs)).detach().numpy()[rows]) / max(1, np.abs(want).max())


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
