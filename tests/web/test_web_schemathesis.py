"""Every operation of the OpenAPI document, asked in ways it allows and in ways it does not: never a fault,
and the answers are what the document says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from collector.vault.settings import VaultSection
from collector.web.names import Names
from tests.web.conftest import SCHOOL, Running, now_ms, reading

CHECKS = (
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
)  # fmt: skip
EXAMPLES = 25


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A school with something of everything, behind a real server."""
    running = Running(tmp_path_factory.mktemp("schemathesis"))
    running.start()
    section = VaultSection(school=SCHOOL, url="https://vault.example", public_key="A" * 43 + "=")
    running.restart_with(names=Names(section, Ed25519PrivateKey.generate(), now_ms))
    school = running.school
    school.add_gateway()
    running.call(school.add([reading("co2", 812), reading("open", 1, device="door-1")]))
    running.call(school.add_alert())
    yield running
    running.stop()


def operations(served: Running) -> Iterator[APIOperation[Any, Any, Any, Any]]:
    document = schemathesis.openapi.from_url(f"{served.url}/api/v1/openapi.json")
    # A stream of events has no end.
    for found in document.exclude(path="/api/v1/events").get_all_operations():
        assert isinstance(found, Ok), found
        yield found.ok()


def takes_something(operation: APIOperation[Any, Any, Any, Any]) -> bool:
    """What takes nothing cannot be asked wrongly."""
    return bool(operation.body) or any(True for _ in operation.iter_parameters())


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_operation_has_a_fault(served: Running, subtests: pytest.Subtests, mode: GenerationMode) -> None:
    asked = 0
    for operation in operations(served):
        if mode is GenerationMode.NEGATIVE and not takes_something(operation):
            continue

        @settings(
            max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case[Any]) -> None:
            nonlocal asked
            case.call_and_validate(checks=list(CHECKS), timeout=30)
            asked += 1

        with subtests.test(operation=operation.label):
            ask()
    assert asked > 5 * EXAMPLES, "there is something to ask"
