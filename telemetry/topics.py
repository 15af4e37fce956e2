"""MQTT topics between gateways and collectors: ``campus/v1/{school}/{gateway}/{leaf}``, QoS 1."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

Leaf = Literal["batch", "urgent", "ack", "status", "config"]

ROOT: Final = "campus/v1"
IDENTIFIER: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""School and gateway ids: they stand in topics, file names and metric labels."""


class Address(NamedTuple):
    """Which gateway of which school a topic belongs to."""

    school: str
    gateway: str
    leaf: str


def topic(school: str, gateway: str, leaf: Leaf) -> str:
    return f"{ROOT}/{school}/{gateway}/{leaf}"


def parse_topic(text: str) -> Address | None:
    """The address in a topic of ours, or None for any other topic."""
    prefix, _, rest = text.partition(f"{ROOT}/")
    parts = rest.split("/")
    if prefix or len(parts) != 3 or not all(map(IDENTIFIER.fullmatch, parts)):
        return None
    return Address(*parts)


def intake_filters(leaves: Sequence[Leaf] = ("urgent", "batch", "status")) -> list[str]:
    """What a collector subscribes to: the batches, urgent events and status of every gateway."""
    return [f"{ROOT}/+/+/{leaf}" for leaf in leaves]
