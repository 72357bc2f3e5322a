#!/usr/bin/env python3
"""Environment steps a second without pictures of the gym/ tasks: ours against bare mj_step and, in turn on the same threads, EnvPool (the better of
synchronous and asynchronous) and Gymnasium, as ratios.

    benchmarks/env_bench.py --peer env_fps.py --python VENV/bin/python

Needs a release build (scripts/build). Nothing else may run on the machine meanwhile."""
import argparse
import json
import math
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TASKS = ["Ant", "HalfCheetah", "Hopper", "Humanoid", "HumanoidStandup", "InvertedDoublePendulum", "InvertedPendulum", "Pusher", "Reacher",
         "Swimmer", "Walker2d"]


def output(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def ours(a, task):
    """(bare mj_step, VectorEnv) in steps a second, measured in turns."""
    text = output([a.bin / "step_bench", f"--tasks=gym/{task}-v5", f"--threads={a.threads}", f"--envs={a.envs}",
                   f"--turns={a.turns}", f"--ms={round(1000 * a.seconds / a.turns / 2)}"])
    row = re.search(rf"^gym/{task}-v5 +(\d+) \([^)]*\) +(\d+) ", text, re.MULTILINE)
    if row is None:
        sys.exit(f"step_bench knows no gym/{task}-v5:\n{text}")
    return float(row.group(1)), float(row.group(2))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin", help="folder of the programs")
    parser.add_argument("--tasks", default=",".join(TASKS), help="which, by comma")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--envs", type=int, default=16)
    parser.add_argument("--turns", type=int, default=4, help="turns of bare loop and VectorEnv in a round")
    parser.add_argument("--seconds", type=float, default=4, help="of measuring a side in a round")
    parser.add_argument("--rounds", type=int, default=2, help="ours and the peer's, in turn; the best counts")
    parser.add_argument("--peer", type=pathlib.Path, help="env_fps.py or a script with its flags and output")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the peer's packages")
    a = parser.parse_args()

    print(f"{a.envs} envs, {a.threads} threads: steps/s, best of {a.rounds} rounds")
    print(f"{'task':24}{'ours':>10}{'bare':>10}{'ratio':>7}{'EnvPool':>10}{'ratio':>7}{'Gymnasium':>11}{'ratio':>7}", flush=True)
    ratios = []
    for task in a.tasks.split(","):
        bare = mine = pool = gymnasium = 0.0
        for _ in range(a.rounds):
            limit, rate = ours(a, task)
            bare, mine = max(bare, limit), max(mine, rate)
            if a.peer is None:
                continue
            peer = json.loads(output([a.python, a.peer.resolve(), "--task", f"{task}-v5", "--num-envs", a.envs, "--threads", a.threads,
                                      "--seconds", a.seconds]).strip().splitlines()[-1])
            if "envpool_error" in peer:
                print(f"EnvPool, {task}: {peer['envpool_error']}", file=sys.stderr)
            pool = max(pool, peer.get("envpool_sync", 0), peer.get("envpool_async", 0))
            gymnasium = max(gymnasium, peer.get("gymnasium_sync", 0))
        line = f"{task:24}{mine:10.0f}{bare:10.0f}{mine / bare:7.2f}"
        if pool:
            ratios.append(mine / pool)
            line += f"{pool:10.0f}{mine / pool:7.2f}"
        else:
            line += f"{'-':>10}{'-':>7}"
        if gymnasium:
            line += f"{gymnasium:11.0f}{mine / gymnasium:7.2f}"
        print(line, flush=True)
    if ratios:
        print(f"against EnvPool: geometric mean {math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}, least {min(ratios):.2f}")


if __name__ == "__main__":
    main()
