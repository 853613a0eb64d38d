"""Random streams by name: changing how one table is drawn does not reshuffle the others."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray


class Streams:
    """A generator for each name, all from one seed. Asking twice for a name starts its stream again."""

    def __init__(self, seed: int) -> None:
        if seed < 0:
            raise ValueError(f"seed is {seed}; it must be 0 or more")
        self.seed = seed

    def __call__(self, name: str) -> np.random.Generator:
        """The stream of that name."""
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, zlib.crc32(name.encode())])))


def weighted_picks(rng: np.random.Generator, weights: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """`count` positions drawn with replacement, in proportion to `weights`."""
    cumulative = np.cumsum(weights)
    picks = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
    return np.minimum(picks, len(weights) - 1).astype(np.int64)


def quota(rng: np.random.Generator, count: int, share: float) -> NDArray[np.bool_]:
    """A mask with exactly round(count × share) places set, at random."""
    mask = np.zeros(count, dtype=bool)
    mask[: round(count * share)] = True
    rng.shuffle(mask)
    return mask
