"""InfluxDB 2 by a double: its documented write endpoint and errors, in front of a real 1.6.7 that answers
InfluxQL. No InfluxDB 2 has been run; docs/verification.md says so.

https://docs.influxdata.com/influxdb/v2/api/v2/#operation/PostWrite and
https://docs.influxdata.com/influxdb/v2/api-guide/influxdb-1x/: `org` and `bucket` (name or id) are
required, `Authorization: Token …`, 204 when written; errors are JSON with `code` and `message`: 400
"invalid", 401 "unauthorized", 404 "not found", 413 "request too large", 503 "unavailable". InfluxQL goes
to /query with `db`, mapped to a bucket, and knows the token too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from prometheus_client import CollectorRegistry

from collector.series.contract import BatchesRefusedError, StoreAwayError
from collector.series.opening import open_store
from collector.series.settings import StoreSection
from tests.series.server_double import Asked, Reply, ServerDouble
from tests.series.servers import InfluxServer
from tests.series.test_server_faults import make_batch

TOKEN = "c2VjcmV0LXRva2Vu=="


class InfluxDb2Double:
    def __init__(self, behind: InfluxServer) -> None:
        self._behind = behind
        self._http = urllib3.PoolManager(retries=False)

    def __call__(self, asked: Asked) -> Reply:
        if asked.headers.get("Authorization") != f"Token {TOKEN}":
            return _problem(401, "unauthorized", "unauthorized access")
        if asked.path == "/api/v2/write":
            return self._write(asked)
        if asked.path == "/query":
            answer = self._http.request(
                "POST", self._behind.url + "/query", fields=asked.fields, encode_multipart=False
            )
            return Reply(answer.status, answer.data)
        return _problem(404, "not found", "path not found")

    def _write(self, asked: Asked) -> Reply:
        if asked.fields.get("org") != "example" or "bucket" not in asked.fields:
            return _problem(404, "not found", "organization not found")
        if asked.fields["bucket"] != "campus":
            return _problem(404, "not found", f'bucket "{asked.fields["bucket"]}" not found')
        if asked.fields.get("precision") not in ("ms", "s", "us", "ns"):
            return _problem(400, "invalid", "invalid precision")
        query = f"/write?db=campus&precision={asked.fields['precision']}"
        answer = self._http.request("POST", self._behind.url + query, body=asked.body)
        if answer.status == 400:
            return _problem(400, "invalid", json.loads(answer.data)["error"])
        return Reply(answer.status)


def _problem(status: int, code: str, message: str) -> Reply:
    return Reply(status, json.dumps({"code": code, "message": message}).encode())


@pytest.fixture
def influx2(influx: InfluxServer) -> Iterator[ServerDouble]:
    influx.ask("/query", q="CREATE DATABASE campus")
    with ServerDouble(InfluxDb2Double(influx)).running() as double:
        yield double
    influx.ask("/query", q="DROP DATABASE campus")


def section(
    double: ServerDouble, folder: Path, *, token: str = TOKEN, bucket: str = "campus"
) -> StoreSection:
    (folder / "token").write_text(token + "\n", "utf-8")
    return StoreSection(
        kind="influxdb", url=double.url, api="v2", org="example", database=bucket, token_file=folder / "token"
    )


async def test_what_is_written_by_v2_is_read_by_influxql(influx2: ServerDouble, tmp_path: Path) -> None:
    store = await open_store(section(influx2, tmp_path), Path("unused"), CollectorRegistry())
    await (await store.append([make_batch(1), make_batch(2)]))
    await (await store.append([make_batch(2)]))
    [info] = await store.series()
    [answer] = await store.query([info.id], 0, 10**20)
    assert answer.value == [1.0, 2.0]
    assert await store.point_count() == 2
    await store.close()


async def test_errors_of_v2_say_what_to_do(influx2: ServerDouble, tmp_path: Path) -> None:
    wrong = section(influx2, tmp_path, token="another")  # an invented one
    store = await open_store(wrong, Path("unused"), CollectorRegistry())
    with pytest.raises(StoreAwayError, match="token_file"):
        await store.append([make_batch(1)])
    await store.close()
    wrong = section(influx2, tmp_path, bucket="nowhere")
    store = await open_store(wrong, Path("unused"), CollectorRegistry())
    with pytest.raises(StoreAwayError, match="no such database"):
        await store.append([make_batch(1)])
    await store.close()


async def test_a_line_that_v2_does_not_take_is_refused(
    influx2: ServerDouble, influx: InfluxServer, tmp_path: Path
) -> None:
    influx.write("campus", b'environment_co2_ppm value="x" 1577836800000')
    store = await open_store(section(influx2, tmp_path), Path("unused"), CollectorRegistry())
    batch = make_batch(1)
    with pytest.raises(BatchesRefusedError) as refused:
        await store.append([batch])
    assert list(refused.value.refused) == [batch.key]
    await store.close()
