"""How long ONNX Runtime takes for a step that `aaren export --onnx` wrote, as `--example latency` measures the runtime.

    python policies/streaming/devices/onnx_latency.py step.onnx … [--steps 100000] [--cold-steps 1000]

One thread. Rows of the same table: episodes at once, caches, median, 99th percentile and longest of the steps, in µs.
Python calls ONNX Runtime, which adds some µs to each step.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import onnxruntime

LONGEST = 20.0


def measure(session: onnxruntime.InferenceSession, rows: int, steps: int, flush: np.ndarray | None) -> list[float]:
    """Microseconds of steps, the state handed on from each to the next."""
    rng = np.random.default_rng(0)
    ports = {port.name: port for port in session.get_inputs()}
    outputs = [port.name for port in session.get_outputs()]
    state = {n: np.zeros([rows, *p.shape[1:]], np.float32) for n, p in ports.items() if n.startswith("state.")}
    observations = rng.normal(size=(64, rows, ports["observation"].shape[1])).astype(np.float32)
    times: list[float] = []
    begun = time.monotonic()
    while len(times) < steps and time.monotonic() - begun < LONGEST:
        t = len(times) % 1000
        given = {
            "observation": observations[t % 64],
            "return_to_go": np.full(rows, 100.0 - t, np.float32),
            "timestep": np.full(rows, t, np.int64),
        }
        given = {name: array for name, array in given.items() if name in ports} | state
        if flush is not None:
            flush.fill(t % 256)
        start = time.perf_counter()
        found = session.run(None, given)
        times.append((time.perf_counter() - start) * 1e6)
        named = dict(zip(outputs, found, strict=True))
        state = {name: named[name.replace("state.", "next.")] for name in state}
    return times


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("steps_of", nargs="+", type=Path, metavar="step.onnx")
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--cold-steps", type=int, default=1000)
    args = parser.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    flush = np.zeros(64 << 20, np.uint8)
    print("| step | episodes | caches | p50, µs | p99, µs | longest, µs | steps |")
    print("|------|---------:|--------|--------:|--------:|------------:|------:|")
    for path in args.steps_of:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for rows in (1, 16, 64):
            for caches, steps, memory in (("warm", args.steps, None), ("cold", args.cold_steps, flush)):
                times = measure(session, rows, steps, memory)
                p50, p99, longest = np.percentile(times, [50, 99, 100])
                numbers = f"{p50:.1f} | {p99:.1f} | {longest:.0f} | {len(times)}"
                print(f"| ONNX Runtime, {path.stem} | {rows} | {caches} | {numbers} |")


if __name__ == "__main__":
    main()
