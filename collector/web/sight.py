"""What of alerts somebody sees: by school, by kind, and a class teacher by class and without values.

Statement 13 of the privacy rules: the state of their class, no temperatures.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from collector.accounts.permissions import Permission
from collector.accounts.principal import Principal
from collector.records import Alert
from collector.records.alert_sight import AlertSight
from collector.scenarios.kinds import AlertKinds

SEE_ALERTS: Final[tuple[Permission, ...]] = ("alerts.health", "alerts.class", "alerts.safety")
"""Who has one of these sees some."""


def sight_of(principal: Principal, kinds: AlertKinds) -> AlertSight:
    """The alerts that there are for somebody. Who has ``alerts.class`` and no class has none of them."""
    return AlertSight(
        others=tuple(kind.name for kind in kinds if kind.subject != "health"),
        sees_others=principal.may("alerts.safety"),
        sees_health=principal.may("alerts.health"),
        classes=(principal.classes or ()) if principal.may("alerts.class") else (),
        schools=principal.schools,
    )


def as_seen(alert: Alert, principal: Principal, kinds: AlertKinds) -> Alert:
    """The alert as it may be shown: without what was measured to who sees only that there is something."""
    kind = kinds.find(alert.kind)
    if principal.may("alerts.health") or (kind is not None and kind.subject != "health"):
        return alert
    return replace(alert, value=None, limit=None, site=None, doubtful=False)
