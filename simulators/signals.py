"""Repeatable randomness: numbers that depend on a seed, a name and a time, and on nothing else."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b  # noqa: TID251  # random numbers of a seed
from math import cos, pi


@lru_cache(maxsize=65_536)
def chance(seed: int, *parts: str | int) -> float:
    """A number in [0, 1) that is always the same for the same seed and parts."""
    return int.from_bytes(digest(seed, *parts)[:8]) / 2**64


def digest(seed: int, *parts: str | int) -> bytes:
    """Thirty-two bytes that are always the same for the same seed and parts."""
    text = "\x1f".join(map(str, (seed, *parts)))
    return blake2b(text.encode(), digest_size=32).digest()


def wander(seed: int, name: str, time_ms: int, period_ms: int) -> float:
    """A smooth wandering signal in [-1, 1] that finds a new direction every period."""
    step, rest = divmod(time_ms, period_ms)
    here = chance(seed, name, period_ms, step)
    there = chance(seed, name, period_ms, step + 1)
    share = (1 - cos(pi * rest / period_ms)) / 2
    return 2 * (here + (there - here) * share) - 1
