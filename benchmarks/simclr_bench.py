#!/usr/bin/env python3
"""Pictures a second of `v2r pretrain pretrain=simclr encoder=resnet18` beside a Python stack (simclr_peer.py), in turns (A B A B ...):
the step alone and with the loader, as ratios.

    benchmarks/simclr_bench.py --python VENV/bin/python

Needs a release build (scripts/build). Nothing else may run on the machine meanwhile."""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def output(command, folder):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def ours(v2r, data, a, words, folder):
    """The rate of the last metric row; the step alone is what is left of the time when the wait for batches is taken off: in the
    mode in which batches are made only then, nothing else runs during a step."""
    output([v2r, "pretrain", f"data.path={data}", "encoder=resnet18", f"encoder.input_size={a.size}", "encoder.embedding_dim=128",
            "pretrain=simclr", "pretrain.augment.preset=simclr", f"pretrain.batch_size={a.batch}", "pretrain.monitor_frames=0",
            f"pretrain.iterations={2 * a.steps}", f"pretrain.log_every={a.steps}", "out=encoder.safetensors", *words], folder)
    row = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    rate, waiting = row["time/samples_per_second"], row["time/loader_share"]
    return {"step": rate / (1 - waiting), "with_loader": rate}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--v2r", type=pathlib.Path, default=ROOT / "build/release/bin/v2r")
    parser.add_argument("--python", help="interpreter that has the peer's packages; without it only ours runs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6, help="steps timed in a round")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("words", nargs="*", help="key=value for v2r pretrain")
    a = parser.parse_args()
    rates = {"v2r": [], "peer": []}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data = folder / "shapes.npz"
        output([a.v2r, "shapes", f"out={data}", "count=4000", f"size={a.size}"], folder)
        for k in range(a.rounds):
            run = folder / str(k)
            run.mkdir()
            rates["v2r"].append(ours(a.v2r, data, a, a.words, run))
            if a.python:
                peer = [a.python, ROOT / "benchmarks/simclr_peer.py", "--data", data, "--steps", a.steps, "--batch", a.batch, "--size", a.size]
                rates["peer"].append(json.loads(output(peer, folder).splitlines()[-1]))
    print(f"pictures/s, ResNet-18, {a.size} px, batch {a.batch}, best of {a.rounds} rounds (all)")
    for what in ("step", "with_loader"):
        best = {name: max(row[what] for row in rows) for name, rows in rates.items() if rows}
        every = {name: " ".join(f"{row[what]:.1f}" for row in rows) for name, rows in rates.items() if rows}
        line = f"{what:<12} v2r {best['v2r']:.1f} ({every['v2r']})"
        if a.python:
            line += f"   peer {best['peer']:.1f} ({every['peer']})   ratio {best['v2r'] / best['peer']:.2f}"
        print(line)


if __name__ == "__main__":
    main()
