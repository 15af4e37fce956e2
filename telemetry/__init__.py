"""The contract that gateways and collectors share. Pure: no network, no threads, no state.

Quantities, readings and records say what may be told; batch, envelope, acknowledgement and status
say how it travels. docs/wire-format.md is the same in prose.
"""

__all__: list[str] = []
