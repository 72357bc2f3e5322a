"""Video2Reward's environments and learned rewards for Python.

    envs = v2r.make_vec("v2r/push", num_envs=64, reward="goal_distance", encoder="tcn.safetensors", goal="demos")
    rewards = v2r.RewardModel("tcn.safetensors", goal="demos")(frames)

The environments are registered with Gymnasium too: gymnasium.make_vec("v2r/Push-v0", num_envs=8).
"""

import importlib
import sys

from v2r._build import TORCH_VERSION

# A process holds one LibTorch. PyTorch's own of the same version serves both; another one would be called wrongly.
_torch = getattr(sys.modules.get("torch"), "__version__", TORCH_VERSION).split("+")[0]
if _torch != TORCH_VERSION:
    raise ImportError(f"torch {_torch} is imported already, v2r was built with {TORCH_VERSION}: install torch=={TORCH_VERSION}")

from v2r import _v2r
from v2r.reward_model import RewardModel
from v2r.vector_env import V2rVectorEnv, list_envs, list_rewards, make_vec, register_envs

__all__ = ["RewardModel", "V2rVectorEnv", "list_envs", "list_rewards", "make_vec", "sb3"]
__version__ = _v2r.version

register_envs()


def __getattr__(name):
    if name == "sb3":  # needs stable_baselines3, which needs torch
        return importlib.import_module("v2r.sb3")
    raise AttributeError(f"module 'v2r' has no attribute {name!r}")
