"""The OpenAPI document is valid and complete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.openapi.models import OpenAPI
from fastapi.routing import APIRoute

from tests.web.conftest import School


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


async def test_it_is_an_openapi_document(document: dict[str, Any]) -> None:
    OpenAPI.model_validate(document)


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for child in node.values():
                yield from references(child)
        elif isinstance(node, list):
            for child in node:
                yield from references(child)

    found = set(references(document))
    assert len(found) > 10
    for reference in found:
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node


async def test_it_lists_every_route(school: School, document: dict[str, Any]) -> None:
    assert {name for name, _ in operations(document)} == {
        "GET /api/v1/series",
        "GET /api/v1/series/query",
        "GET /api/v1/gateways",
        *(f"{method} /api/v1/gateways/{{school}}/{{gateway}}/{path}" for method, path in (
            ("GET", "configuration"), ("PUT", "configuration"), ("GET", "configurations"),
            ("GET", "configurations/{version}"), ("POST", "configurations/{version}/restore"),
            ("GET", "configurations/{before}/difference/{after}"),
            ("GET", "certificates"), ("POST", "invitations"),
        )),
        "DELETE /api/v1/gateways/{school}/{gateway}",
        *(f"GET /api/v1/exports/{name}" for name in (
            "series.csv", "series.parquet", "series.senml", "rooms.ngsi-ld", "observations.fhir",
        )),
        "GET /api/v1/alerts",
        "POST /api/v1/alerts/{alert_id}/acknowledge",
        "POST /api/v1/resolve-token",
        "GET /api/v1/events",
        "GET /healthz",
        "GET /metrics",
    }  # fmt: skip


async def test_every_operation_is_described(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["description"], name
        assert operation["tags"], name
        assert all(response["description"] for response in operation["responses"].values()), name
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (name, parameter["name"])


async def test_errors_are_problem_documents(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert "500" in operation["responses"], name
        for status, response in operation["responses"].items():
            if int(status) >= 400 and (name, status) != ("GET /healthz", "503"):
                assert list(response["content"]) == ["application/problem+json"], (name, status)


async def test_no_page_of_another_host_is_offered(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await client.get(path)).status_code == 404


def test_routes_of_the_page_are_not_part_of_it(school: School) -> None:
    shown = [
        route.path for route in school.app.routes if isinstance(route, APIRoute) and route.include_in_schema
    ]
    assert not [path for path in shown if path == "/" or path.startswith("/parts")]
