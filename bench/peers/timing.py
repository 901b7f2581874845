"""What the peers share: best and median of repeated calls, resident memory, and one JSON line a result."""

import json
import resource
import statistics
import time


def measure(call, warm_up=1, repeats=5, budget=20.0, sync=None):
    """Seconds of `call()`: (best, median). Stops early once `budget` seconds are spent and three calls are done."""
    for _ in range(warm_up):
        call()
    seconds = []
    begin = time.perf_counter()
    while len(seconds) < repeats:
        start = time.perf_counter()
        call()
        if sync:
            sync()
        seconds.append(time.perf_counter() - start)
        if len(seconds) >= 3 and time.perf_counter() - begin > budget:
            break
    return min(seconds), statistics.median(seconds)


def emit(name, seconds, threads, **more):
    """One JSON line. `seconds` is a (best, median) pair or one number."""
    best, median = seconds if isinstance(seconds, tuple) else (seconds, seconds)
    print(json.dumps({"name": name, "seconds": best, "median": median, "threads": threads, **more}), flush=True)


def resident_bytes(field="VmRSS"):
    """Resident bytes of this process: VmRSS now, VmHWM at its peak."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return 0


def peak_growth(call):
    """Bytes by which the resident peak during `call()` exceeds what was resident before it, and the peak itself.

    Linux resets the high-water mark when 5 is written to clear_refs; where that is refused, the process peak is used,
    which is right as long as nothing larger ran before.
    """
    before = resident_bytes()
    try:
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")
    except OSError:
        pass
    call()
    peak = resident_bytes("VmHWM")
    return max(0, peak - before), peak


def process_peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
