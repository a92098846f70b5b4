#!/usr/bin/env python3
"""Print draws of NumPy's generator as JSON: what envs/src/numpy/draws.json holds, for the test beside it."""
import json

import numpy as np

NORMALS = 300_000
rows = []
for seed in [0, 1, 7, 2**32 - 1, 2**32, 2**63 + 12345, 2**64 - 1]:
    generator = np.random.default_rng(seed)
    row = {
        "seed": seed,
        "random": [generator.random() for _ in range(5)],
        "uniform": [generator.uniform(-0.6, -0.4) for _ in range(5)],
        "standard_normal": generator.standard_normal(20).tolist(),
    }
    ranges = [(0, 2), (-1, 2), (5, 6), (3, 3 + 3_000_000_000), (0, 2**32)]
    row["integers"] = [(low, high, [int(generator.integers(low, high)) for _ in range(7)]) for low, high in ranges]
    cards = np.arange(104)
    generator.shuffle(cards)
    row["shuffle"] = cards.tolist()
    row["after"] = generator.random()
    normals = generator.standard_normal(NORMALS)
    weights = 2 * np.arange(NORMALS, dtype=np.uint64) + 1
    row["normals"] = [NORMALS, int((normals.view(np.uint64) * weights).sum())]
    row["tail"] = float(np.abs(normals).max())
    rows.append(row)
print("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]")
