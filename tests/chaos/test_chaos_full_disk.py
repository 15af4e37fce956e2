"""A full disk under the collector: it refuses, stays up, and goes on when there is room."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from collector.intake.suspects import FAILURES_MAX
from tests.chaos.restless_site import Nurseling, Nursery, RestlessSite, rounds
from tests.conftest import Mosquitto
from tests.line.running_site import eventually

ROUNDS = rounds(2)
DISK_BYTES = 64 * 1024 * 1024
KEPT_BATCHES = 20
LARGE_READINGS = 100


class Disk(NamedTuple):
    """How to fill the disk under a collector's data, and how to make room again."""

    fill: Callable[[RestlessSite], None]
    make_room: Callable[[RestlessSite], None]


def _fill_with_a_file(site: RestlessSite) -> None:
    filler = site.folder / "collector-data" / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


def _remove_the_file(site: RestlessSite) -> None:
    (site.folder / "collector-data" / "filler").unlink()


def _limit_file_sizes(site: RestlessSite) -> None:
    """No file grows beyond what the largest one is now, or a log's few lines could not be written."""
    largest = max(file.stat().st_size for file in (site.folder / "collector-data").iterdir())
    _limit(site, largest)


def _unlimit_file_sizes(site: RestlessSite) -> None:
    _limit(site, resource.RLIM_INFINITY)


def _limit(site: RestlessSite, size_bytes: int) -> None:
    pid = _collector(site).pid
    hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (min(size_bytes, hard) if hard > 0 else size_bytes, hard))


@pytest.fixture(params=["mount", "limit"])
def full_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A small tmpfs where mounting is permitted, and everywhere a limit of the size of files."""
    folder = tmp_path / "collector-data"
    folder.mkdir()
    with ExitStack() as stack:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
        if (
            request.param == "mount"
            and os.geteuid() == 0
            and subprocess.run(mount, check=False, capture_output=True).returncode == 0
        ):
            stack.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
            yield Disk(_fill_with_a_file, _remove_the_file)
        else:
            yield Disk(_limit_file_sizes, _unlimit_file_sizes)


def test_a_full_disk_stops_acknowledgements_and_nothing_else(
    full_disk: Disk, tmp_path: Path, mosquitto: Mosquitto, nursery: Nursery
) -> None:
    """While nothing can be written the collector acknowledges nothing, the gateway keeps everything,
    and the API goes on answering from what there is. With room again both go on by themselves, and
    what came meanwhile is there once. In every second round the full collector is killed as well.
    """
    site = RestlessSite(tmp_path, mosquitto, nursery)
    try:
        site.launch_collector()
        site.launch_gateway()
        site.publisher.start()
        for number in range(ROUNDS):
            site.await_stored()
            _fill_and_look(site, full_disk)
            full_disk.make_room(site)
            if number % 2:
                site.kill_collector()
                site.launch_collector()
            else:
                _await_word(site, "available again")
        site.settle()
        figures = site.check_balance()
        print(figures, dict(site.kills))
        assert figures["lives"] == 1
    finally:
        site.close()


def test_a_large_batch_is_not_to_blame_for_a_small_room(
    tmp_path: Path, mosquitto: Mosquitto, nursery: Nursery
) -> None:
    """Small batches go into what a nearly full disk has left, a large one fails again and again. It
    is not taken for a bad one, which would be refused for good and deleted at its gateway: once
    there is room it is stored. The store's failure is injected at its only write.
    """
    site = RestlessSite(tmp_path, mosquitto, nursery, gateways=("a", "b"), slow="b")
    try:
        site.launch_collector(no_room_for=LARGE_READINGS, times=FAILURES_MAX + 2)
        for name in site.gateways:
            site.launch_gateway(name)
        site.publisher.start()
        eventually(lambda: ("gw-b", "bulk") in {key[:2] for key in site.stored()}, "a large batch is stored")
        site.settle()
        print(site.check_balance())
    finally:
        site.close()


def _fill_and_look(site: RestlessSite, disk: Disk) -> None:
    collector = _collector(site)
    collector.forget_log()
    disk.fill(site)
    _await_word(site, "batches stay at the gateways")
    before, points = _bulk_stored(site), len(site.points("air-a", "co2"))
    eventually(lambda: site.buffered() >= KEPT_BATCHES, "the gateway keeps what is not acknowledged")
    assert collector.running
    assert httpx.get(f"{site.url}/healthz", timeout=30).json()["status"] == "trouble"
    assert len(site.points("air-a", "co2")) >= points > 0
    assert _bulk_stored(site) - before <= 8, "what fitted into pages already there"


def _collector(site: RestlessSite) -> Nurseling:
    assert isinstance(site.collector, Nurseling)
    return site.collector


def _await_word(site: RestlessSite, event: str) -> None:
    collector = _collector(site)
    eventually(lambda: collector.said(event), f"the collector says {event!r}")


def _bulk_stored(site: RestlessSite) -> int:
    return sum(
        last - first + 1
        for (_, stream, _), ranges in site.stored().items()
        for first, last in ranges
        if stream == "bulk"
    )
