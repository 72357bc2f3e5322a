"""A learned reward of pictures, without an environment."""

import numpy as np

from v2r import _v2r
from v2r.options import collect


class RewardModel:
    """Rewards of single pictures: RewardModel("tcn.safetensors", goal="demos")(frames) -> [N].

    encoder  file of `v2r pretrain`
    goal     folder of demonstrations: the goal is how they end, the scale how far that is from how they start
    reward   one of list_rewards(), or the name of a config of `reward=`; it may read one picture a step only
    options  dotted keys as for `v2r train`: **{"reward.form": "exp"}
    """

    def __init__(self, encoder=None, goal=None, reward="goal_distance", device="auto", **options):
        self._model = _v2r.PictureReward(reward, collect(encoder, goal, device, options))

    def __call__(self, frames):
        """frames: uint8 [N,H,W,3] RGB of any size -> float32 [N]."""
        frames = np.asarray(frames)
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
            raise ValueError(f"frames should be uint8 [N,H,W,3], are {frames.dtype} {list(frames.shape)}")
        return self._model.compute(np.ascontiguousarray(frames))

    @property
    def encoder_fingerprint(self):
        """Hash of the encoder's description and weights."""
        return self._model.encoder_fingerprint
