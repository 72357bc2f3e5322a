#!/usr/bin/env python3
"""Writes tests/golden/ssl/26_sinkhorn_*.safetensors: plans of POT's Sinkhorn.

    python3 scripts/make_sinkhorn_golden.py [FOLDER]        needs numpy, pot, safetensors

in.cost [B,n,m], in.allowed uint8 [n,m] (all 1: no mask); out.plan [B,n,m]; hyper: epsilon, iterations. Uniform weights. Pairs that
are not allowed get POT a cost of 1e6 * epsilon, as TemporalOT masks them.
"""
import json
import pathlib
import sys

import numpy as np
import ot
from safetensors.numpy import save_file


def walk(rng, batch, steps, dim):
    """Unit vectors that change slowly."""
    x = np.cumsum(rng.normal(size=(batch, steps, dim)), 1) + 3 * rng.normal(size=(1, 1, dim))
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/ssl")
    rng = np.random.default_rng(11)
    # name, episodes, frames, demonstration frames, epsilon, iterations, factor of the cost, band, function
    cases = [
        ("few", 3, 12, 9, 0.1, 300, 1.0, None, ot.bregman.sinkhorn_knopp),
        ("hundred", 2, 40, 40, 0.01, 100, 1.0, None, ot.bregman.sinkhorn_log),
        ("masked", 2, 30, 24, 0.01, 100, 1.0, 5, ot.bregman.sinkhorn_log),
        ("large", 2, 20, 16, 0.01, 100, 50.0, None, ot.bregman.sinkhorn_log),
    ]
    for name, batch, n, m, epsilon, iterations, factor, band, solve in cases:
        cost = factor * (1 - walk(rng, batch, n, 16) @ walk(rng, 1, m, 16)[0].T)
        i, j = np.mgrid[:n, :m]
        allowed = np.ones((n, m), bool) if band is None else abs(i * (m - 1) / (n - 1) - j) <= band
        given = np.where(allowed, cost, 1e6 * epsilon)
        plan = np.stack([solve(np.full(n, 1 / n), np.full(m, 1 / m), c, epsilon, numItermax=iterations, stopThr=0, warn=False)
                         for c in given])
        save_file({"in.cost": cost, "in.allowed": allowed.astype(np.uint8), "out.plan": plan},
                  folder / f"26_sinkhorn_{name}.safetensors",
                  {"hyper": json.dumps({"epsilon": epsilon, "iterations": iterations}), "source": f"POT {ot.__version__}"})
        print(name, plan.sum(), abs(plan.sum(2) - 1 / n).max(), abs(plan.sum(1) - 1 / m).max())


if __name__ == "__main__":
    main()
