"""Errors as problem documents (RFC 9457): one shape for every error of this server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from collector.records import RecordsUnavailableError
from collector.series.contract import QueryTooLargeError, StoreUnavailableError
from collector.text import Text
from collector.web.problem_words import KINDS, OF_STATUS, TYPE, Kind, place_of, title_of, wrong_words
from collector.web.rendering import answer, fill, language_of

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
    """A problem document (RFC 9457). Its words are Chinese, or English where `Accept-Language` asks for it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:campus-pulse:problem:invalid",
                    "title": "Something is wrong",
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
        description="The kind of problem, the same in every language: "
        f"`{TYPE}` and one of {', '.join(f'`{kind}`' for kind in KINDS)}."
    )
    title: str = Field(description="The meaning of the status code.")
    status: int = Field(description="The HTTP status code.")
    detail: str = Field(description="What went wrong here, for people.")
    remedy: str | None = Field(default=None, description="What would help.")
    errors: list[FieldError] = Field(default=[], description="The parameters that are wrong.")


class Wrong(NamedTuple):
    """A `FieldError` before the language is known."""

    parameter: str
    location: str
    message: Text


class ProblemError(Exception):
    """Ends a request with a problem document, or with a page that says it where somebody looks at one.

    kind: by which programs tell it from others of its status; the status' own unless given.
    """

    def __init__(
        self,
        status: int,
        detail: Text,
        *,
        kind: Kind | None = None,
        remedy: Text | None = None,
        errors: tuple[Wrong, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail.en)
        self.headers = headers
        self.status, self.detail, self.remedy, self.errors = status, detail, remedy, errors
        self.kind: Kind = kind or OF_STATUS.get(status, "other")

    @property
    def title(self) -> Text:
        return title_of(self.status)


ForPeople = Callable[[Request, ProblemError], Awaitable[Response | None]]
"""The page that says an error; None for programs and scripts."""


def parameter_error(parameter: str, message: Text, remedy: Text | None = None) -> ProblemError:
    """A query parameter that reads well but cannot be met."""
    wrong = Wrong(parameter, "query", message)
    return ProblemError(422, place_of("query", parameter, message), remedy=remedy, errors=(wrong,))


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


def document(request: Request, error: ProblemError) -> Response:
    """For programs and scripts, in the language that they ask for."""
    language = language_of(request, request.query_params.get("lang"))
    problem = Problem(
        type=TYPE + error.kind,
        title=error.title.in_(language),
        status=error.status,
        detail=error.detail.in_(language),
        remedy=error.remedy.in_(language) if error.remedy else None,
        errors=[
            FieldError(parameter=one.parameter, location=one.location, message=one.message.in_(language))
            for one in error.errors
        ],
    )
    headers = {
        "Content-Language": "zh-CN" if language == "zh" else "en",
        "Vary": "Accept-Language, Cookie",
        **(error.headers or {}),
    }
    return Response(problem.model_dump_json(exclude_none=True), error.status, headers, MEDIA_TYPE)


def trouble_page(request: Request, error: ProblemError, title: str, who: object = None) -> Response:
    """The same for who looks at a page. title: the school's name; who: a `Visitor`, where that is known."""
    language = language_of(request, request.query_params.get("lang"))
    html = fill("trouble_page.html", language, title=title, who=who, path="", error=error)
    response = answer(html, error.status)
    response.headers.update(error.headers or {})
    return response


def install(app: FastAPI, for_people: ForPeople) -> None:
    """Answers every error of `app`; unforeseen faults are the boundary's. for_people: the answer for who looks
    at a page; None from it: a problem document.
    """

    async def say(request: Request, error: Exception) -> Response:
        problem = error if isinstance(error, ProblemError) else _as_problem(request, error)
        return await for_people(request, problem) or document(request, problem)

    for kind in (
        ProblemError, HTTPException, RequestValidationError, QueryTooLargeError, StoreUnavailableError,
        RecordsUnavailableError,
    ):  # fmt: skip
        app.add_exception_handler(kind, say)


def _as_problem(request: Request, error: Exception) -> ProblemError:
    if isinstance(error, HTTPException):
        return _http_error(request, error)
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, QueryTooLargeError):
        return ProblemError(
            422,
            Text("要的数据太多", str(error) or "the answer would be too large"),
            kind="answer-too-large",
            remedy=Text("请加大时间间隔，或缩短时间范围。", "Ask for a larger step or a shorter range."),
        )
    _log.warning("web.unavailable", path=request.url.path, reason=type(error).__name__)
    if isinstance(error, StoreUnavailableError):
        detail = Text("数据存储暂时没有回应", "the series store cannot answer now")
    else:
        detail = Text("数据库暂时没有回应", "the records database cannot answer now")
    return ProblemError(
        503,
        detail,
        remedy=Text(f"请过 {RETRY_AFTER_S} 秒再试。", f"Try again in {RETRY_AFTER_S} s."),
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


def _http_error(request: Request, error: HTTPException) -> ProblemError:
    path, remedy = request.url.path, None
    detail = Text(title_of(error.status_code).zh, str(error.detail))
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = Text(f"没有 {path} 这个地址", f"there is nothing at {path}")
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = Text(f"{path} 不接受 {request.method}", f"{request.method} is not allowed at {path}")
    if error.status_code in {404, 405} and path.startswith("/api/"):
        remedy = Text("接口说明见 /api/v1/openapi.json。", "The API is described at /api/v1/openapi.json.")
    return ProblemError(error.status_code, detail, remedy=remedy, headers=error.headers)


def _invalid(error: RequestValidationError) -> ProblemError:
    errors = tuple(
        Wrong(
            str(found["loc"][1]) if len(found["loc"]) > 1 else str(found["loc"][0]),
            str(found["loc"][0]),
            wrong_words(found),
        )
        for found in error.errors()
    )
    placed = [place_of(one.location, one.parameter, one.message) for one in errors]
    return ProblemError(
        422,
        Text("；".join(one.zh for one in placed)[:1_000], "; ".join(one.en for one in placed)[:1_000]),
        remedy=Text("请改正 errors 中列出的参数。", "Correct the parameters named in errors."),
        errors=errors[:20],
    )
