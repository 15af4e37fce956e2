"""Captured and documented posts, kept beside the checkout, against the bundled profiles."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from device_profiles.decoding import decode_input
from device_profiles.registry import Catalogue

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = REPOSITORY.parent / "shared" / "vectors" / "access_http.json"
IN_CI = os.environ.get("CI", "").lower() in {"true", "1"}
CATALOGUE = Catalogue()
RECEIVED_MS = 1_790_000_000_000


def _vectors() -> list[dict[str, Any]]:
    if not FILE.is_file():
        return []
    vectors: list[dict[str, Any]] = json.loads(FILE.read_text("utf-8"))["vectors"]
    return vectors


VECTORS = _vectors()


def test_the_vectors_are_there_or_their_absence_is_said() -> None:
    if not VECTORS:
        message = f"no vectors: {FILE} is missing; the captured posts were NOT checked"
        assert not IN_CI, message
        print(message)


# Without vectors this test does not exist: an empty parametrisation would count as a skip.
if VECTORS:

    @pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
    def test_a_post_tells_what_is_expected(vector: dict[str, Any]) -> None:
        profile = CATALOGUE.get("wecom/temperature" if "WeCom" in vector["device"] else "hikvision/isapi")
        found = decode_input(
            profile,
            json.dumps(vector["input"]["payload"]),
            received_ms=RECEIVED_MS,
            zone=ZoneInfo("Asia/Shanghai"),
        )
        assert len(found.events) == 1
        told = {name: {"value": named.value, "unit": named.unit} for name, named in found.events[0].items()}
        assert vector["expected"].items() <= told.items()
        measured = vector["expected"].get("body_temperature")
        assert [check.temperature_c for check in found.checks] == ([measured["value"]] if measured else [])
