#!/usr/bin/env python3
"""The Python plugin: steps a second through Python against those of C++ in the same process, in turns; and Stable-Baselines3's PPO
learning a task through it, judged by the success of the policy that it ends with.

    PYTHONPATH=build/release/python VENV/bin/python benchmarks/plugin_bench.py [--learn]

Needs the package v2r (scripts/build_wheel), and stable_baselines3 for --learn."""
import argparse
import time

import numpy as np

import v2r


def rate(step, seconds, items):
    done, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        step()
        done += items
    return done / spent


def speed(a, task, render):
    envs = v2r.make_vec(task, num_envs=a.envs, env={"render": render})
    envs.reset(seed=1)
    rng = np.random.default_rng(0)
    space = envs.single_action_space
    actions = rng.uniform(space.low, space.high, (a.envs, *space.shape)).astype(np.float32)
    for _ in range(20):
        envs.step(actions)
    python = native = 0.0
    for _ in range(a.turns):
        native = max(native, envs._native.step_rate(actions, a.seconds))
        python = max(python, rate(lambda: envs.step(actions), a.seconds, a.envs))
    envs.close()
    print(f"{task + (', pictures' if render else ''):32}{native:12.0f}{python:12.0f}{python / native:8.2f}", flush=True)


def learn(a, task, seed):
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

    envs = VecNormalize(VecMonitor(v2r.sb3.V2rVecEnv(task, num_envs=16)), gamma=0.97)
    model = PPO("MlpPolicy", envs, n_steps=50, batch_size=200, n_epochs=10, learning_rate=1e-3, gamma=0.97, seed=seed, device="cpu",
                policy_kwargs={"log_std_init": -0.5})
    start = time.perf_counter()
    model.learn(a.steps)
    seconds = time.perf_counter() - start

    held = v2r.make_vec(task, num_envs=100)
    observations, _ = held.reset(seed=10_000 + seed)
    returns = np.zeros(100)
    for _ in range(held.max_episode_steps):
        actions, _ = model.predict(envs.normalize_obs(observations), deterministic=True)
        observations, rewards, _, _, _ = held.step(np.clip(actions, held.action_space.low, held.action_space.high))
        returns += rewards
    print(f"{task}, seed {seed}: {a.steps} steps in {seconds:.0f} s, return {returns.mean():.2f}, "
          f"success {held.view['success'].mean():.0%} of 100 new episodes", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="v2r/reach,v2r/push,gym/HalfCheetah-v5,gym/Reacher-v5")
    parser.add_argument("--envs", type=int, default=64)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a turn")
    parser.add_argument("--learn", action="store_true", help="train Stable-Baselines3's PPO instead")
    parser.add_argument("--steps", type=int, default=60_000)
    parser.add_argument("--seeds", default="1,2,3")
    a = parser.parse_args()
    tasks = a.tasks.split(",")
    if a.learn:
        for seed in a.seeds.split(","):
            learn(a, tasks[0], int(seed))
        return
    print(f"{a.envs} environments: steps/s, best of {a.turns} turns\n{'task':32}{'C++':>12}{'Python':>12}{'ratio':>8}")
    for task in tasks:
        for render in (False, True):
            speed(a, task, render)


if __name__ == "__main__":
    main()
