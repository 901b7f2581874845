#!/usr/bin/env python3
"""Weft against its peers, in one run: writes docs/results/speed.md.

    bench/peers/setup.sh && bench/compare.py --threads 1

Both sides of a row run one after the other, in --rounds turns, on the same machine with the same number of threads. A turn gives
each side's best time and their ratio; the table has the medians over the turns, since other work on the machine slows some turns,
mostly both sides of one alike. A peer that is not installed, or a job that `weft bench` does not know, leaves a dash in its row
and a line on standard error. Ratios are peer time / Weft time: above 1, Weft is faster.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
TEXT = pathlib.Path(os.environ.get("WEFT_DATA", ROOT.parent / "shared" / "data")) / "lm"  # tokenizers and texts

# Jobs that run together, a turn of one side right behind the other's: names for `weft bench`, the peer's script and its arguments.
GROUPS = [
    (["matmul_512", "matmul_1024", "matmul_2048", "add", "layer_norm", "softmax", "mlp_step"], ["torch_ops.py"]),
    (["tabr_step"], ["torch_tabr.py", "step"]),
    ([], ["torch_tabr.py", "step_memory_efficient"]),
    (["tabr_plr_step"], ["torch_tabr.py", "plr_step"]),
    ([], ["torch_tabr.py", "plr_step_memory_efficient"]),
    (["tabr_predict_one", "tabr_predict_bulk"], ["torch_tabr.py", "predict"]),
    (["knn_1m_8"], ["search_faiss.py", "knn_1m_8"]),
    (["knn_1m_96"], ["search_faiss.py", "knn_1m_96"]),
    (["csv_read"], ["csv_pandas.py"]),
    *((["lm_" + job], ["torch_lm.py", "lm_" + job])
      for job in ("prefill_110m", "prefill_110m_bf16", "decode_110m", "decode_110m_bf16", "train_gpt2", "train_gpt2_bf16")),
    (["tokenize_gpt2", "tokenize_llama2", "tokenize_bert"], ["tokenize_rows.py", TEXT]),
]
# Rows of the table: what it is, Weft's name, the peer, the peer's name, the quantity compared, the least ratio aimed at.
ROWS = [
    ("matrix product 512", "matmul_512", "PyTorch", "matmul_512", "seconds", 1),
    ("matrix product 1,024", "matmul_1024", "PyTorch", "matmul_1024", "seconds", 1),
    ("matrix product 2,048", "matmul_2048", "PyTorch", "matmul_2048", "seconds", 1),
    ("add, 64 M numbers", "add", "PyTorch", "add", "seconds", 1),
    ("layer norm, 64 M numbers, rows of 1,024", "layer_norm", "PyTorch", "layer_norm", "seconds", 1),
    ("softmax, 64 M numbers, rows of 1,024", "softmax", "PyTorch", "softmax", "seconds", 1),
    ("MLP training step, 8 → 4 × 512 → 1, batch 256", "mlp_step", "PyTorch", "mlp_step", "seconds", 1.5),
    ("TabR-S training step, batch 256, 13,209 candidates", "tabr_step", "PyTorch", "tabr_step", "seconds", 10),
    ("the same, memory_efficient", "tabr_step", "PyTorch", "tabr_step_memory_efficient", "seconds", 10),
    ("TabR training step, numbers embedded by PLR(lite), the same sizes", "tabr_plr_step", "PyTorch", "tabr_plr_step", "seconds", 1),
    ("the same, memory_efficient", "tabr_plr_step", "PyTorch", "tabr_plr_step_memory_efficient", "seconds", 1),
    ("TabR-S, predict 1 row", "tabr_predict_one", "PyTorch, candidates encoded again", "tabr_predict_one", "seconds", 50),
    ("TabR-S, predict 1 row", "tabr_predict_one", "PyTorch, keys cached", "tabr_predict_one_cached", "seconds", 1),
    ("TabR-S, predict 4,128 rows", "tabr_predict_bulk", "PyTorch, candidates encoded again", "tabr_predict_bulk", "seconds", 5),
    ("TabR-S, predict 4,128 rows", "tabr_predict_bulk", "PyTorch, keys cached", "tabr_predict_bulk_cached", "seconds", 1),
    ("search, 1 M × 8, 1,000 queries, 96 nearest", "knn_1m_8", "faiss IndexFlatL2", "knn_1m_8", "seconds", 1),
    ("search, 1 M × 96, 1,000 queries, 96 nearest", "knn_1m_96", "faiss IndexFlatL2", "knn_1m_96", "seconds", 1),
    ("read CSV", "csv_read", "pandas.read_csv, C engine", "csv_read", "gbps", 1),
    ("language model of 110 M, prompt of 512 tokens", "lm_prefill_110m", "PyTorch", "lm_prefill_110m", "seconds", 1.2),
    ("the same in bf16", "lm_prefill_110m_bf16", "PyTorch", "lm_prefill_110m_bf16", "seconds", 1.5),
    ("the same model, one token at position 128", "lm_decode_110m", "PyTorch", "lm_decode_110m", "seconds", 1.5),
    ("the same in bf16", "lm_decode_110m_bf16", "PyTorch", "lm_decode_110m_bf16", "seconds", 1.5),
    ("GPT-2 (124 M), training step on 256 tokens", "lm_train_gpt2", "PyTorch", "lm_train_gpt2", "seconds", 1.3),
    ("the same in bf16", "lm_train_gpt2_bf16", "PyTorch, autocast", "lm_train_gpt2_bf16", "seconds", 1.0),
    ("GPT-2's tokenizer, tinyshakespeare.txt in one call, one thread", "tokenize_gpt2", "Hugging Face tokenizers", "tokenize_gpt2", "gbps", 3),
    ("Llama 2's, the same", "tokenize_llama2", "Hugging Face tokenizers", "tokenize_llama2", "gbps", 3),
    ("BERT's, the same", "tokenize_bert", "Hugging Face tokenizers", "tokenize_bert", "gbps", 3),
    ("memory that a TabR-S step adds to the process", "tabr_step", "PyTorch", "tabr_step", "memory", 2),
    ("memory of GPT-2's training step beside parameters and moments", "lm_train_gpt2", "PyTorch", "lm_train_gpt2", "step_memory", 2),
]
GPT2_BYTES = 4 * 124_439_808  # its parameters in f32; Weft's job makes them and two moments of each, the peer's the moments

ALONE = ["compile_12", "linear_512x768x768", "linear_16x3072x768", "linear_126976x16x32"]  # no peer beside them


def run(command, environment=None):
    """Standard output, last line of standard error and exit status of a child."""
    child = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True)
    return child.stdout, (child.stderr.strip().splitlines() or [""])[-1], child.returncode


def run_weft(weft, names, threads, found, turn):
    """A call a group; when the group fails, a call a name, so that one unknown name costs one row."""
    text = ["--text", TEXT] if TEXT.is_dir() else []
    output, error, status = run([weft, "bench", *names, "--json", "--threads", threads, *text])
    if status != 0 and len(names) > 1:
        for name in names:
            run_weft(weft, [name], threads, found, turn)
        return
    if status != 0:
        print(f"compare.py: weft bench {' '.join(names)}: {error or f'exit status {status}'}", file=sys.stderr)
        return
    for result in json.loads(output)["results"]:
        if result["name"] == "csv_read":  # given in MB/s
            result["gbps"] /= 1000
        found.setdefault(result["name"], {})[turn] = result


def run_peer(python, arguments, threads, found, turn):
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    output, error, status = run([python, PEERS / arguments[0], *arguments[1:], "--threads", threads], environment)
    for line in output.splitlines():
        if line.startswith("{"):  # libraries may print lines of their own
            result = json.loads(line)
            found.setdefault(result["name"], {})[turn] = result
    if status != 0:
        print(f"compare.py: {' '.join(map(str, arguments))}: {error or f'exit status {status}'}", file=sys.stderr)


def show(value, unit):
    if value is None:
        return "–"
    if "memory" in unit:
        return f"{value / 2**20:,.0f} MiB"
    if unit == "gbps":
        return f"{value:.3g} GB/s"
    for scale, name in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= scale or name == "µs":
            return f"{value / scale:.3g} {name}"


def quantity(result, unit, held):
    """What a row compares, of one side in one turn: None when it was not measured. held: bytes that a step's memory leaves out."""
    if result is None:
        return None
    if unit == "step_memory":
        return result["rss_growth"] - held if result.get("rss_growth") else None
    return result.get({"memory": "rss_growth"}.get(unit, unit))


def middle(values):
    values = [value for value in values if value]
    return statistics.median(values) if values else None


def table_row(row, weft, peers):
    job, name, peer_label, peer_name, unit, target = row
    ours, theirs = weft.get(name, {}), peers.get(peer_name, {})
    turns = [(quantity(ours.get(t), unit, 3 * GPT2_BYTES), quantity(theirs.get(t), unit, 2 * GPT2_BYTES)) for t in sorted({*ours, *theirs})]
    ratios = [a / b if unit == "gbps" else b / a for a, b in turns if a and b]
    number = lambda ratio: f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"
    text, verdict = "–", "–"
    if ratios:
        ratio = statistics.median(ratios)
        text = number(ratio) + "×" + (f" ({number(min(ratios))}–{number(max(ratios))})" if len(ratios) > 1 else "")
        verdict = "yes" if ratio >= target else "no"
    return (f"| {job} | {show(middle(a for a, _ in turns), unit)} | {show(middle(b for _, b in turns), unit)} | {peer_label} | {text} | "
            f"≥ {target}× | {verdict} |")


def processor():
    try:
        with open("/proc/cpuinfo") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def versions(python):
    code = ("import importlib.metadata as m, platform\nout = ['Python ' + platform.python_version()]\n"
            "for n in ('torch', 'faiss-cpu', 'pandas', 'numpy', 'tokenizers'):\n    try: out.append(n + ' ' + m.version(n))\n"
            "    except m.PackageNotFoundError: pass\nprint(', '.join(out))")
    return run([python, "-c", code])[0].strip()


def write(path, arguments, weft, peers):
    lines = ["# Speed", "",
             f"Written by `bench/compare.py --threads {arguments.threads} --rounds {arguments.rounds}` on "
             f"{datetime.date.today().isoformat()}: {processor()}, {os.cpu_count()} processors, {arguments.threads} used. "
             f"Peers: {versions(arguments.python)}.", "",
             "Both sides took turns in the same run: the medians over the turns of each side's best time and of their ratio, in brackets "
             f"the least and the greatest ratio; the load average was {arguments.load:.1f} when it began, "
             "so take it as a measurement only if that is near 0. A ratio is peer time / Weft time (for memory peer / Weft, "
             "for reading Weft rate / peer rate): above 1, Weft is better.", "",
             "| job | Weft | peer | which peer | ratio | target | reached |", "|---|---:|---:|---|---:|---:|---|"]
    lines += [table_row(row, weft, peers) for row in ROWS]
    lines += ["", "Weft alone, against what the machine was measured to give at most:", "",
              "| job | time | GFLOP/s | GB/s | of peak |", "|---|---:|---:|---:|---:|"]
    for name, turns in weft.items():
        number = lambda key, form: form.format(middle(r.get(key) for r in turns.values()) or 0) if any(r.get(key) for r in turns.values()) else "–"
        lines.append(f"| {name} | {show(middle(r['seconds'] for r in turns.values()), 'seconds')} | {number('gflops', '{:.4g}')} | {number('gbps', '{:.3g}')} | "
                     f"{number('of_peak', '{:.0%}')} |")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    venv = pathlib.Path(os.environ.get("VENV", ROOT / ".venv"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weft", type=pathlib.Path, default=ROOT / "build" / "weft")
    parser.add_argument("--python", type=pathlib.Path, default=venv / "bin" / "python", help="interpreter of the peers")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="only groups with this text in a name; needs --out")
    parser.add_argument("--out", type=pathlib.Path, help="default docs/results/speed.md")
    arguments = parser.parse_args()
    if arguments.only and not arguments.out:
        parser.error("--only makes a table with most rows empty: say with --out where it goes")
    arguments.out = arguments.out or ROOT / "docs" / "results" / "speed.md"
    for program, hint in ((arguments.weft, "run make, or give --weft"), (arguments.python, "run bench/peers/setup.sh, or give --python")):
        if not program.exists():
            sys.exit(f"compare.py: {program} is not there: {hint}")
    arguments.load = os.getloadavg()[0]
    weft, peers = {}, {}
    for turn in range(arguments.rounds):
        for names, peer in GROUPS:
            if arguments.only and not any(arguments.only in str(text) for text in [*names, *peer]):
                continue
            print(f"turn {turn + 1} of {arguments.rounds}: {' '.join(names or map(str, peer))}", file=sys.stderr)
            if names:
                run_weft(arguments.weft, names, arguments.threads, weft, turn)
            run_peer(arguments.python, peer, arguments.threads, peers, turn)
    if not arguments.only:
        run_weft(arguments.weft, ALONE, arguments.threads, weft, 0)
    write(arguments.out, arguments, weft, peers)
    print(f"compare.py: wrote {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
