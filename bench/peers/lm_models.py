"""Random configurations of every family of language models: windows, soft caps, biases, ropes and their scalings, ties, heads,
activations. FAMILIES: how each is drawn, and the classes of transformers that it is made by."""

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
