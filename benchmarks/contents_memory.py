"""Peak memory of explaining an image of 512x512x3 with 5,000 rows, at any size of a call.

Each case runs in a process of its own, which explains a small image first,
takes its resident memory as the model's own, and explains. The peak is
the kernel's high-water mark (``VmHWM``, Linux only), reset before the explaining. The model reads
every eighth pixel, so that it needs no memory of its own to speak of.

Run ``python benchmarks/contents_memory.py [--quick]``.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from contents_workloads import machine, table
from memory import resident_mb
from workloads import once, verdict

MOST_MB, N_ROWS, SIZE = 200.0, 5000, 512
BLOCK_ROWS = (None, 10, 1000, 100_000)


def explain(block_rows: int | None, n_rows: int, dtype: str) -> None:
    """Print resident memory before, the peak above it, rows of the largest call, and seconds."""
    from skimage import data

    from mlflow_lime.core.options import Pooling
    from mlflow_lime.explainers import ImageExplainer

    image = data.astronaut()[:SIZE, :SIZE]
    if dtype == "float32":
        image = (image / 255).astype(np.float32)
    largest = 0

    def predict(images: Any) -> Any:
        nonlocal largest
        largest = max(largest, len(images))
        light = images[:, ::8, ::8, 0].reshape(len(images), -1).mean(axis=1, dtype=np.float64)
        share = light / (255.0 if images.dtype == np.uint8 else 1.0)
        return np.column_stack([1.0 - share, share])

    sampling = once(n_rows)
    explainer = ImageExplainer(predict, sampling=sampling, pooling=Pooling(block_rows=block_rows))
    small = ImageExplainer(predict, sampling=once(64))
    small.explain(image[None, :64, :64])  # whatever is imported on the way is no part of it
    largest = 0
    Path("/proc/self/clear_refs").write_text("5")
    before, started = resident_mb("VmRSS"), time.perf_counter()
    explainer.explain(image[None])
    seconds, peak = time.perf_counter() - started, resident_mb("VmHWM")
    print(before, peak - before, largest, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="500 rows")
    parser.add_argument("--child", nargs=3, metavar=("BLOCK", "N", "DTYPE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        block, n_rows, dtype = options.child
        explain(None if block == "None" else int(block), int(n_rows), dtype)
        return
    n_rows = 500 if options.quick else N_ROWS
    print(machine())
    print(
        f"one image {SIZE}x{SIZE}x3, {n_rows} rows; target <= {MOST_MB:g} MB above the model's own"
    )
    rows = []
    for dtype in ("uint8", "float32"):
        for block in BLOCK_ROWS:
            command = [sys.executable, __file__, "--child", str(block), str(n_rows), dtype]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            before, above, largest, seconds = map(float, done.stdout.split())
            numbers = [f"{before:.0f}", f"{above:.0f}", f"{largest:.0f}", f"{seconds:.0f}"]
            rows.append([dtype, str(block), *numbers, verdict(above <= MOST_MB)])
    head = ["pixels", "block_rows", "process MB", "peak above MB", "rows of the largest call", "s"]
    table([*head, ""], rows)


if __name__ == "__main__":
    main()
