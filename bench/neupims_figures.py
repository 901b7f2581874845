#!/usr/bin/env python3
"""The NeuPIMs paper's comparison remade: throughput of every system over models, batches and both traces, ablations, units' use, power.

    bench/neupims_figures.py --data ../shared/data/neupims --work /tmp/figures

Draws a snapshot of requests for each model, data set, batch and placement (weft sim trace), times them (weft sim sweep: an interrupted run
goes on where it was), and writes docs/results/neupims-figures.md with its pictures. --mode analytic takes seconds in place of minutes.
"""

import argparse
import csv
import json
import math
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ["GPT3-7B", "GPT3-13B", "GPT3-30B", "GPT3-175B"]
DATA = [("ShareGPT", "lengths_sharegpt_50k.csv.gz"), ("Alpaca", "lengths_alpaca.csv.gz")]
BATCHES = [64, 128, 256, 512]
SUB_BATCHES_FROM = 256  # the authors' own threshold

# Capacity alone is doubled, so that every point fits; timing does not depend on it.
MACHINE = {"base": "neupims", "name": "neupims", "memory": {"rows": 65536}, "gpu": {"memory": "80 GiB"}}
# The NPU's own peaks as a roofline: what the NPU alone would do with attention at its memory's bandwidth.
ROOFLINE = {"base": "neupims", "name": "npu-roofline",
            "gpu": {"compute": "262.144 TFLOP/s", "bandwidth": "1024 GB/s", "memory": "80 GiB"}}

# A sweep: hardware, placement of the snapshot, systems.
SWEEPS = [
    ("machine", "clb", ["gpu", "npu", "npu-pim", "neupims", "neupims+sub"]),
    ("machine", "rr", ["npu-pim", "neupims", "neupims+sub"]),
    ("roofline", "clb", ["gpu"]),
]
# What a bar is: its sweep's hardware, placement, system; two systems: sub-batches from the threshold on.
VARIANTS = {
    "GPU": ("machine", "clb", "gpu"),
    "NPU": ("machine", "clb", "npu"),
    "NPU, ideal attention": ("roofline", "clb", "gpu"),
    "NPU+PIM": ("machine", "rr", "npu-pim"),
    "NPU+PIM, balanced": ("machine", "clb", "npu-pim"),
    "NeuPIMs": ("machine", "clb", "threshold"),
    "no sub-batches": ("machine", "clb", "neupims"),
    "no balancing": ("machine", "rr", "threshold"),
    "always sub-batches": ("machine", "clb", "neupims+sub"),
    "the better": ("machine", "clb", "better"),
}


def weft(arguments, *words):
    done = subprocess.run([arguments.weft, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def snapshot(arguments, model, data, lengths, batch, policy):
    path = arguments.work / f"{model}-{data}-{batch}-{policy}.csv"
    if not path.exists():
        weft(arguments, "sim", "trace", "--lengths", arguments.data / lengths, "--model", model, "--hardware",
             arguments.work / "machine.json", "--batch", batch, "--policy", policy, "--out", path)
    return path


def measure(arguments, mode):
    """points[model, data, batch, hardware, placement, system]: a row of points.csv."""
    points = {}
    for name, machine in (("machine", MACHINE), ("roofline", ROOFLINE)):
        (arguments.work / f"{name}.json").write_text(json.dumps(machine))
    for model in arguments.models:
        for hardware, policy, systems in SWEEPS:
            paths = {snapshot(arguments, model, data, lengths, batch, policy): (data, batch)
                     for data, lengths in DATA for batch in arguments.batches}
            out = arguments.work / f"{arguments.behaviour}-{mode}-{hardware}-{policy}"
            weft(arguments, "sim", "sweep", "--model", model, "--hardware", arguments.work / f"{hardware}.json", "--trace",
                 ",".join(map(str, paths)), "--system", ",".join(systems), "--mode", mode, "--behaviour",
                 arguments.behaviour, "--threads", arguments.threads, "--out", out, "--quiet")
            names = {path.name: place for path, place in paths.items()}
            with open(out / "points.csv", newline="") as file:
                for row in csv.DictReader(file):
                    system = row["system"] + ("+sub" if row["sub_batch"] == "1" else "")
                    if row["error"]:
                        print(f"{model} {row['load']} {system}: {row['error']}", file=sys.stderr)
                    else:
                        points[(model, *names[row["load"]], hardware, policy, system)] = row
            print(f"{model} {hardware} {policy}, {mode}: done", file=sys.stderr)
    return points


class Figures:
    def __init__(self, points):
        self.points = points

    def row(self, model, data, batch, variant):
        hardware, policy, system = VARIANTS[variant]
        if system == "threshold":
            system = "neupims+sub" if batch >= SUB_BATCHES_FROM else "neupims"
        if system == "better":
            both = [self.points.get((model, data, batch, hardware, policy, s)) for s in ("neupims", "neupims+sub")]
            return max((row for row in both if row), key=lambda row: float(row["tokens_per_second"]), default=None)
        return self.points.get((model, data, batch, hardware, policy, system))

    def tokens(self, *place):
        row = self.row(*place)
        return float(row["tokens_per_second"]) if row else None


def mean(values):
    values = [v for v in values if v]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else float("nan")


# ---- tables ----

def table(head, rows):
    text = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(text + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def places(arguments):
    return [(model, data, batch) for data, _ in DATA for model in arguments.models for batch in arguments.batches]


def throughput_table(arguments, figures):
    names = ["GPU", "NPU", "NPU, ideal attention", "NPU+PIM", "NPU+PIM, balanced", "no sub-batches", "always sub-batches", "NeuPIMs"]
    rows = []
    for model, data, batch in places(arguments):
        values = {name: figures.tokens(model, data, batch, name) for name in names}
        ours = values["NeuPIMs"]
        ratios = [f"{ours / values[n]:.2f}" if ours and values[n] else "" for n in ("GPU", "NPU", "NPU, ideal attention", "NPU+PIM")]
        rows.append([data, model[5:], str(batch)] + [f"{values[n]:.0f}" if values[n] else "no room" for n in names] + ratios)
    return table(["lengths", "model", "batch"] + names + ["to GPU", "to NPU", "to ideal NPU", "to NPU+PIM"], rows)


def ratio_table(arguments, figures):
    rows = []
    paper = {"GPU": "3", "NPU": "2.4", "NPU+PIM": "1.6"}
    cuts = [("all", lambda m, d, b: True)] + [(d, lambda m, dd, b, d=d: dd == d) for d, _ in DATA]
    cuts += [(f"batch {n}", lambda m, d, b, n=n: b == n) for n in arguments.batches]
    cuts += [(n, lambda m, d, b, n=n: m == n) for n in arguments.models]
    bases = ("GPU", "NPU", "NPU, ideal attention", "NPU+PIM", "NPU+PIM, balanced")
    for ours, base in [("NeuPIMs", base) for base in bases] + [("the better", base) for base in bases]:
        row = [ours, base, paper.get(base, "")]
        for _, chosen in cuts:
            pairs = [(figures.tokens(*p, ours), figures.tokens(*p, base)) for p in places(arguments) if chosen(*p)]
            row.append(f"{mean(a / b for a, b in pairs if a and b):.2f}")
        rows.append(row)
    return table(["ratio of", "to", "paper"] + [name for name, _ in cuts], rows)


def ablation_table(arguments, figures):
    names = ["NPU+PIM", "NPU+PIM, balanced", "no balancing", "no sub-batches", "NeuPIMs"]
    rows = []
    for data, _ in DATA:
        for batch in arguments.batches:
            row = [data, str(batch)]
            for name in names:
                pairs = [(figures.tokens(m, data, batch, name), figures.tokens(m, data, batch, "NPU+PIM")) for m in arguments.models]
                row.append(f"{mean(a / b for a, b in pairs if a and b):.3f}")
            rows.append(row)
    return table(["lengths", "batch", "NPU+PIM (no second row buffer)", "+ balanced channels", "NeuPIMs without balancing",
                  "NeuPIMs without sub-batches", "NeuPIMs"], rows)


def use_table(arguments, figures):
    rows = []
    for name in ("GPU", "NPU", "NPU+PIM", "no sub-batches", "NeuPIMs"):
        row = [name]
        for batch in arguments.batches:
            for key in ("npu_utilization", "pim_utilization", "bandwidth_utilization"):
                values = [figures.row(m, "ShareGPT", batch, name) for m in arguments.models]
                values = [float(v[key]) for v in values if v]
                row.append(f"{100 * sum(values) / len(values):.0f}" if values else "")
        rows.append(row)
    return table(["ShareGPT, %"] + [f"{u}, {b}" for b in arguments.batches for u in ("arrays", "PIM", "bus")], rows)


def power_table(arguments):
    """Memory power a channel, of one iteration of 7B with the snapshot of 256."""
    rows, before = [], None
    trace = snapshot(arguments, "GPT3-7B", *DATA[0], 256, "clb")
    for name, words in (("NPU+PIM", ["npu-pim"]), ("NeuPIMs without sub-batches", ["neupims", "--sub-batch", "off"]),
                        ("NeuPIMs", ["neupims", "--sub-batch", "on"])):
        r = json.loads(weft(arguments, "sim", "--model", "GPT3-7B", "--trace", trace, "--system", *words, "--mode", arguments.mode,
                            "--behaviour", arguments.behaviour, "--json"))
        joules = r["energy"]["dram_joules"] + r["energy"]["pim_joules"]
        watts = joules / r["seconds"] / r["devices"] / 32
        before = before or (watts, joules)
        rows.append([name, f"{1e3 * watts:.0f}", f"{watts / before[0]:.2f}", f"{1e3 * joules / 256:.3f}", f"{joules / before[1]:.2f}"])
    return table(["GPT3-7B, ShareGPT, 256", "mW a channel", "to NPU+PIM", "mJ of memory a token", "to NPU+PIM"], rows)


def formula_table(points, formulas):
    """Cycles of the formulas against the engine's, over all points of a system."""
    rows = []
    systems = ["npu", "npu-pim", "neupims", "neupims+sub"]
    for system in systems + ["all"]:
        errors = [abs(float(formulas[place]["cycles"]) / float(row["cycles"]) - 1) for place, row in points.items()
                  if place in formulas and place[-1] in systems and system in (place[-1], "all")]
        rows.append([f"`{system}`", str(len(errors)), f"{100 * sum(errors) / len(errors):.1f} %", f"{100 * max(errors):.1f} %"])
    return table(["system", "points", "mean error", "worst"], rows)


# ---- pictures ----

COLOURS = ["#9aa0a6", "#c9a227", "#7fb7be", "#3d6fb4", "#c4472b"]


def text(x, y, words, size=11, anchor="middle", weight="normal"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}">{words}</text>'


def panel(x, y, width, height, title, groups, names, most):
    """Bars of one panel: groups [(label, [value or None])]; a dashed line at 1."""
    out = [text(x + width / 2, y - 6, title, 12, weight="bold")]
    step = 1 if most <= 6 else 2 if most <= 14 else 5
    for k in range(0, int(most) + 1, step):
        level = y + height - k / most * height
        out.append(f'<line x1="{x}" y1="{level:.1f}" x2="{x + width}" y2="{level:.1f}" stroke="#ddd"/>')
        out.append(text(x - 4, level + 4, str(k), 10, "end"))
    group = width / len(groups)
    bar = group * 0.8 / len(names)
    for g, (label, values) in enumerate(groups):
        out.append(text(x + (g + 0.5) * group, y + height + 14, label, 10))
        for i, value in enumerate(values):
            left = x + g * group + group * 0.1 + i * bar
            if value is None:
                out.append(text(left + bar / 2, y + height - 3, "–", 10))
                continue
            tall = value / most * height
            out.append(f'<rect x="{left:.1f}" y="{y + height - tall:.1f}" width="{bar * 0.9:.1f}" height="{tall:.1f}" '
                       f'fill="{COLOURS[i]}"><title>{names[i]}, {label}: {value:.2f}</title></rect>')
    out.append(f'<line x1="{x}" y1="{y + height}" x2="{x + width}" y2="{y + height}" stroke="#333"/>')
    return out


def picture(path, title, names, rows):
    """rows [[(panel's title, groups)]]; every panel of a row has one scale."""
    columns = max(len(row) for row in rows)
    width, height, wide, tall = 60 + columns * 250, 70 + len(rows) * 210, 220, 150
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" fill="#222">',
           f'<rect width="{width}" height="{height}" fill="#fff"/>', text(width / 2, 20, title, 14, weight="bold")]
    place = 40
    for i, name in enumerate(names):
        out.append(f'<rect x="{place}" y="32" width="11" height="11" fill="{COLOURS[i]}"/>')
        out.append(text(place + 16, 42, name, 11, "start"))
        place += 36 + 7 * len(name)
    for r, row in enumerate(rows):
        most = 1.05 * max([v for _, groups in row for _, values in groups for v in values if v] + [1])
        for c, (name, groups) in enumerate(row):
            out += panel(40 + c * 250, 75 + r * 210, wide, tall, name, groups, names, most)
    path.write_text("\n".join(out + ["</svg>"]) + "\n")


def pictures(arguments, figures, folder):
    names = ["GPU", "NPU", "NPU+PIM", "no sub-batches", "NeuPIMs"]
    rows = []
    for data, _ in DATA:
        row = []
        for model in arguments.models:
            groups = []
            for batch in arguments.batches:
                base = figures.tokens(model, data, batch, "NPU+PIM")
                values = [figures.tokens(model, data, batch, name) for name in names]
                groups.append((str(batch), [v / base if v and base else None for v in values]))
            row.append((f"{model}, {data}", groups))
        rows.append(row)
    picture(folder / "neupims-throughput.svg", "Tokens a second by batch, NPU+PIM = 1", names, rows)
    steps = ["NPU+PIM", "NPU+PIM, balanced", "no balancing", "no sub-batches", "NeuPIMs"]
    rows = [[]]
    for data, _ in DATA:
        groups = []
        for batch in arguments.batches:
            values = []
            for name in steps:
                pairs = [(figures.tokens(m, data, batch, name), figures.tokens(m, data, batch, "NPU+PIM")) for m in arguments.models]
                values.append(mean(a / b for a, b in pairs if a and b))
            groups.append((str(batch), [None if math.isnan(v) else v for v in values]))
        rows[0].append((f"{data}, mean of models", groups))
    picture(folder / "neupims-ablation.svg", "What each part is worth: tokens a second by batch, NPU+PIM = 1",
            ["NPU+PIM", "+ balanced", "no balancing", "no sub-batches", "NeuPIMs"], rows)


PAGE = """# NeuPIMs: the paper's comparison

Written by `{command}` (engine `{mode}`, `--behaviour {behaviour}`). What the figures mean, and how they differ from the
paper's: [neupims-systems.md](neupims-systems.md).

Each point is a snapshot of a full batch, drawn from the lengths of its data set after 100,000 iterations (`weft sim trace`): on balanced channels, and for
"NPU+PIM" and "without balancing" on channels in turn, as the paper has them. 7B and 13B run on four devices, 30B on four by two pipeline stages, 175B on
eight by four. "NeuPIMs" uses sub-batches from {threshold} requests on, as its authors do; "the better" takes whichever
of with and without is faster. "NPU, ideal attention" is the NPU's own roofline: 262 TFLOP/s and
1.024 TB/s, every operator at its peak. The devices' capacity is doubled so that every point fits; timing does not depend on it.

## Tokens a second

![throughput](neupims-throughput.svg)

{throughput}
## Ratios (geometric means)

{ratios}
## What each part is worth (throughput, NPU+PIM = 1, mean of the models)

![ablation](neupims-ablation.svg)

{ablation}
## Use of the units (mean of the models)

{use}
## Power of the memory

{power}
## Formulas (`--mode analytic`) against the engine, cycles of these points

{formulas}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weft", default=str(ROOT / "build" / "weft"))
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of the length files")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for snapshots and journals")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "results")
    parser.add_argument("--mode", default="event")
    parser.add_argument("--behaviour", default="fixed")
    parser.add_argument("--threads", default="1")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    points = measure(arguments, arguments.mode)
    formulas = measure(arguments, "analytic")
    figures = Figures(points)
    pictures(arguments, figures, arguments.out)
    command = f"bench/neupims_figures.py --data DATA --work FOLDER --mode {arguments.mode} --behaviour {arguments.behaviour}"
    (arguments.out / "neupims-figures.md").write_text(PAGE.format(
        command=command, mode=arguments.mode, behaviour=arguments.behaviour, threshold=SUB_BATCHES_FROM,
        throughput=throughput_table(arguments, figures), ratios=ratio_table(arguments, figures),
        ablation=ablation_table(arguments, figures), use=use_table(arguments, figures), power=power_table(arguments), formulas=formula_table(points, formulas)))


if __name__ == "__main__":
    main()
