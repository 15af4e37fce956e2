"""What the vault's web application is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from identity_vault.exchange.desk import ExchangeDesk
from identity_vault.names import NamesDesk
from identity_vault.vault import Vault
from identity_vault.web.metrics import WebMetrics


@dataclass(frozen=True)
class WebParts:
    """The program that serves hands these over."""

    vault: Vault
    exchange: ExchangeDesk
    names: NamesDesk
    metrics: WebMetrics = field(default_factory=WebMetrics)


def _of_request(request: Request) -> WebParts:
    parts = request.app.state.parts
    assert isinstance(parts, WebParts)
    return parts


Parts = Annotated[WebParts, Depends(_of_request)]
"""A route's parameter of this type receives the parts of the application."""
