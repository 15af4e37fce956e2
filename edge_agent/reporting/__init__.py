"""Between drivers and gate: who has been heard, who is silent, and which readings are worth sending."""

from edge_agent.reporting.reporter import Reporter
from edge_agent.reporting.rules import ReportRule, SilenceSection
from edge_agent.reporting.silence import DeviceWatch, WatchedDevice

__all__ = ["DeviceWatch", "ReportRule", "Reporter", "SilenceSection", "WatchedDevice"]
