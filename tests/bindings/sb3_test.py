"""Tests of v2r.sb3; skipped where stable_baselines3 is not installed."""

import importlib.util
import unittest

import numpy as np

import v2r


@unittest.skipUnless(importlib.util.find_spec("stable_baselines3"), "stable_baselines3 is not installed")
class StableBaselines3(unittest.TestCase):
    def test_the_end_of_an_episode(self):
        envs = v2r.sb3.V2rVecEnv("gym/HalfCheetah-v5", num_envs=2, max_episode_steps=3)
        envs.seed(4)
        first = envs.reset()
        self.assertEqual(first.shape, (2, 17))
        for _ in range(3):
            observations, rewards, dones, infos = envs.step(np.full((2, 6), 0.5, np.float32))
        self.assertTrue(dones.all())
        for i, info in enumerate(infos):
            self.assertIs(info["TimeLimit.truncated"], True)
            self.assertGreater(np.abs(info["terminal_observation"] - observations[i]).max(), 1e-3)
            self.assertAlmostEqual(info["reward_forward"] + info["reward_ctrl"], info["env_reward"], places=9)
        *_, dones, infos = envs.step(np.zeros((2, 6), np.float32))
        self.assertFalse(dones.any())
        self.assertNotIn("terminal_observation", infos[0])
        envs.seed(4)
        np.testing.assert_array_equal(envs.reset(), first)

    def test_a_fall_is_no_time_limit(self):
        envs = v2r.sb3.V2rVecEnv("gym/Hopper-v5", num_envs=4)
        envs.reset()
        dones, infos = np.zeros(4, bool), []
        for _ in range(300):
            *_, dones, infos = envs.step(np.ones((4, 3), np.float32))
            if dones.any():
                break
        self.assertTrue(dones.any())
        self.assertIs(infos[int(np.argmax(dones))]["TimeLimit.truncated"], False)

    def test_ppo_learns_on_it(self):
        from stable_baselines3 import PPO
        from stable_baselines3.common.vec_env import VecMonitor

        envs = VecMonitor(v2r.sb3.V2rVecEnv("v2r/reach", num_envs=8))
        model = PPO("MlpPolicy", envs, n_steps=64, batch_size=128, n_epochs=2, seed=0, device="cpu")
        model.learn(1024)
        self.assertEqual(model.num_timesteps, 1024)
        self.assertGreater(len(model.ep_info_buffer), 0)

    def test_other_autoreset_modes_are_refused(self):
        with self.assertRaisesRegex(ValueError, "same_step"):
            v2r.sb3.V2rVecEnv("v2r/push", env={"autoreset": "next_step"})


if __name__ == "__main__":
    unittest.main()
