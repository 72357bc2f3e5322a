"""The vector environment as Stable-Baselines3 has it. Needs stable_baselines3, which v2r does not bring."""

import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv

from v2r.vector_env import make_vec


class V2rVecEnv(VecEnv):
    """V2rVecEnv("v2r/push", num_envs=16, ...): arguments as for v2r.make_vec.

    infos[i] holds the task's parts, `env_reward` and `is_success`, and where an episode ended `terminal_observation` and
    `TimeLimit.truncated`. For `episode` put a VecMonitor around it.
    """

    def __init__(self, *args, **kwargs):
        self.envs = make_vec(*args, **kwargs)
        if self.envs.metadata["autoreset_mode"] is not AutoresetMode.SAME_STEP:
            raise ValueError("env.autoreset: Stable-Baselines3 expects same_step")
        super().__init__(self.envs.num_envs, self.envs.single_observation_space, self.envs.single_action_space)

    def reset(self):
        # SB3 numbers the environments seed, seed+1, ...; here the first number seeds them all.
        observations, _ = self.envs.reset(seed=self._seeds[0])
        self._reset_seeds()
        self._reset_options()
        self.reset_infos = [{} for _ in range(self.num_envs)]
        return observations.copy()

    def step_async(self, actions):
        self.envs.step_async(actions)

    def step_wait(self):
        observations, rewards, terminations, truncations, _ = self.envs.step_wait()
        view = self.envs.view
        parts = {"env_reward": view["env_reward"], **view["info"]}
        success = view["success"]
        dones = terminations | truncations
        infos = []
        for i in range(self.num_envs):
            info = {name: values[i].copy() for name, values in parts.items()}
            info["is_success"] = bool(success[i])
            if dones[i]:
                info["terminal_observation"] = view["next_obs"][i].copy()
                info["TimeLimit.truncated"] = bool(truncations[i] and not terminations[i])
            infos.append(info)
        return observations.copy(), rewards.astype(np.float32), dones, infos

    def close(self):
        self.envs.close()

    def get_images(self):
        return list(self.envs.render())

    def get_attr(self, attr_name, indices=None):
        return [getattr(self.envs, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name, value, indices=None):
        raise ValueError(f"set_attr({attr_name!r}): the environments live in C++ and have no attributes of their own")

    def env_method(self, method_name, *method_args, indices=None, **method_kwargs):
        raise ValueError(f"env_method({method_name!r}): the environments live in C++ and have no Python methods")

    def env_is_wrapped(self, wrapper_class, indices=None):
        return [False for _ in self._get_indices(indices)]
