"""From Python's keywords to the keys of `v2r train`."""

import os

import numpy as np


def _plain(value):
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value


def flatten(prefix, options):
    """{"task": {"gain": 2}} under "env" -> {"env.task.gain": 2}."""
    flat = {}
    for key, value in options.items():
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, dict):
            flat.update(flatten(path, value))
        else:
            flat[path] = _plain(value)
    return flat


def collect(encoder, goal, device, options):
    """The keys that make_vec and RewardModel share; `options` are dotted keys."""
    unknown = [key for key in options if "." not in key]
    if unknown:
        raise TypeError(f"unknown keyword {unknown[0]!r} (keys of the config have a dot: 'env.frame_size')")
    keys = {"device": device}
    if encoder is not None:
        keys["encoder"] = _plain(encoder)
    if goal is not None:
        keys["goal"] = _plain(goal)
    keys.update(flatten("", options))
    return keys
