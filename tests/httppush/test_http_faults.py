"""What goes wrong on the way, by the simulated stations' faults and by any bytes at all."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from simulators.http_push import Access, Poster
from simulators.http_push.cli import FAULTS, Station, do_wrong
from simulators.school import School
from tests.driver_rig import until
from tests.httppush.http_rig import PASSWORD, TOKEN, USERNAME, Rig, running

SCHOOL = School()
EXPECTED = {
    "oversize": (413, {"too_large": 1}, 1),
    "slow": (200, {"duplicate_event": 0}, 2),
    "cut-off": (0, {"cut_off": 1}, 1),
    "rubbish": (400, {"not_json": 1}, 1),
    "history": (200, {}, 2),
    "duplicate": (200, {"duplicate_event": 1}, 2),
    "gap": (0, {}, 1),
}


def told(rig: Rig) -> dict[str, int]:
    return {reason: count for (_, reason), count in rig.reasons.items()}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_station_with_a_fault_is_understood_afterwards(tmp_path: Path, fault: str) -> None:
    status, reasons, taps = EXPECTED[fault]
    station = Station("terminal", SCHOOL, pictures=1, temperature_c=36.5)
    async with running(tmp_path) as rig, Poster(f"{rig.url}/gate-1", Access(USERNAME, PASSWORD)) as poster:
        if fault != "oversize":
            assert await poster.post(station.heartbeat()) == 200
        assert await do_wrong(poster, station, 0, fault, slow_s=0.05) == status
        assert await poster.post(station.post(1)) == 200
        assert len(rig.taps) == len(rig.checks) == taps
        wanted = {reason: count for reason, count in reasons.items() if count}
        await until(lambda: told(rig) == wanted, f"{wanted} is counted")


async def test_a_wrong_password_gives_nothing(tmp_path: Path) -> None:
    station = Station("terminal", SCHOOL, pictures=1, temperature_c=36.5)
    async with running(tmp_path) as rig, Poster(f"{rig.url}/gate-1", Access(USERNAME, "wrong")) as poster:
        assert await poster.post(station.post(0)) == 401
        assert told(rig) == {"wrong_credential": 1}
        assert rig.taps == []


@pytest.mark.parametrize("seed", range(4))
async def test_no_bytes_stop_the_listener(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    good = (
        f"POST /sensors/air-1/{TOKEN} HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        'Transfer-Encoding: chunked\r\n\r\n3c\r\n--b\r\nContent-Type: application/json\r\n\r\n{"co2": 812}'
        "\r\n--b--\r\n\r\n0\r\n\r\n"
    ).encode()
    async with running(tmp_path) as rig:
        for _ in range(40):
            data = bytearray(good)
            for _ in range(chance.randrange(1, 6)):
                at = chance.randrange(len(data))
                data[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
            await rig.raw(bytes(data), half_close=True)
        answer = await rig.raw(good, half_close=True)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert rig.counters.dropped["posts_failed"] == 0


async def test_a_picture_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    block, blocks = b"\xff\xd8" * 16_384, 512
    head = b'--b\r\nContent-Type: application/json\r\n\r\n{"co2": 812}\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n'

    async def form() -> AsyncIterator[bytes]:
        yield head
        for _ in range(blocks):
            yield block
        yield b"\r\n--b--\r\n"

    headers = {
        "Content-Type": "multipart/form-data; boundary=b",
        "Content-Length": str(len(head) + len(block) * blocks + 9),
        "Authorization": f"Bearer {TOKEN}",
    }
    async with running(tmp_path, body_bytes_max=32 * 1024 * 1024) as rig, httpx.AsyncClient() as client:
        tracemalloc.start()
        try:
            answer = await client.post(f"{rig.url}/sensors/air-1", content=form(), headers=headers)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert answer.status_code == 200
        assert [one.value for one in rig.given] == [812.0]
        assert rig.counters.dropped["pictures_discarded"] == 1
    assert peak_bytes < 2 * 1024 * 1024, "16 MiB went through"
