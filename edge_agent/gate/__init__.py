"""The gate: nothing that could name a person passes it, and nothing reaches disk before it."""

from edge_agent.gate.credentials import Credentials, Lookup, MapUnusableError
from edge_agent.gate.gate import Gate

__all__ = ["Credentials", "Gate", "Lookup", "MapUnusableError"]
