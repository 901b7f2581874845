"""Hugging Face's `tokenizers` on one thread, tinyshakespeare.txt in one call: a JSON line for each of tokenize_gpt2, tokenize_llama2
and tokenize_bert, with its speed in GB/s. DATA is the folder of the tokenizers' files and the text."""

import argparse
import pathlib

import tokenize_speed  # sets one thread before `tokenizers` is loaded
from timing import emit, measure


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=1, help="taken for the common form; one is used")
    arguments = parser.parse_args()
    path = arguments.data / "tinyshakespeare.txt"
    text, size = path.read_text(encoding="utf-8"), path.stat().st_size
    for name, make in (("gpt2", tokenize_speed.gpt2), ("llama2", tokenize_speed.llama2), ("bert", tokenize_speed.bert)):
        tokenizer = make(arguments.data)
        seconds = measure(lambda: tokenizer.encode(text, add_special_tokens=False), repeats=3)
        emit(f"tokenize_{name}", seconds, 1, gbps=1e-9 * size / seconds[0], bytes=size)


if __name__ == "__main__":
    main()
