"""Words for status codes, for whoever shows readings to people."""

from __future__ import annotations

from functools import lru_cache

from device_profiles.registry import Catalogue, ProfileNotFoundError


@lru_cache(maxsize=1)
def _bundled() -> Catalogue:
    return Catalogue()


@lru_cache(maxsize=4_096)
def state_text(model: str, quantity: str, value: float) -> tuple[str, str] | None:
    """Chinese and English text of a status code of a bundled profile, or None where there is none.

    model: the profile id that a series carries; any text may be asked for.
    """
    try:
        rows = _bundled().get(model).spec.fields
    except ProfileNotFoundError:
        return None
    for row in rows:
        if row.quantity == quantity and float(value).is_integer():
            text = row.states.get(str(int(value)))
            return None if text is None else (text.zh, text.en)
    return None


@lru_cache(maxsize=1_024)
def quantities_of(model: str) -> frozenset[str] | None:
    """What a bundled profile gives, None where there is no such profile."""
    try:
        return frozenset(row.quantity for row in _bundled().get(model).spec.fields)
    except ProfileNotFoundError:
        return None
