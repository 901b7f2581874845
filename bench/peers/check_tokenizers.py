"""Weft's tokenizers against Hugging Face's `tokenizers`, on random configurations, vocabularies and texts.

    bench/peers/setup.sh && .venv/bin/python bench/peers/check_tokenizers.py build/weft --rounds 200

Each round draws a normalizer, a pre-tokenizer, a model trained on random text, a post-processor, added tokens and a decoder, saves
tokenizer.json, and compares the ids of random texts, with and without special tokens, and the texts that ids decode to.
Prints what differs, and exits 1 then. --record FILE writes small tokenizers with what `tokenizers` makes of some texts, instead:
tests/golden/text/peer_cases.json was made so, with --rounds 40 --seed 5.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS = (
    "the cat sat on there were a mat of zebras naïve café Ünïcödé Straße ΑΒΓ абв 東京 日本語 नमस्ते ﬁne ｆｕｌｌ Å ½ ² 12 345 x=1 don't "
    "I'LL we're it's HELLO World 3.14 <x> [Y] 🗼 👨‍👩‍👧 e\u0301 A\u030a ᾳ İstanbul \u1e9b\u0323 ! , . ?! -- __init__ ' \u200b \ufeff \u00ad"
).split(" ")
SPACES = [" ", " ", " ", " ", "  ", "\n", "\t", "\r\n", "\u00a0", "\u2003", "", "   ", "\u3000"]


def draw_text(rng, length):
    parts = []
    for _ in range(rng.randint(0, length)):
        kind = rng.random()
        if kind < 0.85:
            parts.append(rng.choice(WORDS))
        elif kind < 0.95:
            parts.append("".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(1, 14))))
        else:
            parts.append(chr(rng.choice([rng.randint(1, 0x7F), rng.randint(0xA1, 0x377), rng.randint(0x4E00, 0x9FA5), rng.randint(0x1F300, 0x1F5FF)])))
        parts.append(rng.choice(SPACES))
    return "".join(parts)


def draw_normalizer(rng):
    rows = [
        lambda: None,
        lambda: None,
        normalizers.NFC,
        normalizers.NFD,
        normalizers.NFKC,
        normalizers.NFKD,
        normalizers.Lowercase,
        lambda: normalizers.Strip(rng.random() < 0.5, rng.random() < 0.5),
        lambda: normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]),
        lambda: normalizers.Replace("a", rng.choice(["", "bb", "▁"])),
        lambda: normalizers.Replace(Regex(r"\s{2,}"), " "),
        lambda: normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        normalizers.Nmt,
        lambda: normalizers.BertNormalizer(rng.random() < 0.7, rng.random() < 0.7, rng.choice([None, True, False]), rng.random() < 0.5),
        lambda: normalizers.Sequence([normalizers.Lowercase(), normalizers.NFKC(), normalizers.Strip()]),
    ]
    return rng.choice(rows)()


def draw_splitter(rng):
    behaviors = ["isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"]
    rows = [
        lambda: None,
        pre_tokenizers.Whitespace,
        pre_tokenizers.WhitespaceSplit,
        pre_tokenizers.BertPreTokenizer,
        lambda: pre_tokenizers.Digits(rng.random() < 0.5),
        lambda: pre_tokenizers.Punctuation(rng.choice(behaviors)),
        lambda: pre_tokenizers.CharDelimiterSplit(rng.choice("ae ")),
        lambda: pre_tokenizers.Metaspace("▁", rng.choice(["always", "first", "never"]), rng.random() < 0.7),
        lambda: pre_tokenizers.Split(rng.choice([" ", "a", "th"]), rng.choice(behaviors), rng.random() < 0.3),
        lambda: pre_tokenizers.Split(Regex(rng.choice([r"\s+", r"\w+", r"\d", r"[aeiou]+", r"\p{Lu}", r"[^\s]x?"])), rng.choice(behaviors), rng.random() < 0.3),
        lambda: pre_tokenizers.ByteLevel(rng.random() < 0.5, use_regex=rng.random() < 0.7),
        lambda: pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]),
        lambda: pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Digits(True), pre_tokenizers.Punctuation()]),
        lambda: pre_tokenizers.Sequence([pre_tokenizers.ByteLevel(True), pre_tokenizers.Digits(False)]),
    ]
    return rng.choice(rows)()


def draw_model(rng):
    kind = rng.choice(["bpe", "bpe", "bpe", "unigram", "wordpiece", "wordlevel"])
    size = rng.choice([400, 600, 900])
    if kind == "bpe":
        options = {"unk_token": rng.choice([None, "<unk>"]), "fuse_unk": rng.random() < 0.5, "ignore_merges": rng.random() < 0.3}
        if rng.random() < 0.2:
            options["end_of_word_suffix"] = "</w>"
        if rng.random() < 0.2:
            options["continuing_subword_prefix"] = "##"
        extra = {k: v for k, v in options.items() if "word" in k}
        options["byte_fallback"] = rng.random() < 0.3
        return models.BPE(**options), trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False, **extra)
    if kind == "unigram":
        return models.Unigram(), trainers.UnigramTrainer(vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>", show_progress=False)
    if kind == "wordpiece":
        return models.WordPiece(unk_token="<unk>", max_input_chars_per_word=rng.choice([5, 100])), trainers.WordPieceTrainer(vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    return models.WordLevel(unk_token="<unk>"), trainers.WordLevelTrainer(vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)


def draw_tokenizer(rng, texts=40):
    model, trainer = draw_model(rng)
    tokenizer = Tokenizer(model)
    normalizer, splitter = draw_normalizer(rng), draw_splitter(rng)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if splitter is not None:
        tokenizer.pre_tokenizer = splitter
    tokenizer.train_from_iterator([draw_text(rng, 60 if texts > 9 else 16) for _ in range(texts)], trainer)
    start, end = tokenizer.token_to_id("<s>"), tokenizer.token_to_id("</s>")
    if start is not None and end is not None:
        processor = rng.choice(
            [
                None,
                processors.BertProcessing(("</s>", end), ("<s>", start)),
                processors.RobertaProcessing(("</s>", end), ("<s>", start)),
                processors.TemplateProcessing("<s> $A", "<s> $A <s>:1 $B:1", [("<s>", start)]),
            ]
        )
        if processor is not None:
            tokenizer.post_processor = processor
    for content in rng.sample(["<x>", "[Y]", "at", "the ", "x=", "é"], rng.randint(0, 3)):
        token = AddedToken(content, single_word=rng.random() < 0.3, lstrip=rng.random() < 0.3, rstrip=rng.random() < 0.3, normalized=rng.random() < 0.5)
        (tokenizer.add_special_tokens if rng.random() < 0.5 else tokenizer.add_tokens)([token])
    decoder = rng.choice(
        [
            None,
            decoders.ByteLevel(),
            decoders.WordPiece(cleanup=rng.random() < 0.5),
            decoders.Metaspace("▁", rng.choice(["always", "never"])),
            decoders.BPEDecoder(),
            decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]),
        ]
    )
    if decoder is not None:
        tokenizer.decoder = decoder
    return tokenizer


def call(command):
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    return json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr.strip() or f"exit status {done.returncode}"}


def check(weft, tokenizer, texts, folder):
    """What differs: a list of lines."""
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    source = os.path.join(folder, "texts.jsonl")
    with open(source, "w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    found = []
    for special in (True, False):
        flags = [] if special else ["--no-special"]
        answer = call([weft, "lm", "tokenize", folder, "--file", source, "--json", *flags])
        try:
            expected = [tokenizer.encode(text, add_special_tokens=special).ids for text in texts]
        except Exception as error:  # a vocabulary that cannot spell the text: both must refuse
            if "error" not in answer:
                found.append(f"only tokenizers refuses: {error}")
            continue
        if "error" in answer:
            found.append(answer["error"])
            continue
        for text, ids, result in zip(texts, expected, answer["results"]):
            if ids != result["ids"]:
                found.append(f"{text!r}: {result['ids']}, expected {ids}")
    # tokenizers 0.23 decodes added tokens that are looked for in normalised text to their normalised spelling, older ones do not
    spelled_anew = tokenizer.normalizer is not None and any(t.normalized for t in tokenizer.get_added_tokens_decoder().values())
    if not found and not spelled_anew:
        ids = [i for text in texts for i in tokenizer.encode(text, add_special_tokens=True).ids][:200]
        if ids:
            answer = call([weft, "lm", "tokenize", folder, "--decode", ",".join(map(str, ids)), "--no-special", "--json"])
            expected = tokenizer.decode(ids, skip_special_tokens=True)
            if answer.get("text") != expected:
                got = answer.get("text", answer.get("error", ""))
                at = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
                found.append(f"decoded …{got[max(0, at - 20) : at + 20]!r}, expected …{expected[max(0, at - 20) : at + 20]!r}")
    return found


def record(arguments):
    rows = []
    while len(rows) < arguments.rounds:
        rng = random.Random(f"{arguments.seed} {len(rows)}")
        tokenizer = draw_tokenizer(rng, 6)
        cases = []
        try:
            for text in [draw_text(rng, 8) for _ in range(8)]:
                ids = tokenizer.encode(text).ids
                cases.append({"text": text, "ids": ids, "plain": tokenizer.encode(text, add_special_tokens=False).ids})
                if not any(t.normalized for t in tokenizer.get_added_tokens_decoder().values()):
                    cases[-1]["decoded"] = tokenizer.decode(ids, skip_special_tokens=True)
        except Exception:  # a vocabulary that cannot spell the text
            cases = [{"text": text, "refused": True}]
        rows.append({"tokenizer": json.loads(tokenizer.to_str()), "cases": cases})
    with open(arguments.record, "w", encoding="ascii") as file:
        json.dump({"made_with": f"tokenizers {tokenizers.__version__}", "rows": rows}, file, separators=(",", ":"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weft")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", metavar="FILE")
    arguments = parser.parse_args()
    if arguments.record:
        record(arguments)
        return
    bad = 0
    for number in range(arguments.rounds):
        rng = random.Random(f"{arguments.seed} {number}")
        tokenizer = draw_tokenizer(rng)
        texts = [draw_text(rng, 12) for _ in range(40)] + [draw_text(rng, 300)]
        with tempfile.TemporaryDirectory() as folder:
            found = check(arguments.weft, tokenizer, texts, folder)
            if found:
                bad += 1
                with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as file:
                    parts = json.load(file)
                model = {k: v for k, v in parts["model"].items() if k not in ("vocab", "merges")}
                print(f"round {number}: {json.dumps({**{k: parts[k] for k in ('normalizer', 'pre_tokenizer', 'post_processor', 'decoder')}, 'model': model})}")
                print("  added:", [(t["content"], t["single_word"], t["lstrip"], t["rstrip"], t["normalized"], t["special"]) for t in parts["added_tokens"]])
                for line in found[:3]:
                    print("  " + line)
    print(f"{arguments.rounds} rounds, {bad} differ")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
