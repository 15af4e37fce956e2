"""Errors as problem documents (RFC 9457): one shape for every error of this server."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from collector.records import RecordsUnavailableError
from collector.series.contract import QueryTooLargeError, StoreUnavailableError

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 5

_log = structlog.get_logger(__name__)


class FieldError(BaseModel):
    """One thing that is wrong with one parameter."""

    parameter: str = Field(description="The parameter's name as sent.", examples=["start"])
    location: str = Field(description="Where it was: query, path, body or header.", examples=["query"])
    message: str = Field(
        description="What was expected.", examples=["not an ISO 8601 time with zone, nor milliseconds"]
    )


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Unprocessable Content",
                    "status": 422,
                    "detail": "query parameter start: not an ISO 8601 time with zone, nor milliseconds",
                    "remedy": "Correct the parameters named in errors.",
                    "errors": [
                        {
                            "parameter": "start",
                            "location": "query",
                            "message": "not an ISO 8601 time with zone, nor milliseconds",
                        }
                    ],
                }
            ]
        }
    )

    type: str = Field(
        default="about:blank", description="Always about:blank: title and status tell the kind."
    )
    title: str = Field(description="The meaning of the status code.")
    status: int = Field(description="The HTTP status code.")
    detail: str = Field(description="What went wrong here, for people.")
    remedy: str | None = Field(default=None, description="What would help.")
    errors: list[FieldError] = Field(default=[], description="The parameters that are wrong.")


class ProblemError(Exception):
    """Ends a request with a problem document."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        remedy: str | None = None,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.headers = headers
        self.status, self.detail, self.remedy, self.errors = status, detail, remedy, errors


def parameter_error(parameter: str, message: str, remedy: str | None = None) -> ProblemError:
    """A query parameter that reads well but cannot be met."""
    error = FieldError(parameter=parameter, location="query", message=message)
    return ProblemError(422, f"query parameter {parameter}: {message}", remedy=remedy, errors=(error,))


_WORDS: Final = {
    400: "The request cannot be read.",
    401: "Nobody is signed in.",
    403: "The role may not do this, or the request changes something and is not from this server's page.",
    404: "There is nothing here.",
    405: "The method is not allowed here.",
    409: "It does not go with what there is; detail says why.",
    412: "If-Match does not name what there is now.",
    413: "The request body is too large.",
    415: "The body is of a kind that is not taken here.",
    421: "This server is not called by that name.",
    422: "A parameter is wrong; errors names it.",
    429: "Too many requests; Retry-After says when to ask again.",
    500: "A fault of this program; its log has the cause.",
    503: "A part of the collector cannot answer now; Retry-After says when to ask again.",
}


def describe(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entries of the errors a route may answer with; 421 and 500 are always among them."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": _WORDS[status], "content": content}
        for status in sorted({*statuses, 421, 500})
    }


def describe_guarded(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same for a route that not everybody may ask."""
    return describe(401, 403, 429, *statuses)


def problem_response(
    status: int,
    detail: str,
    *,
    remedy: str | None = None,
    errors: tuple[FieldError, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    problem = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, remedy=remedy, errors=list(errors)
    )
    return Response(problem.model_dump_json(exclude_none=True), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answers every error of `app` as a problem document; unforeseen faults are the boundary's."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(QueryTooLargeError, _on_too_large)
    app.add_exception_handler(StoreUnavailableError, _on_unavailable)
    app.add_exception_handler(RecordsUnavailableError, _on_unavailable)


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem_response(
        error.status, error.detail, remedy=error.remedy, errors=error.errors, headers=error.headers
    )


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = {
        404: f"there is nothing at {request.url.path}",
        405: f"{request.method} is not allowed at {request.url.path}",
    }.get(error.status_code, str(error.detail))
    remedy = "The API is described at /api/v1/openapi.json." if error.status_code in {404, 405} else None
    return problem_response(error.status_code, detail, remedy=remedy, headers=error.headers)


async def _on_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = tuple(
        FieldError(
            location=str(found["loc"][0]),
            parameter=str(found["loc"][1]) if len(found["loc"]) > 1 else str(found["loc"][0]),
            message=found["msg"].removeprefix("Value error, "),
        )
        for found in error.errors()
    )
    detail = "; ".join(f"{found.location} parameter {found.parameter}: {found.message}" for found in errors)
    return problem_response(
        422, detail[:1_000], remedy="Correct the parameters named in errors.", errors=errors[:20]
    )


async def _on_too_large(_: Request, error: Exception) -> Response:
    return problem_response(
        422, str(error) or "the answer would be too large", remedy="Ask for a larger step or a shorter range."
    )


async def _on_unavailable(request: Request, error: Exception) -> Response:
    _log.warning("web.unavailable", path=request.url.path, reason=type(error).__name__)
    part = "series store" if isinstance(error, StoreUnavailableError) else "records database"
    return problem_response(
        503,
        f"the {part} cannot answer now",
        remedy=f"Try again in {RETRY_AFTER_S} s.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )
