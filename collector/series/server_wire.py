"""Requests to a series server: blocks of lines through influxdb-client, questions by plain HTTP.

Every failure is mapped here by what the caller does about it:

| answer | raised |
|---|---|
| no connection, 408, 429, 5xx, what no such server says | StoreAwayError: try again later |
| 507, or words about a disk that is full or read-only | StoreFullError |
| 401, 403, an unknown database | StoreAwayError whose words say what to put right |
| 400, 413, 422 | RefusedError |
"""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as AskedTooLongError

from collector.series.contract import QueryTooLargeError, StoreAwayError, StoreFullError

TIMEOUT_S: Final = 30.0
ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
_GZIP_LEVEL: Final = 1
"""The client's own is 9, which costs ten times the time for a tenth of the bytes."""
_NO_ROOM: Final = re.compile(
    r"no space left|disk (is )?full|read-?only mode|disk quota|free disk space", re.IGNORECASE
)
_NO_DATABASE: Final = re.compile(
    r"database not found|bucket .*not found|could not find (bucket|database)", re.IGNORECASE
)


_LIMIT: Final = re.compile(r"max-series-per-database|max-values-per-tag", re.IGNORECASE)
_REMEDIES: Final = {
    0: "has a certificate that is not accepted; see [store] ca_file",
    401: "does not let this collector in (401); see [store] token_file",
    403: "does not let this collector in (403); see [store] token_file",
    429: "asks to send less (429)",
}


class RefusedError(Exception):
    """The server understood the request and will never do it: lines it does not take, a wrong question."""


class Access(NamedTuple):
    """How a server is reached. `token`: one, or "user:password"; `scheme` is how a token is called."""

    url: str
    token: str = ""
    scheme: str = "Token"
    ca_file: Path | None = None
    gzip: bool = False
    extra: tuple[tuple[str, str], ...] = ()
    """Goes with every request, such as ("db", "campus")."""

    def __repr__(self) -> str:
        return f"Access({self.url})"


Fields = Sequence[tuple[str, str]]


class ServerWire:
    """Blocks: to be used from threads."""

    def __init__(self, access: Access, *, timeout_s: float = TIMEOUT_S) -> None:
        self._url = access.url.rstrip("/")
        self._gzip = access.gzip
        self._extra = access.extra
        ca_file = str(access.ca_file) if access.ca_file else None
        # Without its own ways to sign in: one of them asks an endpoint that only InfluxDB 2 has.
        self._client = InfluxDBClient(self._url, "", timeout=int(timeout_s * 1_000), ssl_ca_cert=ca_file)
        self._headers = _authorization(access)
        self._pool = urllib3.PoolManager(
            maxsize=4, timeout=urllib3.Timeout(timeout_s), retries=False, ca_certs=ca_file
        )

    def write(self, path: str, query: Fields, block: bytes) -> None:
        """A block of lines. Raises StoreAwayError, StoreFullError, RefusedError."""
        encoding = "identity"
        if self._gzip:
            block, encoding = gzip.compress(block, _GZIP_LEVEL, mtime=0), "gzip"
        headers = {**self._headers, "Content-Encoding": encoding, "Content-Type": "text/plain; charset=utf-8"}
        try:
            try:
                status = self._post(path, query, headers, block)
            except AskedTooLongError:
                raise
            except HTTPError:
                # The server has closed the connection meanwhile. Once more: lines replace themselves.
                status = self._post(path, query, headers, block)
        except ApiException as error:
            raise self._explain(error.status or 0, str(error.body or error.reason)) from None
        except (HTTPError, OSError) as error:
            raise self._unreachable(error) from None
        except ValueError:
            raise StoreAwayError(f"{self._url} answers with bytes that are no text") from None
        if status != 204:
            raise StoreAwayError(f"{self._url} answers {status} to lines: no such server as configured")

    def _post(self, path: str, query: Fields, headers: dict[str, str], block: bytes) -> int:
        answer: Any = self._client.api_client.call_api(  # type: ignore[no-untyped-call]  # the library is typed in part
            path,
            "POST",
            query_params=[*query, *self._extra],
            header_params=dict(headers),
            body=block,
            _return_http_data_only=False,
        )
        return int(answer[1])

    def ask(self, path: str, fields: Fields, *, bytes_max: int = ANSWER_BYTES_MAX) -> bytes:
        """The answer to a question. Raises StoreAwayError, RefusedError, and QueryTooLargeError for an
        answer of more than `bytes_max`.
        """
        try:
            answer: Any = self._pool.request(
                "POST",
                self._url + path,
                fields=[*fields, *self._extra],
                headers=self._headers,
                encode_multipart=False,
                preload_content=False,
            )
            data: bytes = answer.read(bytes_max + 1)
            if len(data) > bytes_max:
                answer.close()
                raise QueryTooLargeError("the answer is too large; ask for a larger step or a shorter range")
            answer.release_conn()
        except (HTTPError, OSError) as error:
            raise self._unreachable(error) from None
        if answer.status != 200:
            raise self._explain(answer.status, data[:4_096].decode("utf-8", "replace"))
        return data

    def _unreachable(self, error: Exception) -> StoreAwayError:
        if isinstance(error, SSLError):
            return StoreAwayError(f"{self._url} {_REMEDIES[0]}")
        if isinstance(error, AskedTooLongError) and not isinstance(error, NewConnectionError):
            return StoreAwayError(f"{self._url} does not answer in time")
        return StoreAwayError(f"{self._url} cannot be reached ({type(error).__name__})")

    def _explain(self, status: int, words: str) -> Exception:
        """Never with the server's own words: they may quote a line, or what we said to be let in."""
        url = self._url
        if status == 400 and _LIMIT.search(words):
            return StoreAwayError(f"{url} is set to take no more series; raise its limits")
        if status in (400, 413, 422):
            return RefusedError(f"refused with {status}")
        if status == 507 or (status >= 500 and _NO_ROOM.search(words)):
            return StoreFullError(f"{url} has no room on its disk")
        if status == 404 and _NO_DATABASE.search(words):
            return StoreAwayError(f"{url} has no such database; create it, or see [store] database")
        remedy = _REMEDIES.get(status, f"answers {status}")
        return StoreAwayError(f"{url} {remedy}")

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]
        self._pool.clear()


def _authorization(access: Access) -> dict[str, str]:
    if not access.token:
        return {}
    if ":" in access.token:
        return {"Authorization": f"Basic {base64.b64encode(access.token.encode()).decode()}"}
    return {"Authorization": f"{access.scheme} {access.token}"}
