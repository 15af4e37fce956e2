"""What roll-ups and retention tell of themselves."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class RollupMetrics:
    """Metrics of one RolledStore."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.waiting = Gauge(
            "campus_rollup_hours_waiting",
            "Hours of gateways that are not rolled up yet, the present ones included.",
            registry=registry,
        )
        self.rolled = Counter(
            "campus_rollup_hours_rolled", "Hours of gateways rolled up from points.", registry=registry
        )
        self.late = Counter(
            "campus_rollup_late_points",
            "Points older than points are kept, by where they went.",
            ["into"],
            registry=registry,
        )
        self.forgotten = Counter(
            "campus_series_forgotten",
            "Points, minutes and hours deleted because their time was over.",
            ["kind"],
            registry=registry,
        )
        self.renewed = Counter(
            "campus_rollup_files_renewed",
            "Damaged files of roll-ups put aside and made anew since the start.",
            registry=registry,
        )
        self.reach = Gauge(
            "campus_series_reach_seconds",
            "Since when points, minutes and hours are kept, in seconds since 1970; 0: all.",
            ["kind"],
            registry=registry,
        )
