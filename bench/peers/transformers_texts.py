"""Texts through classifiers and embedders: transformers' pipeline and last hidden states against `weft lm classify` and `lm embed`.

    venv/bin/python bench/peers/transformers_texts.py build/weft --rounds 3 --seed 0

Random tiny models of every family (lm_models.py) with a word-piece tokenizer; texts of 1 to 60 tokens, some of them pairs, longer ones
cut; heads of every problem_type. Then the labels of a file: accuracy, log-loss and F1 against scikit-learn's definitions.
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

from lm_common import call_weft, difference, shake
from lm_models import FAMILIES

WORDS = ("[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat and rat said of number , a b c d e f g ##a ##t ##s . ! we you").split()
LENGTH = 30  # tokens a text


def texts(r, count, pairs):
    rows = []
    for _ in range(count):
        words = lambda: " ".join(r.choice(WORDS[5:]) for _ in range(r.randint(1, 40)))
        rows.append({"text": words(), **({"text_pair": words()} if pairs and r.random() < 0.5 else {})})
    return rows


def make(family, head, r, folder, **more):
    draw, config_class, _ = FAMILIES[family]
    keys = dict(draw(r), **more)
    keys["vocab_size"] = len(WORDS) + 2
    keys["pad_token_id"] = 0
    if "max_position_embeddings" in keys:
        keys["max_position_embeddings"] = 64
    if "n_positions" in keys:
        keys["n_positions"] = 64
    if family == "roberta":
        keys["type_vocab_size"] = 2
    keys.pop("rope_parameters", None) if family != "gpt_neox" else None  # a padded batch's length would turn the keys
    torch.manual_seed(r.randrange(1 << 30))
    model = getattr(transformers, head)(getattr(transformers, config_class)(**keys, attn_implementation="eager")).eval()
    shake(model, r.randrange(1 << 30), torch.float32)
    model.save_pretrained(folder)
    with open(folder + "/vocab.txt", "w") as f:
        f.write("\n".join(WORDS) + "\n")
    tokenizer = transformers.BertTokenizerFast(folder + "/vocab.txt")
    if family not in ("bert", "roberta"):  # GPT-2 would add rows of its vocabulary by them
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(folder)
    return model, tokenizer


def write(folder, rows):
    with open(folder + "/data.jsonl", "w") as f:
        f.writelines(json.dumps(row) + "\n" for row in rows)
    return folder + "/data.jsonl"


def scores_of(answer, count):
    if "value" in answer:
        return [answer["value"]]
    by_name = {s["label"]: s["score"] for s in answer["scores"]} if "scores" in answer else {answer["label"]: answer["score"]}
    return [by_name[f"LABEL_{k}"] for k in range(count)]


def classify(weft, family, head, r, folder):
    kind = r.choice(["single_label_classification", "multi_label_classification", "regression", None])
    classes = r.choice([1, 3]) if kind == "regression" else r.choice([1, 2, 4]) if kind is None else r.choice([2, 3, 5])
    model, tokenizer = make(family, head, r, folder, num_labels=classes, problem_type=kind)
    rows = texts(r, 25, True)
    pipe = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu", top_k=None)
    want = []
    for row in rows:
        answer = pipe(row if "text_pair" in row else row["text"], truncation=True, max_length=LENGTH)
        answer = answer[0] if isinstance(answer[0], list) else answer
        by_name = {a["label"]: a["score"] for a in answer}
        want.append([by_name[f"LABEL_{k}"] for k in range(classes)])
    for k, row in enumerate(rows):
        best = int(np.argmax(want[k]))
        if classes > 1 and kind in ("single_label_classification", None):
            row["label"] = best if k % 3 else (best + 1) % classes
    told = json.loads(call_weft(weft, ["lm", "classify", folder, "--data", write(folder, rows), "--length", str(LENGTH), "--top-k", "0",
                                       "--batch-size", str(r.choice([1, 7, 64])), "--json"]))
    worst = difference(want, [scores_of(a, classes) for a in told["results"]])
    if "label" in rows[0]:
        truth = np.array([row["label"] for row in rows])
        p = np.array(want)
        said = p.argmax(1)
        clipped = np.clip(p, 2**-23, 1 - 2**-23)
        f1 = [2 * np.sum((said == c) & (truth == c)) / (np.sum(said == c) + np.sum(truth == c))
              for c in range(classes) if np.any(said == c) or np.any(truth == c)]
        metrics = {"accuracy": np.mean(said == truth), "macro_f1": np.mean(f1),
                   "logloss": -np.mean(np.log(clipped[np.arange(len(p)), truth] / clipped.sum(1)))}
        worst = max([worst] + [abs(told["metrics"][name] - value) for name, value in metrics.items()])
    return worst


def embed(weft, family, head, r, folder):
    model, tokenizer = make(family, head, r, folder)
    pooling = r.choice(["mean", "cls", "last", "max"])
    normalize = r.random() < 0.5
    rows = texts(r, 25, False)
    described = r.random() < 0.5
    if described:  # as sentence-transformers says it
        os.makedirs(folder + "/1_Pooling")
        modules = [("Transformer", ""), ("Pooling", "1_Pooling")] + ([("Normalize", "2_Normalize")] if normalize else [])
        json.dump([{"idx": k, "name": str(k), "path": path, "type": "sentence_transformers.models." + name}
                   for k, (name, path) in enumerate(modules)], open(folder + "/modules.json", "w"))
        keys = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken", "max": "max_tokens"}
        json.dump({f"pooling_mode_{k}": name == pooling for name, k in keys.items()}, open(folder + "/1_Pooling/config.json", "w"))
        json.dump({"max_seq_length": LENGTH}, open(folder + "/sentence_bert_config.json", "w"))
    options = [] if described else ["--pooling", pooling, "--normalize", "yes" if normalize else "no", "--length", str(LENGTH)]
    call_weft(weft, ["lm", "embed", folder, "--data", write(folder, rows), "--out", folder + "/vectors.npy"] + options)
    have = np.load(folder + "/vectors.npy")
    want = []
    base = getattr(model, model.base_model_prefix, model)
    for row in rows:
        tokens = tokenizer(row["text"], truncation=True, max_length=LENGTH, return_tensors="pt")
        with torch.no_grad():
            h = base(**tokens).last_hidden_state[0]
        v = {"mean": h.mean(0), "cls": h[0], "last": h[-1], "max": h.max(0).values}[pooling]
        want.append((v / v.norm() if normalize else v).numpy())
    return difference(want, have) / max(1.0, float(np.abs(want).max()) / 10)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("weft")
    arguments.add_argument("--rounds", type=int, default=3, help="classifiers and embedders of each family")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--families", nargs="*", default=list(FAMILIES))
    a = arguments.parse_args()
    torch.set_num_threads(1)
    wrong = 0
    for family in a.families:
        heads = FAMILIES[family][2]
        classifier = next(h for h in heads if h.endswith("SequenceClassification"))
        reader = heads[-1] if heads[-1].endswith("Model") else heads[0]
        worst = 0.0
        for k in range(a.rounds):
            for job, head in ((classify, classifier), (embed, reader)):
                r = random.Random(f"{a.seed} {family} {k} {head}")
                folder = tempfile.mkdtemp(prefix="transformers_texts.")
                try:
                    off = job(a.weft, family, head, r, folder)
                    worst = max(worst, off)
                    if not off < 1e-4:  # both compute in float32
                        wrong += 1
                        print(f"WRONG {family} round {k}, {job.__name__}: differs by {off:.3g}")
                except RuntimeError as problem:
                    wrong += 1
                    print(f"WRONG {family} round {k}, {job.__name__}: {problem}")
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
        print(f"{family}: largest difference {worst:.2g}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
