"""Weft's reading of tokenizer.model against the `sentencepiece` library, on models trained with random settings.

    bench/peers/setup.sh && .venv/bin/python bench/peers/check_sentencepiece.py build/weft --rounds 40

Byte pairs and Unigram; normalization rules, byte fallback, dummy prefix, extra spaces, character coverage and user-defined symbols are
drawn. Prints what differs, and exits 1 then.
"""

import argparse
import json
import os
import random
import sys
import tempfile

import sentencepiece
from check_tokenizers import call, draw_text


def train(rng, folder):
    source = os.path.join(folder, "train.txt")
    with open(source, "w", encoding="utf-8") as file:
        for _ in range(400):
            file.write(draw_text(rng, 20).replace("\n", " ").replace("\r", " ") + "\n")
    settings = {
        "model_type": rng.choice(["bpe", "unigram"]),
        "vocab_size": rng.choice([700, 900]),
        "normalization_rule_name": rng.choice(["identity", "nmt_nfkc", "nmt_nfkc_cf", "nfkc"]),
        "byte_fallback": rng.random() < 0.5,
        "add_dummy_prefix": rng.random() < 0.7,
        "remove_extra_whitespaces": rng.random() < 0.5,
        "split_digits": rng.random() < 0.5,
        "split_by_whitespace": rng.random() < 0.8,
        "character_coverage": rng.choice([0.98, 1.0]),
        "user_defined_symbols": rng.choice([[], ["<x>", "don"]]),
    }
    prefix = os.path.join(folder, "tokenizer")
    sentencepiece.SentencePieceTrainer.train(input=source, model_prefix=prefix, minloglevel=2, hard_vocab_limit=False, **settings)
    return settings, sentencepiece.SentencePieceProcessor(prefix + ".model")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weft")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    bad = 0
    for number in range(arguments.rounds):
        rng = random.Random(f"{arguments.seed} {number}")
        with tempfile.TemporaryDirectory() as folder:
            settings, peer = train(rng, folder)
            texts = [draw_text(rng, 12) for _ in range(60)] + [draw_text(rng, 300)]
            source = os.path.join(folder, "texts.jsonl")
            with open(source, "w", encoding="utf-8") as file:
                file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
            answer = call([arguments.weft, "lm", "tokenize", folder, "--file", source, "--no-special", "--json"])
        found = [answer["error"]] if "error" in answer else []
        for text, result in zip(texts, answer.get("results", [])):
            if result["ids"] != peer.encode(text):
                found.append(f"{text!r}: {result['ids']}, expected {peer.encode(text)}")
        if found:
            bad += 1
            print(f"round {number}: {settings}")
            for line in found[:3]:
                print("  " + line)
    print(f"{arguments.rounds} rounds, {bad} differ")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
