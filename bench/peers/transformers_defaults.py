"""What a key of config.json means that is not there: every key of every family left out in turn, in transformers and in Weft.

    venv/bin/python bench/peers/transformers_defaults.py build/weft

The other keys have values that are nobody's default. Where the model that comes out is small it is run on both sides, in float64;
else its parameters are counted. A rope's own keys are left out one by one as well. A key that transformers cannot do without may
be refused by Weft too.
"""
import argparse
import json
import shutil
import sys
import tempfile

import torch
import transformers

from lm_common import call_weft, difference, in_float64, run_weft, shake

LARGEST = 6_000_000  # parameters of a model that is run

LLAMA = dict(vocab_size=50, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
             head_dim=16, hidden_act="relu", max_position_embeddings=64, rms_norm_eps=0.01, initializer_range=0.5,
             tie_word_embeddings=True, attention_bias=True, mlp_bias=True, pad_token_id=3, bos_token_id=4, eos_token_id=5,
             rope_parameters={"rope_type": "default", "rope_theta": 77.0})


def without(c, *keys, **more):
    return dict({k: v for k, v in c.items() if k not in keys}, **more)


QWEN = without(LLAMA, "mlp_bias", tie_word_embeddings=True, use_sliding_window=True, sliding_window=5, max_window_layers=1)
GEMMA = without(LLAMA, "mlp_bias", "hidden_act", tie_word_embeddings=False, hidden_activation="silu", query_pre_attn_scalar=9)
ENCODER = dict(vocab_size=50, hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=40, hidden_act="relu",
               max_position_embeddings=48, type_vocab_size=3, initializer_range=0.5, layer_norm_eps=0.01, pad_token_id=4,
               tie_word_embeddings=False)

FAMILIES = {
    "gpt2": ("GPT2Config", "GPT2LMHeadModel",
             dict(vocab_size=50, n_embd=24, n_layer=2, n_head=2, n_positions=48, n_inner=40, activation_function="relu",
                  layer_norm_epsilon=0.01, initializer_range=0.5, scale_attn_weights=False,
                  scale_attn_by_inverse_layer_idx=True, tie_word_embeddings=False)),
    "gpt_neox": ("GPTNeoXConfig", "GPTNeoXForCausalLM",
                 dict(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
                      max_position_embeddings=48, hidden_act="relu", layer_norm_eps=0.01, initializer_range=0.5,
                      use_parallel_residual=False, attention_bias=False, tie_word_embeddings=True,
                      rope_parameters={"rope_type": "default", "rope_theta": 77.0, "partial_rotary_factor": 0.5})),
    "llama": ("LlamaConfig", "LlamaForCausalLM", LLAMA),
    "mistral": ("MistralConfig", "MistralForCausalLM", without(LLAMA, "mlp_bias", "attention_bias", sliding_window=5)),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM", without(QWEN, "attention_bias", "head_dim")),
    "qwen3": ("Qwen3Config", "Qwen3ForCausalLM", QWEN),
    "gemma": ("GemmaConfig", "GemmaForCausalLM",
              without(LLAMA, "mlp_bias", "hidden_act", tie_word_embeddings=False)),
    "gemma2": ("Gemma2Config", "Gemma2ForCausalLM",
               dict(GEMMA, sliding_window=5, attn_logit_softcapping=0.7, final_logit_softcapping=0.9)),
    "gemma3_text": ("Gemma3TextConfig", "Gemma3ForCausalLM",
                    dict(GEMMA, sliding_window=5, num_hidden_layers=7, layer_types=["full_attention"] * 3 + ["sliding_attention"] * 4,
                         rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 77.0},
                                          "sliding_attention": {"rope_type": "default", "rope_theta": 33.0}})),
    "bert": ("BertConfig", "BertModel", ENCODER),
    "roberta": ("RobertaConfig", "RobertaModel", ENCODER),
    "distilbert": ("DistilBertConfig", "DistilBertModel",
                   dict(vocab_size=50, dim=24, n_layers=2, n_heads=2, hidden_dim=40, activation="relu", max_position_embeddings=48,
                        initializer_range=0.5, pad_token_id=4, tie_word_embeddings=False)),
}

# Keys whose absence shows only in a longer text or a deeper model.
LONG = {"sliding_window": dict(max_position_embeddings=8192)}
DEEP = {"max_window_layers": dict(num_hidden_layers=30), "num_hidden_layers": dict(layer_types=None)}
# Other keys that must fit to a default.
FITTING = {"num_attention_heads": dict(hidden_size=768), "num_key_value_heads": dict(num_attention_heads=32, hidden_size=64)}

ROPES = [
    {"rope_type": "linear", "factor": 2.0, "rope_theta": 77.0},
    {"rope_type": "dynamic", "factor": 3.0, "rope_theta": 77.0},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.5, "high_freq_factor": 5.0, "original_max_position_embeddings": 32,
     "rope_theta": 77.0},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 9.0, "beta_slow": 2.0,
     "attention_factor": 1.7, "truncate": False, "rope_theta": 77.0},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "mscale": 0.7, "mscale_all_dim": 1.3,
     "rope_theta": 77.0},
    {"rope_type": "longrope", "factor": 4.0, "original_max_position_embeddings": 16, "short_factor": [1.1] * 8,
     "long_factor": [2.2] * 8, "attention_factor": 0.8, "rope_theta": 77.0},
]


def model_of(config_class, head, keys, device):
    config = getattr(transformers, config_class)(**keys, attn_implementation="eager")
    with torch.device(device):
        return getattr(transformers, head)(config)


def check(weft, family, config_class, head, left_out, keys):
    """None where both sides agree, else what they do."""
    try:
        ghost = model_of(config_class, head, keys, "meta")
    except Exception as refused:
        return None if left_out.startswith("rope_parameters.") else f"transformers refuses it: {refused}"
    count = sum(p.numel() for p in ghost.parameters())
    folder = tempfile.mkdtemp(prefix="transformers_defaults.")
    try:
        said = dict(keys, model_type=family, architectures=[head])
        if count <= LARGEST:
            torch.manual_seed(1)
            with in_float64():
                model = model_of(config_class, head, keys, "cpu").eval()
            shake(model, 2, torch.float32)
            state = {name: t.float() for name, t in model.state_dict().items()}
            model.save_pretrained(folder, state_dict=state)
        with open(folder + "/config.json", "w") as f:
            json.dump(said, f)
        if count > LARGEST:
            told = json.loads(call_weft(weft, ["info", folder, "--json"]))["parameters"]
            return None if told == count else f"{told} parameters, transformers {count}"
        positions = keys.get("max_position_embeddings", keys.get("n_positions", 64))
        n = 4200 if left_out in LONG else 40
        ids = torch.arange(n).mul(7).remainder(43).add(6).unsqueeze(0)[:, :positions]
        with in_float64():
            out = model(input_ids=ids, output_hidden_states=True)
        have = run_weft(weft, folder, {"input_ids": ids.numpy()}, ["--dtype", "f64"])
        if hasattr(out, "logits"):
            want, got = out.logits, have["logits"]
        else:
            want, got = out.last_hidden_state, have["hidden"][-1]
        worst = difference(want.detach(), got) / max(1, float(want.abs().max()) / 10)
        return None if worst < 1e-9 else f"differs by {worst:.3g}"
    except RuntimeError as refused:
        return str(refused)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cases(family, keys):
    yield "nothing", keys
    for key in keys:
        more = {k: v for k, v in {**LONG.get(key, {}), **DEEP.get(key, {}), **FITTING.get(key, {})}.items() if v is not None or k in keys}
        fewer = without(dict(keys, **more), key)
        if fewer.get("layer_types", 0) is None or len(fewer.get("layer_types", "")) != fewer.get("num_hidden_layers"):
            fewer.pop("layer_types", None)
        yield key, fewer
    rope = keys.get("rope_parameters", {})
    for part in rope if "full_attention" in rope else []:
        yield f"rope_parameters.{part}.rope_theta", dict(keys, rope_parameters=dict(rope, **{part: without(rope[part], "rope_theta")}))
    if family == "llama":
        for rope in ROPES:
            for key in rope:
                yield f"rope_parameters.{key} of {rope['rope_type']}", dict(keys, rope_parameters=without(rope, key))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("weft")
    arguments.add_argument("--families", nargs="*", default=list(FAMILIES))
    a = arguments.parse_args()
    torch.set_num_threads(1)
    wrong = 0
    for family in a.families:
        config_class, head, keys = FAMILIES[family]
        tried = 0
        for left_out, fewer in cases(family, keys):
            tried += 1
            problem = check(a.weft, family, config_class, head, left_out, fewer)
            if problem:
                wrong += 1
                print(f"WRONG {family} without {left_out}: {problem}")
        print(f"{family}: {tried} configurations")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
