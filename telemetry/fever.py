"""Whether a morning check shows a fever: one rule, asked by the gateway's local alarm and again by
the collector's health scenario, so that the two can never disagree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from telemetry.limits import Limits
    from telemetry.records import MorningCheck


class Fever(NamedTuple):
    """A fever finding. `doubtful` asks for a contact thermometer before anyone believes it."""

    limit_c: float
    doubtful: bool


def find_fever(check: MorningCheck, limits: Limits) -> Fever | None:
    """The finding, or None when the temperature is below the limit of its site.

    A value outside the believable range, or one that an infrared sensor took in air too cold or
    too warm for it, is still a finding where it lies above the limit, but a doubtful one: a screen
    that misses is worse than one that asks twice.
    """
    limit = limits.fever[check.site]
    if not limit.holds(check.temperature_c):
        return None
    infrared = check.site != "axillary"
    doubtful = not limits.valid["body_temperature"].holds(check.temperature_c) or (
        infrared
        and check.ambient_c is not None
        and not limits.valid["ambient_for_infrared"].holds(check.ambient_c)
    )
    threshold = limit.at_or_above if limit.at_or_above is not None else limit.above
    assert threshold is not None
    return Fever(threshold, doubtful)
