"""Simulated stations that post: a face terminal as Hikvision's, a thermometer as WeCom's."""

from simulators.http_push.devices import Terminal, Thermometer
from simulators.http_push.poster import Access, Poster

__all__ = ["Access", "Poster", "Terminal", "Thermometer"]
