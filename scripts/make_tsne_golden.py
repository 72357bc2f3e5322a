#!/usr/bin/env python3
"""Writes tests/golden/ssl/23_tsne.safetensors: scikit-learn's exact t-SNE on a small set.

    python3 scripts/make_tsne_golden.py [FOLDER]        needs numpy, scikit-learn, safetensors

in.x [N,D] and in.start [N,2]; out.p [N,N], the joint probabilities; out.kl and out.gradient [N,2] at in.y; out.final_kl, of a
whole descent from in.start.
"""
import json
import pathlib
import sys

import numpy as np
import sklearn
from safetensors.numpy import save_file
from scipy.spatial.distance import squareform
from sklearn.manifold import TSNE, _t_sne
from sklearn.metrics import pairwise_distances

PERPLEXITY, CLASSES, EACH, DIM = 8.0, 4, 15, 6


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/ssl")
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(CLASSES, 1, DIM)) * 3
    x = (centres + rng.normal(size=(CLASSES, EACH, DIM))).reshape(-1, DIM).astype(np.float32)
    distances = pairwise_distances(x.astype(np.float64), squared=False) ** 2
    p = _t_sne._joint_probabilities(distances.astype(np.float32), PERPLEXITY, verbose=0)
    y = rng.normal(size=(len(x), 2)) * 2
    kl, gradient = _t_sne._kl_divergence(y.ravel(), p, 1, len(x), 2)
    start = (rng.normal(size=(len(x), 2)) * 1e-4).astype(np.float32)
    tsne = TSNE(perplexity=PERPLEXITY, method="exact", init=start, learning_rate="auto")
    tsne.fit(x)
    save_file(
        {"in.x": x, "in.start": start, "in.y": y, "out.p": squareform(p),
         "out.kl": np.array(kl), "out.gradient": gradient.reshape(-1, 2),
         "out.final_kl": np.array(float(tsne.kl_divergence_))},
        folder / "23_tsne.safetensors",
        {"hyper": json.dumps({"perplexity": PERPLEXITY}), "source": f"scikit-learn {sklearn.__version__}"})
    print(kl, tsne.kl_divergence_)


if __name__ == "__main__":
    main()
