"""Clocks that jump, of the collector and of the gateway, under load."""

from __future__ import annotations

from pathlib import Path

from foundation.wholefile import write_whole
from tests.chaos.restless_site import RestlessSite, rounds
from tests.line.running_site import eventually

DAY_S = 86_400
JUMPS_S = (20 * DAY_S, -3 * DAY_S, 400 * DAY_S, 0) * rounds(1)
GATEWAY_JUMPS_S = (7_200, -7_200, 0)


def test_clocks_that_jump_cost_no_reading_and_no_record(restless: RestlessSite) -> None:
    """The collector is weeks ahead, then days behind, then a year ahead: what arrives meanwhile is neither
    of the future for it nor too old to keep, and an alert is an alert. The gateway's clock goes back by hours:
    each reading has the time it was given, and every promise is kept once.
    """
    clocks = {name: restless.folder / f"{name}.clock" for name in ("collector", "gateway")}
    for clock in clocks.values():
        _set(clock, 0)
    restless.launch_collector(clock=str(clocks["collector"]))
    restless.launch_gateway(clock=str(clocks["gateway"]))
    restless.publisher.start()
    for jump_s in JUMPS_S:
        restless.await_stored()
        _set(clocks["collector"], jump_s)
        alerts = len(restless.alerts())
        restless.await_stored()
        eventually(lambda alerts=alerts: len(restless.alerts()) > alerts, "a new alert")  # type: ignore[misc]
    for jump_s in GATEWAY_JUMPS_S:
        restless.await_stored()
        _set(clocks["gateway"], jump_s)
        restless.await_promise()
    restless.settle()
    figures = restless.check_balance()
    print(figures)
    assert figures["lives"] == 1


def _set(clock: Path, seconds: int) -> None:
    write_whole(clock, str(seconds).encode())
