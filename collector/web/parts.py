"""What the web application is made of; the program that runs it hands the parts over."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from collector.accounts.oidc import OidcSignIn
from collector.accounts.service import Accounts
from collector.alerts.numbers import AlertNumbers
from collector.enrolment.registrar import Registrar
from collector.hub import Hub
from collector.overview import Overview
from collector.records import Records
from collector.scenarios.kinds import AlertKinds
from collector.series.contract import SeriesStore
from collector.web.labels import Labels
from collector.web.names import Names
from collector.web.proxies import Proxies


@dataclass(frozen=True)
class WebParts:
    """The parts the page and the API work with.

    `title` is the school's name as the page shows it. `health` tells of each component "ok" or, in a
    few words, its trouble. `now_ms` is the wall clock. `host_names` are further names by which
    browsers may call this server; `proxies` leaves that check to those (None: none stands before it).
    `time_zone` is the school's; `labels` are its names of places and classes; `kinds` are what alerts are called,
    those of plug-ins among them; `alert_numbers` are their numbers outside, left out: of this process; `names` is None without a vault. `accounts` is None where whoever is on this
    machine may everything; `oidc` where the school has no sign-in service, and
    `registrar` where gateways are registered by hand. Setting `closing` ends every open
    event stream, so that a server can stop.
    """

    title: str
    store: SeriesStore
    records: Records
    hub: Hub
    overview: Overview
    registry: CollectorRegistry
    health: Callable[[], Mapping[str, str]]
    now_ms: Callable[[], int]
    proxies: Proxies | None = None
    host_names: frozenset[str] = frozenset()
    labels: Labels = field(default_factory=Labels)
    names: Names | None = None
    accounts: Accounts | None = None
    oidc: OidcSignIn | None = None
    registrar: Registrar | None = None
    kinds: AlertKinds = field(default_factory=AlertKinds)
    alert_numbers: AlertNumbers = field(default_factory=lambda: AlertNumbers(secrets.token_bytes(32)))
    time_zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))
    closing: asyncio.Event = field(default_factory=asyncio.Event)


def _of_request(request: Request) -> WebParts:
    parts = request.app.state.parts
    assert isinstance(parts, WebParts)
    return parts


Parts = Annotated[WebParts, Depends(_of_request)]
"""A route's parameter of this type receives the parts of the application."""
