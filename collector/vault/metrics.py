"""What the line to the vault counts: numbers only, nobody is named."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class VaultMetrics:
    """One set a collector."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.asked = Counter(
            "campus_vault_questions", "Questions to the vault by outcome", ["outcome"], registry=registry
        )
        self.orders = Counter(
            "campus_vault_orders", "Orders of the vault carried out, by kind", ["kind"], registry=registry
        )
        self.erased_rows = Counter(
            "campus_vault_erased_rows", "Rows deleted, or freed of a person, by order", registry=registry
        )
