"""InfluxDB 1.6.7: lines it does not take, databases it does not have, users it does not know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from collector.series.contract import BatchesRefusedError, StoreAwayError
from collector.series.influx import Influx, InfluxTarget
from collector.series.opening import open_store
from collector.series.server_store import ServerStore
from collector.series.server_wire import Access, ServerWire
from collector.series.settings import StoreSection
from telemetry.batch import Body
from tests.series.servers import InfluxServer
from tests.series.test_server_faults import KEY, T0, make_batch


async def test_a_batch_the_server_never_takes_is_found_among_others(influx: InfluxServer) -> None:
    influx.ask("/query", q='CREATE DATABASE "refusing"')
    wire = ServerWire(Access(influx.url))
    # Somebody else has written this field as a text: points of this quantity are refused from now on.
    wire.write(
        "/write",
        [("db", "refusing")],
        b'environment_temperature_celsius value="warm" %d\n' % (T0 * 1_000_000),
    )
    store = ServerStore(Influx(wire, InfluxTarget("refusing")), hold_s=0, held_bytes_max=0)
    bad = make_batch(3, key=KEY._replace(quantity="temperature"))
    batches = [make_batch(1), make_batch(2), bad, make_batch(4)]
    with pytest.raises(BatchesRefusedError) as refused:
        await store.append(batches)
    assert list(refused.value.refused) == [bad.key]
    await (await store.append([one for one in batches if one is not bad]))
    assert await store.point_count() == 3
    await store.close()


async def test_a_refused_series_costs_its_batch_no_other_reading(influx: InfluxServer) -> None:
    influx.ask("/query", q='CREATE DATABASE "sorting"')
    wire = ServerWire(Access(influx.url))
    strange = b'environment_temperature_celsius value="warm" %d\n' % (T0 * 1_000_000)
    wire.write("/write", [("db", "sorting")], strange)
    store = ServerStore(Influx(wire, InfluxTarget("sorting")), hold_s=0, held_bytes_max=0)
    quantities = ("co2", "relative_humidity", "temperature", "illuminance", "pm2_5")
    keys = [KEY._replace(quantity=quantity) for quantity in quantities]
    batch = make_batch(1)
    body = Body(keys, [2] * 5, [T0, T0 + 1] * 5, [float(n) for n in range(10)], [0] * 10, [])
    with pytest.raises(BatchesRefusedError) as refused:
        await store.append([batch._replace(body=body)])
    assert refused.value.refused == {batch.key: "the series store refused with 400: 2 of 10 readings"}
    found = {info.quantity: info.latest.value for info in await store.series()}
    assert found == {"co2": 1.0, "relative_humidity": 3.0, "illuminance": 7.0, "pm2_5": 9.0}
    assert await store.point_count() == 8
    await store.close()


async def test_a_database_that_does_not_exist_says_so(influx: InfluxServer) -> None:
    store = ServerStore(
        Influx(ServerWire(Access(influx.url)), InfluxTarget("nowhere")), hold_s=0, held_bytes_max=0
    )
    with pytest.raises(StoreAwayError, match=r"no such database; create it"):
        await store.append([make_batch(1)])
    influx.ask("/query", q='CREATE DATABASE "nowhere"')
    await (await store.append([make_batch(1)]))
    influx.ask("/query", q='DROP DATABASE "nowhere"')
    with pytest.raises(StoreAwayError, match=r"no such database; create it"):
        await store.append([make_batch(2)])
    await store.close()


async def test_points_older_than_the_database_keeps_are_left_out_and_counted(influx: InfluxServer) -> None:
    influx.ask("/query", q='CREATE DATABASE "short" WITH DURATION 24h')
    section = StoreSection(kind="influxdb", url=influx.url, database="short")
    registry = CollectorRegistry()
    store = await open_store(section, Path("unused"), registry)
    await (await store.append([make_batch(1)]))
    assert await store.point_count() == 0
    labels = {"reason": "older than the store keeps"}
    assert registry.get_sample_value("campus_series_points_left_out_total", labels) == 1
    await store.close()


async def test_a_wrong_password_is_loud_and_never_said(
    influx_with_users: InfluxServer, tmp_path: Path
) -> None:
    token = tmp_path / "store.token"
    section = StoreSection(kind="influxdb", url=influx_with_users.url, database="campus", token_file=token)
    token.write_text("admin:wrong-geheim\n", "utf-8")
    store = await open_store(section, Path("unused"), CollectorRegistry())
    with pytest.raises(StoreAwayError, match="token_file") as error:
        await store.append([make_batch(1)])
    assert "geheim" not in repr(error.value)
    await store.close()
    token.write_text("admin:right-geheim\n", "utf-8")
    store = await open_store(section, Path("unused"), CollectorRegistry())
    await (await store.append([make_batch(1)]))
    await store.close()


@pytest.fixture
def influx_with_users() -> Iterator[InfluxServer]:
    server = InfluxServer("auth").start()
    try:
        server.ask("/query", q="CREATE USER admin WITH PASSWORD 'right-geheim' WITH ALL PRIVILEGES")
        server.ask("/query?u=admin&p=right-geheim", q="CREATE DATABASE campus")
        yield server
    finally:
        server.remove()
