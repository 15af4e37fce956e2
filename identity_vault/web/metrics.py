"""Counts of what the vault was asked and answered. No label says who asked, or for whom."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class WebMetrics:
    """In a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "campus_vault_answers",
            "Answers by endpoint and outcome.",
            ("endpoint", "outcome"),
            registry=self.registry,
        )
        self.names = Counter(
            "campus_vault_names", "Names that were given to browsers.", registry=self.registry
        )
        self.grants = Counter(
            "campus_vault_break_glass", "Break-glass grants that were given.", registry=self.registry
        )
        self.refused_at_door = Counter(
            "campus_vault_refused_at_door",
            "Requests refused before any endpoint, by reason.",
            ("reason",),
            registry=self.registry,
        )
        self.map_version = Gauge(
            "campus_vault_map_version", "Version of everybody's credential map.", registry=self.registry
        )
