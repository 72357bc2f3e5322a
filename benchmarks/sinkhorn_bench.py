#!/usr/bin/env python3
"""Sinkhorn of 64 episodes of 100 frames (100 iterations, epsilon .01): ours and POT's in turn (A B A B ...), as ratios.

    benchmarks/sinkhorn_bench.py --python VENV/bin/python          VENV has numpy and pot

Needs a release build (scripts/build). Both get --threads threads and all 100 iterations; the best of --rounds counts."""
import argparse
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEER = """
import json, sys, time
import numpy as np, ot
rng = np.random.default_rng(1)
walk = lambda n: np.cumsum(rng.normal(size=(n, 100, 64)), 1) + 5 * rng.normal(size=(n, 1, 64))
unit = lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)
cost = 1 - unit(walk(64)) @ unit(walk(1))[0].T
weights = np.full(100, 0.01)
took = {}
for name, solve in (("sinkhorn", ot.bregman.sinkhorn_knopp), ("sinkhorn_log", ot.bregman.sinkhorn_log)):
    start = time.perf_counter()
    for c in cost:
        solve(weights, weights, c, 0.01, numItermax=100, stopThr=0, warn=False)
    took[name] = 1e3 * (time.perf_counter() - start)
print(json.dumps(took))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin", help="folder of the programs")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has pot")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    a = parser.parse_args()
    env = {**os.environ, **{f"{name}_NUM_THREADS": str(a.threads) for name in ("OMP", "OPENBLAS", "MKL")}}
    ours, peers = [], []
    for _ in range(a.rounds):
        for command, rows in (([a.bin / "sinkhorn_bench", "10", str(a.threads)], ours), ([a.python, "-c", PEER], peers)):
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=env)
            if done.returncode != 0:
                sys.exit(done.stderr)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    best = min(row["sinkhorn_ms"] for row in ours)
    print(f"ours                {best:8.2f} ms   (all on logarithms: {min(row['log_domain_ms'] for row in ours):.1f} ms)")
    for name in ("sinkhorn", "sinkhorn_log"):
        peer = min(row[name] for row in peers)
        print(f"POT {name:<14}{peer:10.2f} ms   ratio {peer / best:.1f}")


if __name__ == "__main__":
    main()
