#!/usr/bin/env python3
"""Complete runs of `v2r train` on a Gymnasium task, evaluation on, beside a Python PPO on the same task in turn (A B A B ...):
environment steps a second, wall clock and processor time, and the ratios.

    benchmarks/ppo_peer.py --peer ppo_sb3.py --python VENV/bin/python

The peer takes --env --steps and prints one JSON line with steps_per_s. Needs a release build (scripts/build)."""
import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# preset, environments, threads that step them, wanted ratio
PRESETS = [("cleanrl", 1, 1, 8), ("fast", 64, 2, 20)]


def run(command):
    """Standard output and processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--v2r", type=pathlib.Path, default=ROOT / "build/release/bin/v2r")
    parser.add_argument("--env", default="gym_half_cheetah")
    parser.add_argument("--peer-env", default="HalfCheetah-v5")
    parser.add_argument("--steps", type=int, default=200000, help="environment steps of a run of ours")
    parser.add_argument("--peer-steps", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--presets", default=",".join(p[0] for p in PRESETS), help="which, by comma")
    parser.add_argument("--peer", type=pathlib.Path, required=True)
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the peer's packages")
    a = parser.parse_args()

    for preset, envs, threads, wanted in PRESETS:
        if preset not in a.presets.split(","):
            continue
        ratios, cpu_ratios = [], []
        for k in range(a.rounds):
            with tempfile.TemporaryDirectory() as folder:
                _, cpu = run([a.v2r, "train", f"env={a.env}", "reward=true", "env.render=false", "record.enabled=false",
                              f"agent={preset}", f"env.num_envs={envs}", f"env.env_threads={threads}", "torch_threads=1",
                              f"total_timesteps={a.steps}", "eval.episodes=10", "eval.interval_episodes=5",
                              f"run_dir={folder}/run"])
                summary = json.loads(pathlib.Path(folder, "run", "summary.json").read_text())
            text, peer_cpu = run([a.python, a.peer, "--env", a.peer_env, "--steps", a.peer_steps])
            peer = json.loads(text.splitlines()[-1])
            ratios.append(summary["fps"] / peer["steps_per_s"])
            cpu_ratios.append((summary["steps"] / cpu) / (peer["steps"] / peer_cpu))
            print(f"{preset}: {summary['fps']:.0f} steps/s, peer {peer['steps_per_s']}, ratio {ratios[-1]:.1f}; "
                  f"a processor second {summary['steps'] / cpu:.0f}, peer {peer['steps'] / peer_cpu:.0f}, "
                  f"ratio {cpu_ratios[-1]:.1f}", flush=True)
        print(f"{preset}: median ratio {statistics.median(ratios):.1f} by the clock, {statistics.median(cpu_ratios):.1f} by "
              f"processor time (start-up of both included), wanted {wanted}", flush=True)


if __name__ == "__main__":
    main()
