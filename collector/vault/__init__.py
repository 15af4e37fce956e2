"""The collector's line to the identity vault: class lists and orders come in, reports go out; no names."""

from collector.vault.client import VaultClient, VaultError, VaultRefusedError
from collector.vault.link import VaultLink, open_link
from collector.vault.metrics import VaultMetrics

__all__ = ["VaultClient", "VaultError", "VaultLink", "VaultMetrics", "VaultRefusedError", "open_link"]
