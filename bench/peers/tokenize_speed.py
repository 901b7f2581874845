"""Weft's tokenizers beside Hugging Face's `tokenizers` on one thread: prints a table in Markdown.

    make -C build bench_tokenize_speed
    bench/peers/setup.sh && .venv/bin/python bench/peers/tokenize_speed.py build/bench_tokenize_speed ../shared/data/lm

The two sides take turns; the best time of each counts. Both read the same tokenizer: GPT-2's encoder.json and vocab.bpe, Llama 2's
tokenizer.model (for `tokenizers` converted by `transformers`), BERT's vocab.txt. The ids of both sides must be equal.
"""

import argparse
import json
import os
import pathlib
import subprocess
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import tokenizers  # noqa: E402
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers  # noqa: E402


def gpt2(data):
    vocab = json.loads((data / "encoder.json").read_text(encoding="utf-8"))
    lines = (data / "vocab.bpe").read_text(encoding="utf-8").split("\n")[1:]
    tokenizer = Tokenizer(models.BPE(vocab, [tuple(line.split(" ")) for line in lines if line]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def llama2(data):
    """Merges as `transformers` makes them from a SentencePiece model: every split of a piece into two pieces, best score first."""
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(str(data / "llama2-tokenizer.model"))
    vocab = {model.id_to_piece(i): i for i in range(model.get_piece_size())}
    merges = []
    for piece, number in vocab.items():
        if model.is_byte(number) or model.is_control(number) or model.is_unknown(number):
            continue
        halves = [(piece[:k], piece[k:]) for k in range(1, len(piece)) if piece[:k] in vocab and piece[k:] in vocab]
        halves.sort(key=lambda pair: (vocab[pair[0]], vocab[pair[1]]))
        merges += [(-model.get_score(number), pair) for pair in halves]
    merges.sort(key=lambda row: row[0])
    tokenizer = Tokenizer(models.BPE(vocab, [pair for _, pair in merges], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def bert(data):
    tokenizer = Tokenizer(models.WordPiece.from_file(str(data / "bert-base-uncased-vocab.txt"), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


ROWS = [("GPT-2", gpt2, "."), ("Llama 2", llama2, "llama2-tokenizer.model"), ("BERT", bert, "bert-base-uncased-vocab.txt")]
TEXTS = ["tinyshakespeare.txt", "wiki_demo.txt"]


def best_of(call, rounds):
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - begin)
    return min(times), result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="bench_tokenize_speed")
    parser.add_argument("data", type=pathlib.Path, help="the folder of the shipped language-model data")
    parser.add_argument("--turns", type=int, default=2)
    arguments = parser.parse_args()
    print(f"`tokenizers` {tokenizers.__version__}, one thread; MB is 10^6 bytes\n")
    print("| tokenizer | text | cut | Weft, MB/s | first call | `tokenizers`, MB/s | ratio | tokens |")
    print("|---|---|---|---:|---:|---:|---:|---:|")
    for label, make, source in ROWS:
        peer = make(arguments.data)
        for name in TEXTS:
            path = arguments.data / name
            text = path.read_bytes().decode("utf-8")
            size = path.stat().st_size
            lines = text.split("\n")
            lines = lines[:-1] if lines[-1] == "" else lines
            ways = {
                "whole": lambda: len(peer.encode(text, add_special_tokens=False).ids),
                "lines": lambda: sum(len(peer.encode(line, add_special_tokens=False).ids) for line in lines),
            }
            ours, theirs = {}, {}
            for _ in range(arguments.turns):
                output = subprocess.run([arguments.program, str(arguments.data / source), str(path), "7"], capture_output=True, text=True, check=True)
                for line in output.stdout.splitlines():
                    row = json.loads(line)
                    if row["name"] not in ours or row["seconds"] < ours[row["name"]]["seconds"]:
                        ours[row["name"]] = row
                for way, call in ways.items():
                    seconds, count = best_of(call, 2)
                    theirs[way] = (min(seconds, theirs.get(way, (seconds, 0))[0]), count)
            for way in ways:
                seconds, count = theirs[way]
                row = ours[way]
                equal = "" if count == row["tokens"] else f" (!= {count})"
                print(
                    f"| {label} | {name} | {way} | {row['mbps']:.1f} | {row['first_mbps']:.1f} | {size / seconds * 1e-6:.2f} "
                    f"| {seconds / row['seconds']:.1f}× | {row['tokens']:,}{equal} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
