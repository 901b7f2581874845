"""Exact search with faiss IndexFlatL2: 1,000 queries, the 96 nearest of a million rows of 8 and of 96 numbers.

Prints knn_1m_8 and knn_1m_96. Only the search is timed, not the filling of the index.
"""

import argparse
import sys

import numpy as np

from timing import emit, measure, process_peak_bytes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="*", metavar="NAME", help="knn_1m_8, knn_1m_96; default: both")
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    parser.add_argument("--candidates", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--neighbours", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    try:
        import faiss
    except ImportError as error:
        sys.exit(f"search_faiss.py: faiss is not installed ({error}); run bench/peers/setup.sh")
    if arguments.threads > 0:
        faiss.omp_set_num_threads(arguments.threads)
    random = np.random.default_rng(0)
    for width in (8, 96):
        if arguments.jobs and f"knn_1m_{width}" not in arguments.jobs:
            continue
        candidates = random.standard_normal((arguments.candidates, width), dtype=np.float32)
        queries = random.standard_normal((arguments.queries, width), dtype=np.float32)
        index = faiss.IndexFlatL2(width)
        index.add(candidates)
        seconds = measure(lambda: index.search(queries, arguments.neighbours), warm_up=1, repeats=arguments.repeats)
        emit(f"knn_1m_{width}", seconds, faiss.omp_get_max_threads(), peak_rss=process_peak_bytes())


if __name__ == "__main__":
    main()
