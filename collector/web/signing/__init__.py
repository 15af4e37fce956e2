"""The pages of accounts: signing in, one's own account, those of others, the audit. All work without scripts."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response

from collector.web.problems import ProblemError
from collector.web.signing import audit, external, own, second_factor, sign_in, staff
from collector.web.signing.visitor import turn_away

_ROUTERS = (sign_in.router, second_factor.router, external.router, own.router, staff.router, audit.router)


def install(app: FastAPI) -> None:
    """Adds the pages, after `problems.install`: whoever may not see one is told so in words."""
    for router in _ROUTERS:
        app.include_router(router)
    for_programs: Any = app.exception_handlers[ProblemError]

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        response: Response = await turn_away(request, error) or await for_programs(request, error)
        return response

    app.add_exception_handler(ProblemError, on_problem)
