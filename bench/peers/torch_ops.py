"""Single operations and a small network in PyTorch on the CPU, named as `weft bench` names them.

matmul_512/1024/2048 (square, f32), add, layer_norm, softmax (64 M elements, rows of 1,024), mlp_step (8 -> 4 x 512 -> 1,
batch 256, forward, backward and AdamW). Outputs are written into memory that is already there where PyTorch can do so.
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn

from timing import emit, measure

ELEMENTS, ROW = 64 << 20, 1024


def matmul(size, arguments):
    a, b = torch.randn(size, size), torch.randn(size, size)
    out = torch.empty(size, size)
    seconds = measure(lambda: torch.mm(a, b, out=out), warm_up=3, repeats=arguments.repeats * 5, budget=arguments.budget)
    emit(f"matmul_{size}", seconds, arguments.threads, gflops=2e-9 * size**3 / seconds[0])


def rows_of(name, arguments):
    x = torch.randn(ELEMENTS // ROW, ROW)
    out = torch.empty_like(x)
    if name == "add":
        y = torch.randn_like(x)
        call, traffic = (lambda: torch.add(x, y, out=out)), 3
    elif name == "layer_norm":
        weight, bias = torch.ones(ROW), torch.zeros(ROW)
        mean, rstd = torch.empty(len(x), 1), torch.empty(len(x), 1)
        native = torch.ops.aten.native_layer_norm.out
        call, traffic = (lambda: native(x, [ROW], weight, bias, 1e-5, out0=out, out1=mean, out2=rstd)), 2
    else:
        call, traffic = (lambda: torch.softmax(x, dim=1, out=out)), 2
    with torch.inference_mode():
        seconds = measure(call, warm_up=2, repeats=arguments.repeats, budget=arguments.budget)
    emit(name, seconds, arguments.threads, gbps=traffic * 4e-9 * ELEMENTS / seconds[0])


def mlp_step(arguments):
    widths = [8, 512, 512, 512, 512]
    layers = [m for a, b in zip(widths, widths[1:]) for m in (nn.Linear(a, b), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(512, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x, y = torch.randn(256, 8), torch.randn(256, 1)

    def step():
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()
        optimizer.step()

    seconds = measure(step, warm_up=5, repeats=arguments.repeats * 10, budget=arguments.budget)
    emit("mlp_step", seconds, arguments.threads)


def main():
    names = ["matmul_512", "matmul_1024", "matmul_2048", "add", "layer_norm", "softmax", "mlp_step"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="*", metavar="NAME", help="default: " + " ".join(names))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--budget", type=float, default=15.0, help="seconds a measurement may take")
    arguments = parser.parse_args()
    unknown = set(arguments.jobs) - set(names)
    if unknown:
        parser.error(f"unknown job {min(unknown)!r}, expected some of {' '.join(names)}")
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    for name in arguments.jobs or names:
        if name.startswith("matmul_"):
            matmul(int(name[7:]), arguments)
        elif name == "mlp_step":
            mlp_step(arguments)
        else:
            rows_of(name, arguments)


if __name__ == "__main__":
    main()
