"""Tests of the Python package v2r; tests/bindings/run builds what they need and runs them."""

import gc
import os
import pathlib
import subprocess
import tempfile
import threading
import time
import unittest
import warnings

import gymnasium
import numpy as np
from gymnasium.utils import env_checker
from gymnasium.vector import AutoresetMode

import v2r

PROGRAM = os.environ.get("V2R_PROGRAM", "")


def rollout(envs, steps, seed=3):
    """Observations and rewards of random actions; [steps+1,N,O] and [steps,N]."""
    rng = np.random.default_rng(seed)
    observations, rewards = [envs.reset(seed=seed)[0]], []
    for _ in range(steps):
        low, high = envs.action_space.low, envs.action_space.high
        observation, reward, *_ = envs.step(rng.uniform(low, high).astype(np.float32))
        observations.append(observation)
        rewards.append(reward)
    return np.stack(observations), np.stack(rewards)


class Spaces(unittest.TestCase):
    def test_a_model_of_the_user_is_an_environment(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "cart.xml"
            path.write_text("""<mujoco><worldbody><body><joint name="slide" type="slide" axis="1 0 0"/><geom size=".1"/></body></worldbody>
              <actuator><motor joint="slide" ctrlrange="-1 1"/></actuator></mujoco>""")
            envs = gymnasium.make_vec("v2r/Mjcf-v0", num_envs=2, env={"task": {"model": str(path), "frame_skip": 2}})
            observations, _ = envs.reset(seed=1)
            self.assertEqual(observations.shape, (2, 2))
            envs.step(envs.action_space.sample())
            envs.close()
        with self.assertRaisesRegex(ValueError, "env.task.model"):
            gymnasium.make_vec("v2r/Mjcf-v0", num_envs=2)

    def test_every_environment_is_registered_and_steps_within_its_spaces(self):
        names = v2r.list_envs()
        self.assertIn("v2r/push", names)
        for name in names:
            if name == "mjcf":  # needs a model: the test below
                continue
            with self.subTest(name):
                try:
                    envs = gymnasium.make_vec(v2r.vector_env.gymnasium_id(name), num_envs=2)
                except ValueError as error:
                    if "scripts/bootstrap" in str(error):
                        self.skipTest(str(error))
                    raise
                self.assertEqual(envs.num_envs, 2)
                observations, infos = envs.reset(seed=1)
                self.assertIn(observations, envs.observation_space)
                self.assertEqual(infos, {})
                envs.action_space.seed(1)
                observations, rewards, terminations, truncations, infos = envs.step(envs.action_space.sample())
                self.assertIn(observations, envs.observation_space)
                self.assertIn(observations[0], envs.single_observation_space)
                self.assertEqual((rewards.dtype, rewards.shape), (np.float64, (2,)))
                self.assertEqual((terminations.dtype, truncations.dtype), (np.bool_, np.bool_))
                self.assertTrue({"is_success", "_is_success", "env_reward", "_env_reward"} <= infos.keys())
                envs.close()

    def test_ids(self):
        names = ("v2r/reach_goal", "dmc/hopper_hop", "gym/Ant-v5", "metaworld/door-close")
        self.assertEqual([v2r.vector_env.gymnasium_id(n) for n in names],
                         ["v2r/ReachGoal-v0", "v2r/DmcHopperHop-v0", "v2r/Ant-v5", "v2r/MetaworldDoorClose-v0"])

    def test_vector_entry_point_of_gymnasium(self):
        envs = gymnasium.make_vec("v2r/Push-v0", num_envs=3, vectorization_mode="vector_entry_point")
        self.assertEqual(envs.spec.id, "v2r/Push-v0")
        self.assertIs(envs.metadata["autoreset_mode"], AutoresetMode.SAME_STEP)
        self.assertEqual(envs.action_space.shape, (3,) + envs.single_action_space.shape)

    def test_gymnasium_wrappers_take_it(self):
        envs = gymnasium.wrappers.vector.RecordEpisodeStatistics(
            v2r.make_vec("v2r/push", num_envs=2, max_episode_steps=5))
        envs.reset(seed=0)
        for _ in range(5):
            *_, infos = envs.step(np.zeros(envs.action_space.shape, np.float32))
        np.testing.assert_array_equal(infos["episode"]["l"], [5, 5])


class EnvChecker(unittest.TestCase):
    """The checks of gymnasium.utils.env_checker that make sense of a batch, on one task of each kind."""

    def test_gymnasiums_checks(self):
        for name in ("v2r/reach", "v2r/push", "v2r/pose", "gym/Ant-v5", "gym/Reacher-v5", "dmc/cartpole_swingup"):
            with self.subTest(name), warnings.catch_warnings():
                warnings.simplefilter("error")
                envs = v2r.make_vec(name, num_envs=3)
                env_checker.check_reset_return_type(envs)
                env_checker.check_reset_options(envs)
                env_checker.check_reset_seed_determinism(envs)
                env_checker.check_space_limit(envs.single_action_space, "action")
                for space in (envs.action_space, envs.observation_space):
                    self.assertEqual(space.shape[0], 3)
                self.check_step(envs)
                envs.close()

    def check_step(self, envs):
        """As check_step_determinism, whose flags are those of a single environment."""
        envs.action_space.seed(7)
        actions = [envs.action_space.sample() for _ in range(5)]
        runs = []
        for _ in range(2):
            envs.reset(seed=123)
            runs.append([envs.step(action) for action in actions])
        self.assertFalse(np.shares_memory(runs[0][0][0], runs[0][1][0]), "an observation is reused")
        for one, two in zip(*runs):
            self.assertTrue(env_checker.data_equivalence(one[0], two[0], exact=True))
            self.assertTrue(env_checker.data_equivalence(one[4], two[4], exact=True))
            for k in (1, 2, 3):
                np.testing.assert_array_equal(one[k], two[k])


class Seeds(unittest.TestCase):
    def test_a_seed_repeats_and_another_does_not(self):
        first, first_rewards = rollout(v2r.make_vec("v2r/push", num_envs=4), 30)
        again, again_rewards = rollout(v2r.make_vec("v2r/push", num_envs=4, env={"env_threads": 2}), 30)
        np.testing.assert_array_equal(first, again)
        np.testing.assert_array_equal(first_rewards, again_rewards)
        other, _ = rollout(v2r.make_vec("v2r/push", num_envs=4), 30, seed=4)
        self.assertFalse((first[0] == other[0]).all(axis=1).any())
        self.assertFalse((first[0, 0] == first[0, 1]).all())

    def test_a_reset_without_seed_goes_on_from_the_last_one(self):
        envs = v2r.make_vec("v2r/push", num_envs=2)
        a, b, c = envs.reset(seed=5)[0], envs.reset()[0], envs.reset()[0]
        self.assertFalse((a == b).all() or (b == c).all())
        np.testing.assert_array_equal(envs.reset(seed=5)[0], a)
        np.testing.assert_array_equal(envs.reset()[0], b)

    def test_more_envs_do_not_change_the_first(self):
        few, _ = v2r.make_vec("v2r/push", num_envs=2).reset(seed=9)
        many, _ = v2r.make_vec("v2r/push", num_envs=5).reset(seed=9)
        np.testing.assert_array_equal(few, many[:2])


class Autoreset(unittest.TestCase):
    STEPS = 4

    def make(self, mode, id="gym/HalfCheetah-v5"):
        envs = v2r.make_vec(id, num_envs=3, env={"autoreset": mode}, max_episode_steps=self.STEPS)
        envs.reset(seed=2)
        self.actions = np.full(envs.action_space.shape, 0.5, np.float32)
        return envs

    def test_same_step(self):
        envs = self.make("same_step")
        for _ in range(self.STEPS - 1):
            _, _, _, truncations, infos = envs.step(self.actions)
            self.assertFalse(truncations.any())
            self.assertNotIn("final_obs", infos)
            self.assertTrue(infos["_x_position"].all())
        observations, rewards, terminations, truncations, infos = envs.step(self.actions)
        self.assertTrue(truncations.all())
        self.assertFalse(terminations.any())
        np.testing.assert_array_equal(infos["_final_obs"], truncations)
        for i in range(3):
            np.testing.assert_array_equal(infos["final_obs"][i], envs.view["next_obs"][i])
            self.assertGreater(np.abs(infos["final_obs"][i] - observations[i]).max(), 1e-3)
        self.assertFalse(infos["_x_position"].any())
        self.assertTrue(infos["final_info"]["_x_position"].all())
        np.testing.assert_array_equal(infos["final_info"]["env_reward"], rewards)
        *_, truncations, infos = envs.step(self.actions)
        self.assertFalse(truncations.any())
        self.assertNotIn("final_info", infos)

    def test_next_step(self):
        envs = self.make("next_step")
        self.assertIs(envs.metadata["autoreset_mode"], AutoresetMode.NEXT_STEP)
        for _ in range(self.STEPS):
            last, _, _, truncations, infos = envs.step(self.actions)
        self.assertTrue(truncations.all())
        self.assertNotIn("final_obs", infos)
        self.assertTrue(infos["_x_position"].all())
        first, rewards, _, truncations, infos = envs.step(self.actions)
        self.assertFalse(truncations.any() or rewards.any() or infos["_x_position"].any())
        self.assertGreater(np.abs(first - last).max(), 1e-3)

    def test_disabled(self):
        envs = self.make("disabled")
        self.assertIs(envs.metadata["autoreset_mode"], AutoresetMode.DISABLED)
        for _ in range(self.STEPS):
            last, *_ = envs.step(self.actions)
        again, _, _, truncations, _ = envs.step(self.actions)
        np.testing.assert_array_equal(again, last)
        self.assertTrue(truncations.all())
        mask = np.arange(envs.num_envs) == 1
        fresh, infos = envs.reset(options={"reset_mask": mask})
        self.assertEqual(infos, {})
        np.testing.assert_array_equal(fresh[~mask], last[~mask])
        self.assertTrue((fresh[mask] != last[mask]).any())
        *_, truncations, _ = envs.step(self.actions)
        np.testing.assert_array_equal(truncations, ~mask)
        np.testing.assert_array_equal(envs.view["episode_step"][mask], 1)
        for options in ({"reset_mask": np.zeros(envs.num_envs, bool)}, {"reset_mask": [1]}, {"mask": mask}):
            with self.assertRaises(ValueError):
                envs.reset(options=options)
        with self.assertRaisesRegex(ValueError, "seed"):
            envs.reset(seed=1, options={"reset_mask": mask})

    def test_an_env_that_falls_ends_alone(self):
        envs = v2r.make_vec("gym/Hopper-v5", num_envs=8)
        envs.reset(seed=0)
        envs.action_space.seed(0)
        for _ in range(200):
            observations, _, terminations, truncations, infos = envs.step(envs.action_space.sample())
            if terminations.any():
                break
        self.assertTrue(terminations.any() and not terminations.all() and not truncations.any())
        np.testing.assert_array_equal(infos["_final_obs"], terminations)
        np.testing.assert_array_equal(infos["_x_position"], ~terminations)
        self.assertTrue((infos["x_position"][terminations] == 0).all())
        self.assertTrue(all((infos["final_obs"][i] is not None) == terminations[i] for i in range(8)))


class Memory(unittest.TestCase):
    def test_copies_stay_and_views_follow(self):
        envs = v2r.make_vec("v2r/push", num_envs=2)
        first, _ = envs.reset(seed=1)
        kept = first.copy()
        envs.step(np.ones(envs.action_space.shape, np.float32))
        np.testing.assert_array_equal(first, kept)
        envs = v2r.make_vec("v2r/push", num_envs=2, copy=False)
        first, _ = envs.reset(seed=1)
        np.testing.assert_array_equal(first, kept)
        second, *_ = envs.step(np.ones(envs.action_space.shape, np.float32))
        self.assertTrue(np.shares_memory(first, second))
        self.assertFalse(second.flags.writeable or second.flags.owndata)
        self.assertGreater(np.abs(second - kept).max(), 0)

    def test_views_outlive_a_closed_environment(self):
        envs = v2r.make_vec("v2r/push", num_envs=2, copy=False)
        view, _ = envs.reset(seed=1)
        kept = view.copy()
        envs.close()
        del envs
        gc.collect()
        np.testing.assert_array_equal(view, kept)

    def test_other_python_threads_run_during_a_step(self):
        envs = v2r.make_vec("gym/Humanoid-v5", num_envs=64, env={"env_threads": 1})
        envs.reset(seed=0)
        actions = np.zeros(envs.action_space.shape, np.float32)
        ticks, stop = [], threading.Event()

        def tick():
            while not stop.is_set():
                ticks.append(time.perf_counter())
                time.sleep(0.0005)

        thread = threading.Thread(target=tick)
        thread.start()
        most = 0
        for _ in range(10):
            begin = time.perf_counter()
            envs.step(actions)
            end = time.perf_counter()
            most = max(most, sum(begin < t < end for t in ticks))
        stop.set()
        thread.join()
        self.assertGreater(most, 1)


class Mistakes(unittest.TestCase):
    def test_a_user_error_is_a_value_error_with_its_text(self):
        with self.assertRaisesRegex(ValueError, "v2r/pusk.*v2r/push"):
            v2r.make_vec("v2r/pusk")
        with self.assertRaisesRegex(ValueError, "env.frame_sise.*frame_size"):
            v2r.make_vec("v2r/push", env={"frame_sise": 64})
        with self.assertRaisesRegex(ValueError, "env.frame_size"):
            v2r.make_vec("v2r/push", env={"frame_size": "large"})
        with self.assertRaisesRegex(ValueError, "agent"):
            v2r.make_vec("v2r/push", **{"agent.ppo.gamma": 0.9})
        with self.assertRaisesRegex(ValueError, "needs an encoder"):
            v2r.make_vec("v2r/push", reward="goal_distance", goal="demos")
        with self.assertRaisesRegex(ValueError, "goal=FOLDER"):
            v2r.make_vec("v2r/push", reward="pixel_l2")
        with self.assertRaisesRegex(ValueError, "task's own"):
            v2r.RewardModel(reward="true")

    def test_keywords(self):
        with self.assertRaisesRegex(TypeError, "frame_size"):
            v2r.make_vec("v2r/push", frame_size=64)
        with self.assertRaisesRegex(ValueError, "rgb_array"):
            v2r.make_vec("v2r/push", render_mode="human")

    def test_calls(self):
        envs = v2r.make_vec("v2r/push", num_envs=2)
        with self.assertRaisesRegex(ValueError, "reset"):
            envs.view
        envs.reset(seed=0)
        with self.assertRaisesRegex(ValueError, "actions should be"):
            envs.step(np.zeros((3, 2), np.float32))
        with self.assertRaisesRegex(ValueError, "of env 1 is nan"):
            envs.step(np.array([[0, 0], [np.nan, 0]], np.float32))
        with self.assertRaisesRegex(ValueError, "one number"):
            envs.reset(seed=[1, 2])
        with self.assertRaisesRegex(ValueError, "render_mode"):
            envs.render()
        envs.close()
        with self.assertRaisesRegex(ValueError, "closed"):
            envs.reset()


class Options(unittest.TestCase):
    def test_nested_and_dotted_keys_arrive(self):
        def forward(**options):
            envs = v2r.make_vec("gym/HalfCheetah-v5", num_envs=1, **options)
            envs.reset(seed=0)
            *_, infos = envs.step(np.ones(envs.action_space.shape, np.float32))
            return infos["reward_forward"][0]

        once = forward()
        self.assertNotEqual(once, 0)
        self.assertAlmostEqual(forward(env={"task": {"forward_reward_weight": 3}}), 3 * once)
        self.assertAlmostEqual(forward(**{"env.task.forward_reward_weight": np.float64(3)}), 3 * once)

    def test_a_config_by_name(self):
        self.assertEqual(v2r.make_vec("push_wide").name, "v2r/push_wide")

    def test_learned_rewards_are_listed(self):
        self.assertEqual(v2r.list_rewards(),
                         ["ensemble", "goal_classifier", "goal_distance", "nearest_neighbour", "optimal_transport", "pixel_l2",
                          "potential", "progress", "ranking", "sum", "tcn_tracking", "true", "value_difference"])


class Pictures(unittest.TestCase):
    def test_render(self):
        envs = v2r.make_vec("v2r/push", num_envs=3, render_mode="rgb_array", env={"frame_size": 48})
        envs.reset(seed=0)
        frames = envs.render()
        self.assertEqual([f.shape for f in frames], [(48, 48, 3)] * 3)
        self.assertEqual(frames[0].dtype, np.uint8)
        self.assertFalse((frames[0] == frames[1]).all())
        self.assertGreater(np.std(frames[0]), 1)

    def test_cameras_and_modalities(self):
        envs = v2r.make_vec("v2r/push", num_envs=3, render_mode="rgb_array", max_episode_steps=5, env={
            "frame_size": 48, "cameras": ["angled"], "views": {"side": {"type": "free", "azimuth": 20}},
            "modalities": ["depth", "segmentation"], "render_every": 2})
        envs.reset(seed=0)
        view = envs.view
        self.assertEqual(view["extra_frames"].shape, (2, 3, 48, 48, 3))
        self.assertEqual((view["depth"].shape, view["depth"].dtype), ((3, 48, 48), np.float32))
        self.assertEqual(view["extra_depth"].shape, (2, 3, 48, 48))
        self.assertEqual((view["segmentation"].shape, view["segmentation"].dtype), ((3, 48, 48, 2), np.int32))
        self.assertEqual(view["next_extra_segmentation"].shape, (2, 3, 48, 48, 2))
        self.assertFalse((view["extra_frames"][0] == view["extra_frames"][1]).all())
        np.testing.assert_allclose(view["depth"][:, 0, 0], 0.6, atol=1e-3)  # the floor below the camera `top`
        envs.action_space.seed(0)
        fresh = []
        for _ in range(5):
            envs.step(envs.action_space.sample())
            fresh.append(bool(envs.view["frame_fresh"].all()))
        self.assertEqual(fresh, [False, True, False, True, True])


@unittest.skipUnless(PROGRAM, "V2R_PROGRAM names the program v2r, which films demonstrations")
class LearnedReward(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.folder.name)
        cls.demos = folder / "demos"
        cls.encoder = folder / "encoder.safetensors"
        for words in (
            ["demos", "env=push", f"out={cls.demos}", "demos.good=4", "demos.near_miss=0", "demos.random=0"],
            ["pretrain", f"data={cls.demos}", "pretrain=tcn", f"out={cls.encoder}", "pretrain.iterations=3",
             "device=cpu", f"runs_root={folder}"],
        ):
            done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, cwd=folder)
            if done.returncode:
                raise RuntimeError(f"v2r {' '.join(words)}: {done.stderr}")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def check_env_against_model(self, reward, encoder):
        envs = v2r.make_vec("v2r/push", num_envs=3, reward=reward, encoder=encoder, goal=self.demos, device="cpu",
                            max_episode_steps=4)
        model = v2r.RewardModel(encoder, goal=self.demos, reward=reward, device="cpu")
        envs.reset(seed=0)
        envs.action_space.seed(0)
        seen = []
        for _ in range(6):
            _, rewards, _, _, infos = envs.step(envs.action_space.sample())
            np.testing.assert_allclose(rewards, model(envs.view["next_frame"]), rtol=0, atol=1e-5)
            seen.append(rewards)
        self.assertGreater(np.std(seen), 0)
        self.assertGreater(np.abs(rewards - infos["env_reward"]).max(), 1e-3)
        return model

    def test_goal_distance_at_the_step_is_that_of_the_picture_before_the_reset(self):
        model = self.check_env_against_model("goal_distance", self.encoder)
        self.assertRegex(model.encoder_fingerprint, "^[0-9a-f]{16}$")

    def test_pixels_need_no_encoder(self):
        self.check_env_against_model("pixel_l2", None)

    def test_options_of_the_reward_arrive(self):
        frames = np.random.default_rng(0).integers(0, 255, (5, 64, 64, 3), np.uint8)
        once = v2r.RewardModel(goal=self.demos, reward="pixel_l2")(frames)
        twice = v2r.RewardModel(goal=self.demos, reward="pixel_l2", **{"reward.scale": 2.0})(frames)
        chunks = v2r.RewardModel(goal=self.demos, reward="pixel_l2", **{"reward.chunk_size": 2})(frames)
        np.testing.assert_allclose(twice, 2 * once, rtol=1e-6)
        np.testing.assert_allclose(chunks, once, rtol=0, atol=1e-6)
        self.assertEqual((once.dtype, once.shape), (np.float32, (5,)))

    def test_what_python_cannot_have(self):
        with self.assertRaisesRegex(ValueError, "deferred"):
            v2r.make_vec("v2r/push", reward="pixel_l2", goal=self.demos, **{"reward.timing": "deferred"})
        with self.assertRaisesRegex(ValueError, "classifier"):
            v2r.make_vec("v2r/push", reward="ranking_classifier", encoder=self.encoder, goal=self.demos)
        with self.assertRaisesRegex(ValueError, "two pictures"):
            v2r.RewardModel(goal=self.demos, reward="pixel_l2", **{"reward.form": "difference"})
        with self.assertRaisesRegex(ValueError, "single pictures"):
            v2r.RewardModel(self.encoder, goal=self.demos, reward="nearest_neighbour")
        with self.assertRaisesRegex(ValueError, "uint8"):
            v2r.RewardModel(goal=self.demos, reward="pixel_l2")(np.zeros((2, 64, 64, 3), np.float32))


if __name__ == "__main__":
    unittest.main()
