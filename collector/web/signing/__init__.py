"""The pages of accounts: signing in, one's own account, those of others, the audit. All work without scripts."""

from __future__ import annotations

from fastapi import FastAPI

from collector.web.signing import audit, external, own, second_factor, sign_in, staff
from collector.web.signing.visitor import for_people

__all__ = ["for_people", "install"]

_ROUTERS = (sign_in.router, second_factor.router, external.router, own.router, staff.router, audit.router)


def install(app: FastAPI) -> None:
    """Adds the pages."""
    for router in _ROUTERS:
        app.include_router(router)
