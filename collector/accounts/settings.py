"""The `[accounts]` section of collector.toml."""

from __future__ import annotations

from foundation.tomlfile import StrictModel


class AccountsSection(StrictModel):
    """required: whether page and API ask who somebody is. Without it whoever reaches them may do everything,
    which is for a trial on one machine, or behind a proxy that asks.
    """

    required: bool = True
