"""The gate: nothing that could name a person passes it, and nothing reaches disk before it."""

from edge_agent.gate.gate import Gate
from edge_agent.gate.policy import Policy, load_policy

__all__ = ["Gate", "Policy", "load_policy"]
