#!/usr/bin/env python3
"""Exact nearest neighbours beside faiss's IndexFlatL2: the same keys, the same queries, the same threads, best of several runs.

    python knn_faiss.py KNN_SPEED [--threads 2] [--keys 1000000] [--queries 1000] [--neighbors 96] [--columns 8 96]

KNN_SPEED is the program of bench/search_rivals/knn_speed.c. Prints both times and how many of the found sets are equal;
where they differ, by how much the distances of the differing keys do (faiss works with |q|^2 + |k|^2 - 2qk in float32 and may
swap keys whose distances are nearly equal). Needs numpy and faiss (Debian: python3-faiss; or pip: faiss-cpu).
"""
import argparse
import os
import subprocess
import tempfile
import time

import faiss
import numpy as np


def best_of(repeats, call):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return min(times), result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("knn_speed")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--neighbors", type=int, default=96)
    parser.add_argument("--columns", type=int, nargs="+", default=[8, 96])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    faiss.omp_set_num_threads(options.threads)
    print(f"faiss {faiss.__version__}, {options.threads} threads")
    for d in options.columns:
        random = np.random.default_rng(d)
        keys = random.standard_normal((options.keys, d), dtype=np.float32)
        queries = random.standard_normal((options.queries, d), dtype=np.float32)
        index = faiss.IndexFlatL2(d)
        index.add(keys)
        run, (_, found) = best_of(options.repeats, lambda: index.search(queries, options.neighbors))
        one, _ = best_of(20, lambda: index.search(queries[:1], options.neighbors))
        print(f"faiss: {options.queries} queries of {options.keys} keys x {d}: search {run * 1e3:.2f} ms, one query {one * 1e3:.4f} ms")
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ("keys.f32", "queries.f32", "index.i64")]
            keys.tofile(paths[0])
            queries.tofile(paths[1])
            subprocess.run([options.knn_speed, paths[0], paths[1], str(d), str(options.neighbors), str(options.threads), paths[2]],
                           check=True)
            ours = np.fromfile(paths[2], dtype=np.int64).reshape(options.queries, options.neighbors)
        equal, gap = 0, 0.0
        for q in range(options.queries):
            a, b = set(ours[q]), set(found[q])
            equal += a == b
            if a != b:
                far = [((keys[list(s)].astype(np.float64) - queries[q]) ** 2).sum(1) for s in (a - b, b - a)]
                gap = max(gap, (far[0].max() - far[1].min()) / far[1].min())
        print(f"sets equal: {equal} of {options.queries}; a key that only we return is at most {gap:.1e} farther than one we leave out")


if __name__ == "__main__":
    main()
