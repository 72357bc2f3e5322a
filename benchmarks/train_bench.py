#!/usr/bin/env python3
"""Complete runs of `v2r train env=reach` from the learned reward, evaluation and recording on: steps a second, where the time goes beside
what each part reaches alone, and, with --peer, a Python stack on the same scene in turn (A B A B ...), as a ratio.

    benchmarks/train_bench.py --peer learned_reward_sb3.py --python VENV/bin/python

Needs a release build (scripts/build). Nothing else may run on the machine meanwhile."""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# name, encoder overrides, width of the peer's ResNet-18 (None: it has no such net), wanted steps/s, wanted ratio
ENCODERS = [
    ("conv4", ["encoder=conv4"], None, 6000, None),
    ("resnet18_quarter", ["encoder=resnet18_quarter", "reward.dtype=bfloat16"], 0.25, 4500, 1.7),
    ("resnet18", ["encoder=resnet18", "encoder.input_size=64", "reward.dtype=bfloat16"], 1.0, 1400, 1.15),
]
PARTS = [("env", "simulation"), ("render", "pictures"), ("encode", "embeddings"), ("reward", "reward model"),
         ("policy", "acting"), ("update", "PPO update")]


def output(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def first_number(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    return float(found.group(1)) if found else float("nan")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin", help="folder of the programs")
    parser.add_argument("--steps", type=int, default=30000, help="environment steps of a run of ours")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, in turn; the best counts")
    parser.add_argument("--encoders", default=",".join(e[0] for e in ENCODERS), help="which, by comma")
    parser.add_argument("--peer", type=pathlib.Path, help="learned_reward_sb3.py or a script with its flags and output")
    parser.add_argument("--peer-steps", type=int, default=12288)
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the peer's packages")
    a = parser.parse_args()

    step_limit = first_number(r"^v2r/reach +(\d+)", output([a.bin / "step_bench"]))
    for name, overrides, width, wanted, wanted_ratio in ENCODERS:
        if name not in a.encoders.split(","):
            continue
        with tempfile.TemporaryDirectory() as folder:
            # Speed does not depend on what the encoder learned.
            common = ["env=reach", "pretrain=tcn", "pretrain.labels=[good]", "pretrain.iterations=30", "reward=goal_distance",
                      "reward.goal.max_spread=100", f"total_timesteps={a.steps}", *overrides]
            runs, peers = [], []
            reuse = []
            for k in range(a.rounds):
                run = f"{folder}/{k}"
                output([a.bin / "v2r", "train", *common, *reuse, f"run_dir={run}"])
                reuse = [f"encoder={folder}/0/encoder.safetensors", f"demos.path={folder}/0/demos"]
                rows = pathlib.Path(run, "metrics.jsonl").read_text().splitlines()
                summary = json.loads(pathlib.Path(run, "summary.json").read_text())
                runs.append((summary["fps"], summary, json.loads(rows[-1])))
                if a.peer and width is not None:
                    line = output([a.python, a.peer, "--steps", a.peer_steps, "--num-envs", 32, "--width", width, "--bf16",
                                   "--mjcf", ROOT / "envs/assets/reach.xml", "--camera", "top"]).splitlines()[-1]
                    peers.append(json.loads(line)["steps_per_s"])
            fps, summary, last = max(runs, key=lambda r: r[0])
            spread = ", ".join(f"{r[0]:.0f}" for r in runs)
            print(f"\n{name}: {fps:.0f} environment steps/s ({spread}), wanted {wanted}")
            render = output([a.bin / "render_bench", "--turns", "3"])
            encode = output([a.bin / "v2r", "bench", "encode", *overrides])
            limits = {"env": (step_limit, "bare mj_step"),
                      "render": (first_number(r"64 px, +0 samples +(\d+)", render), "bare mjr loop"),
                      "encode": (first_number(r"pictures encoded.* (\d+)$", encode), "encoder alone")}
            seconds = summary["steps"] / summary["fps"]
            print(f"  {'part':<14}{'share':>7}{'steps/s':>10}{'alone':>10}")
            for key, title in PARTS:
                spent = last.get(f"time/{key}", 0.0)
                limit, limit_name = limits.get(key, (None, ""))
                alone = f"{limit:>10.0f}  {limit_name}" if limit else ""
                print(f"  {title:<14}{spent / seconds:>6.0%} {summary['steps'] / spent if spent else 0:>10.0f}{alone}")
            rest = seconds - sum(last.get(f"time/{key}", 0.0) for key, _ in PARTS)
            print(f"  {'evaluation, recording, checkpoints, report':<42} {rest / seconds:.0%}")
            if peers:
                ratio = fps / max(peers)
                print(f"  peer: {max(peers):.0f} steps/s ({', '.join(f'{p:.0f}' for p in peers)}); ratio {ratio:.2f}, "
                      f"wanted {wanted_ratio}", flush=True)


if __name__ == "__main__":
    main()
