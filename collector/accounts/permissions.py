"""The roles of a school and what each may do. Whatever is not written here is not allowed.

The vault decides by a table of its own who gets names (identity_vault/names/roles.toml); this one is
about the collector's data, which has pseudonyms only. Statements 13 and 20 of the privacy rules
(docs/privacy.md) bound both.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

Role = Literal["admin", "facilities", "nurse", "pe_teacher", "class_teacher", "canteen", "district"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

Permission = Literal[
    "series.read",
    "alerts.health",
    "alerts.class",
    "alerts.safety",
    "alerts.acknowledge",
    "records.health",
    "records.sport",
    "records.nutrition",
    "names.ask",
    "gateways.read",
    "gateways.manage",
    "configurations.manage",
    "exports.series",
    "exports.records",
    "accounts.manage",
    "audit.read",
    "operation.read",
]
PERMISSIONS: Final[tuple[Permission, ...]] = get_args(Permission)
"""``alerts.health``: fevers and what else is about one pupil's health; ``alerts.class``: that there is one in
a class of one's own, without what was measured; ``alerts.safety``: smoke, gas, a call
for help. ``records.*``: typed records under their pseudonym, by purpose. ``operation.read``: metrics of
the collector itself.
"""

ROLE_PERMISSIONS: Final[dict[Role, frozenset[Permission]]] = {
    # Runs the machines; sees nobody's health.
    "admin": frozenset({
        "series.read", "alerts.safety", "gateways.read", "gateways.manage", "configurations.manage",
        "exports.series", "accounts.manage", "audit.read", "operation.read",
    }),
    "facilities": frozenset({
        "series.read", "alerts.safety", "alerts.acknowledge", "names.ask", "gateways.read", "exports.series",
        "operation.read",
    }),
    "nurse": frozenset({
        "series.read", "alerts.health", "alerts.safety", "alerts.acknowledge", "records.health", "names.ask",
        "exports.series", "exports.records",
    }),
    # Heart rates while their lesson goes on (statement 13).
    "pe_teacher": frozenset({
        "series.read", "alerts.safety", "records.sport", "names.ask", "exports.records",
    }),
    # The state of their own class, no temperatures (statement 13).
    "class_teacher": frozenset({"series.read", "alerts.class", "alerts.safety", "names.ask"}),
    "canteen": frozenset({"series.read", "alerts.safety", "records.nutrition", "names.ask"}),
    # Aggregates only (statement 13): rooms of other people's schools are none.
    "district": frozenset(),
}  # fmt: skip

OF_ALL_SCHOOLS: Final[frozenset[Permission]] = frozenset({"accounts.manage", "audit.read"})
"""For who sees all schools only: whoever may reset any password sees what its owner sees."""

SECOND_FACTOR_ROLES: Final[frozenset[Role]] = frozenset({"admin"})
"""Who signs in with two factors, whatever they want (statement 17)."""
