"""How tests are spread over the processes of `pytest -n`: a file at a time, the long ones early.

pytest-xdist 3.8 has `--dist loadgroup` for this, which groups nothing under pytest 9.2: it changes an
attribute of an item that pytest has no more (pytest-dev/pytest-xdist#1386). Every test went where there was
room, and what a file or a session makes once was made by each process.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # ships no types

TOGETHER: Final = {
    "tests/privacy/test_privacy_linkage.py": "week",
    "tests/privacy/test_statement_01.py": "week",
    "tests/privacy/test_statement_05.py": "week",
    "tests/privacy/test_statement_18.py": "week",
}
"""Files that share what is dear to make: one process has all of a group."""
LONG: Final = (
    "week",
    "tests/chaos/test_chaos_storm.py",
    "tests/series/test_series_conformance.py",
    "tests/chaos/test_chaos_collector.py",
    "tests/web/test_web_page.py",
    "tests/series/test_victoria_kill.py",
    "tests/web/test_web_signed_in_page.py",
    "tests/line/test_line_refusals.py",
    "tests/line/test_line_demo.py",
    "tests/chaos/test_chaos_gateway.py",
    "tests/buffer/test_buffer_kill.py",
    "tests/fuzz/test_fuzz_web.py",
    "tests/serial/test_serial_line.py",
    "tests/line/test_line_victoria.py",
    "tests/chaos/test_chaos_full_disk.py",
    "tests/collector/test_collector_service.py",
    "tests/edge/test_edge_cli.py",
    "tests/modbus/test_modbus_line.py",
    "tests/fleet/test_fleet_end_to_end.py",
    "tests/line/test_line_personal.py",
    "tests/line/test_line_interruptions.py",
    "tests/web/test_web_schemathesis.py",
    "tests/enrolment/test_enrolment_gateway_line.py",
    "tests/web/test_web_names.py",
    "tests/vault/test_vault_guardian_page.py",
    "tests/fleet/test_fleet_browser.py",
    "tests/privacy/test_statement_10.py",
    "tests/web/test_web_break_glass.py",
    "tests/line/test_line_configuration.py",
    "tests/line/test_line_https.py",
    "tests/chaos/test_chaos_configuration.py",
    "tests/plugins/test_plugins_example.py",
    "tests/payloads/test_payload_fuzz.py",
    "tests/osdp/test_osdp_line.py",
    "tests/line/test_line_vectors.py",
    "tests/fuzz/test_fuzz_topics.py",
    "tests/ble/test_ble_recovery.py",
    "tests/ble/test_ble_commands.py",
)
"""The longest first. Most of them wait for processes of their own, so they stand between the others: then
the machine has something to do meanwhile.
"""


class FileAtATime(LoadScopeScheduling):  # type: ignore[misc]  # as above
    """All tests of a file, or of files that belong together, go to one process, in their order."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # the order is that of `in_order`

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def unit_of(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    return TOGETHER.get(file, file)


def in_order(units: Iterable[str]) -> list[str]:
    """The long ones from the beginning on, as many others between each two of them."""
    found = dict.fromkeys(units)
    long = [unit for unit in LONG if unit in found]
    others = [unit for unit in found if unit not in LONG]
    between = len(others) // max(len(long), 1)
    ordered = []
    for unit in long:
        ordered += [unit, *others[:between]]
        del others[:between]
    return ordered + others
