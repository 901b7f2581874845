"""pandas.read_csv (C engine) on a file: prints csv_read with its speed in GB/s. The file is in the page cache by then.

Without a file a table of 200,000 rows x 20 numbers is written to a temporary one (the same generator every time).
"""

import argparse
import os
import tempfile

import numpy as np
import pandas as pd

from timing import emit, measure, process_peak_bytes


def write_table(path, rows, columns):
    values = np.random.default_rng(0).standard_normal((rows, columns))
    np.savetxt(path, values, delimiter=",", fmt="%.6f", header=",".join(f"c{i}" for i in range(columns)), comments="")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?")
    parser.add_argument("--threads", type=int, default=1, help="taken for the common form; the C engine uses one")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    made = None
    if not arguments.file:
        handle, made = tempfile.mkstemp(suffix=".csv")
        os.close(handle)
        write_table(made, arguments.rows, arguments.columns)
    try:
        path = arguments.file or made
        seconds = measure(lambda: pd.read_csv(path, engine="c"), warm_up=1, repeats=arguments.repeats)
        size = os.path.getsize(path)
        emit("csv_read", seconds, 1, gbps=1e-9 * size / seconds[0], bytes=size, peak_rss=process_peak_bytes())
    finally:
        if made:
            os.unlink(made)


if __name__ == "__main__":
    main()
