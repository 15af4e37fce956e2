"""Makes what a record tells as coarse as the policy says."""

from __future__ import annotations

from edge_agent.gate.policy import Granularity


def to_step(value: float, step: float) -> float:
    """The nearest multiple of a step; 0: the value as it is."""
    # Nine digits take off what binary fractions add: 373 x 0.1 is 37.300000000000004.
    return round(round(value / step) * step, 9) if step else value


def time_to_step(time_ms: int, step_s: int) -> int:
    """The step that has begun; 0: the time as it is."""
    return time_ms - time_ms % (step_s * 1_000) if step_s else time_ms


def generalise(place: str, granularity: Granularity) -> str:
    """A "building/room" as exactly as is allowed; empty for not at all."""
    if granularity == "place":
        return place
    return place.split("/", 1)[0] if granularity == "building" else ""


def device_with(device: str, granularity: Granularity) -> str:
    """A device's id says where it stands: it is told only with the exact place."""
    return device if granularity == "place" else ""
