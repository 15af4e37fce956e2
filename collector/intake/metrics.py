"""What the batch line counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram


class LineMetrics:
    """One set a collector; a batch counts once, when it is stored for the first time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.batches = Counter("campus_intake_batches", "Batches by outcome", ["outcome"], registry=registry)
        self.readings = Counter("campus_intake_readings", "Readings stored", registry=registry)
        self.records = Counter("campus_intake_records", "Records committed", registry=registry)
        self.records_dropped = Counter(
            "campus_intake_records_dropped",
            "Records of acknowledged batches that were not kept, by reason",
            ["reason"],
            registry=registry,
        )
        self.alerts = Counter("campus_alerts", "Alerts raised", registry=registry)
        self.refused = Counter(
            "campus_intake_refused", "Messages refused by reason", ["reason"], registry=registry
        )
        self.given_back = Counter(
            "campus_intake_given_back",
            "Messages not taken for now, which their gateways send again, by reason",
            ["reason"],
            registry=registry,
        )
        self.rule_failures = Counter(
            "campus_rule_failures",
            "Times that a rule failed on a batch, by rule or plug-in",
            ["rule"],
            registry=registry,
        )
        self.findings_too_old = Counter(
            "campus_findings_too_old",
            "Findings in readings that came too late to be told",
            registry=registry,
        )
        self.offers = Counter(
            "campus_configuration_offers", "Configurations offered to gateways", registry=registry
        )
        self.received_s = Histogram(
            "campus_intake_received_seconds",
            "Time from taking a group to its alerts and records being committed",
            ["lane"],
            registry=registry,
        )
        self.stored_s = Histogram(
            "campus_intake_stored_seconds",
            "Time from opened batches to their acknowledgement as stored, or to the wait until they are durable",
            ["lane"],
            registry=registry,
        )
