"""The vector environment as Gymnasium has it (gymnasium.vector.VectorEnv, 1.1 or newer)."""

import numpy as np
from gymnasium import register, registry
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from v2r import _v2r
from v2r.options import collect, flatten

_AUTORESET = {
    "same_step": AutoresetMode.SAME_STEP,
    "next_step": AutoresetMode.NEXT_STEP,
    "disabled": AutoresetMode.DISABLED,
}


def list_envs():
    """Ids for make_vec."""
    return _v2r.env_names()


def list_rewards():
    """Names of the rewards (`v2r list rewards`)."""
    return _v2r.reward_names()


def gymnasium_id(name):
    """The id under which register_envs registers `name`.

    "v2r/reach_goal" -> "v2r/ReachGoal-v0", "dmc/hopper_hop" -> "v2r/DmcHopperHop-v0", "gym/Ant-v5" -> "v2r/Ant-v5",
    "metaworld/door-close" -> "v2r/MetaworldDoorClose-v0", "mjcf" -> "v2r/Mjcf-v0".
    """
    family, _, task = name.rpartition("/")
    if family == "gym":
        return f"v2r/{task}"
    words = ([] if family in ("", "v2r") else [family]) + task.replace("-", "_").split("_")
    return "v2r/" + "".join(word[:1].upper() + word[1:] for word in words) + "-v0"


def register_envs():
    """Registers every environment with Gymnasium; `import v2r` does it."""
    for name in list_envs():
        if gymnasium_id(name) not in registry:
            register(gymnasium_id(name), vector_entry_point="v2r.vector_env:make_vec", kwargs={"id": name})


def make_vec(id, num_envs=1, reward=None, encoder=None, goal=None, *, env=None, render_mode=None, max_episode_steps=None,
             device="auto", copy=True, **options):
    """N simulations of `id` behind gymnasium.vector.VectorEnv.

    id        one of list_envs(), or the name of a config of `env=` ("push_wide_distractors")
    reward    None or "true": the task's own; else the name of a config of `reward=`: "goal_distance", "ranking", ...
    encoder   encoder file that a learned reward reads
    goal      folder of demonstrations: a learned reward takes goal and scale from them
    env       keys of the environment: {"frame_size": 128, "autoreset": "next_step", "task": {...}}
    copy      False: observations and infos are views of the environment's memory, overwritten by the next step
    options   dotted keys as for `v2r train`: **{"reward.form": "exp"}
    """
    keys = {"env.num_envs": int(num_envs)}
    if max_episode_steps is not None:
        keys["env.max_episode_steps"] = int(max_episode_steps)
    keys.update(collect(encoder, goal, device, options))
    keys.update(flatten("env", env or {}))
    return V2rVectorEnv(id, "true" if reward is None else reward, keys, render_mode=render_mode, copy=copy)


class V2rVectorEnv(VectorEnv):
    """Made by make_vec. Observations are float32, rewards float64.

    infos holds, each with its mask `_name`: `is_success`, `env_reward` (the task's own reward) and the task's parts.
    With same-step autoreset those of a step that ended an episode are in `final_info`, its last observation in
    `final_obs`.
    """

    def __init__(self, id, reward, keys, render_mode=None, copy=True):
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode={render_mode!r}: there is 'rgb_array'")
        if "env.render" not in keys:
            keys = {**keys, "env.render": render_mode == "rgb_array"}
        self._native = _v2r.VectorEnv(id, reward, keys)
        spec = self._native.spec()
        self.name = spec["name"]
        self.num_envs = spec["num_envs"]
        self.max_episode_steps = spec["max_episode_steps"]
        self.render_mode = "rgb_array" if spec["height"] > 0 else None
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": max(1, round(1 / spec["control_dt"])),
            "autoreset_mode": _AUTORESET[spec["autoreset"]],
        }
        self.single_observation_space = Box(-np.inf, np.inf, (spec["obs_dim"],), np.float32)
        self.single_action_space = Box(
            np.asarray(spec["act_low"], np.float32), np.asarray(spec["act_high"], np.float32), dtype=np.float32)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._learned = spec["learned_reward"]
        self._copy = copy
        self._arrays = None

    def reset(self, *, seed=None, options=None):
        """Starts new episodes everywhere. Env i draws from a generator of its own that `seed` and i determine.

        options={"reset_mask": bool [N]} starts the next episodes of some environments only: what autoreset mode "disabled"
        waits for. They draw on from the seed of the last whole reset, so no `seed` goes with it.
        """
        options = dict(options or {})
        mask = options.pop("reset_mask", None)
        if options:
            raise ValueError(f"reset: options {sorted(options)} are not known here (there is reset_mask)")
        if mask is not None:
            return self._restart(mask, seed)
        if seed is not None and not isinstance(seed, (int, np.integer)):
            raise ValueError(f"reset: seed should be one number for all environments, is {seed!r}")
        super().reset(seed=None if seed is None else int(seed))
        self._open().reset(int(self.np_random.integers(2**63)) if seed is None else int(seed))
        self._arrays = self._native.arrays()
        return self._own(self._arrays["obs"]), {}

    def _restart(self, mask, seed):
        mask = np.asarray(mask)
        if mask.dtype != np.bool_ or mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(f"reset: reset_mask should be bool [{self.num_envs}], somewhere true; is {mask.dtype} {list(mask.shape)}")
        if seed is not None:
            raise ValueError("reset: a seed starts every environment; leave it out with reset_mask")
        if self._arrays is None:
            raise ValueError("reset: the first reset starts every environment; leave reset_mask out")
        self._open().restart(np.ascontiguousarray(mask))
        self._arrays = self._native.arrays()
        return self._own(self._arrays["obs"]), {}

    def step(self, actions):
        self._open().step(self._checked(actions))
        return self._results()

    def step_async(self, actions):
        """Starts a step; actions [N, A]."""
        self._open().step_async(self._checked(actions))

    def step_wait(self):
        """Waits for the step. (observations, rewards, terminations, truncations, infos)"""
        self._open().step_wait()
        return self._results()

    def _checked(self, actions):
        actions = np.ascontiguousarray(actions, dtype=np.float32)
        if actions.shape != self.action_space.shape:
            raise ValueError(f"actions should be {list(self.action_space.shape)}, are {list(actions.shape)}")
        return actions

    def _results(self):
        arrays = self._arrays = self._native.arrays()
        rewards = arrays["reward" if self._learned else "env_reward"].astype(np.float64)
        return (self._own(arrays["obs"]), rewards, arrays["terminated"].copy(), arrays["truncated"].copy(),
                self._infos(arrays))

    def render(self):
        """The pictures of the present states: a tuple of N uint8 [H,W,3]."""
        if self.render_mode is None:
            raise ValueError("render: no pictures are drawn; make the environment with render_mode='rgb_array'")
        return tuple(self._own(self.view["frame"]))

    @property
    def view(self):
        """Everything a step gives, as read-only views of the environment's memory that the next step overwrites.

        obs, frame, next_obs, next_frame (of the state before a reset), goal_frame, goal_id, env_reward, reward,
        terminated, truncated, success, episode_id, episode_step, info, and frame_fresh, extra_frames, depth,
        extra_depth, segmentation, extra_segmentation and next_* of these. What is not drawn is None.
        """
        if self._arrays is None:
            raise ValueError("view: call reset first")
        return self._arrays

    def close_extras(self, **kwargs):
        # Views that are still about keep the memory they show.
        self._native = self._arrays = None

    def _open(self):
        if self._native is None:
            raise ValueError("the environment is closed")
        return self._native

    def _own(self, array):
        return array.copy() if self._copy else array

    def _infos(self, arrays):
        parts = {"is_success": arrays["success"], "env_reward": arrays["env_reward"], **arrays["info"]}
        present = arrays["episode_step"] > 0  # not the reset of next-step autoreset
        done = arrays["terminated"] | arrays["truncated"]
        if self.metadata["autoreset_mode"] is not AutoresetMode.SAME_STEP or not done.any():
            return self._masked(parts, present)
        infos = self._masked(parts, ~done)
        final_obs = np.full(self.num_envs, None, dtype=object)
        for i in np.flatnonzero(done):
            final_obs[i] = arrays["next_obs"][i].copy()
        infos["final_obs"], infos["_final_obs"] = final_obs, done
        infos["final_info"], infos["_final_info"] = self._masked(parts, done), done.copy()
        return infos

    def _masked(self, parts, mask):
        whole = mask.all()
        infos = {}
        for name, values in parts.items():
            if whole:
                infos[name] = self._own(values)
            else:
                infos[name] = values.copy()
                infos[name][~mask] = 0
            infos[f"_{name}"] = mask.copy()
        return infos
