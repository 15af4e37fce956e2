"""Roll-ups of a series store: minutes and hours beside it, and what is forgotten when."""

from collector.series.rollups.settings import RetentionSection
from collector.series.rollups.store import RolledStore

__all__ = ["RetentionSection", "RolledStore"]
