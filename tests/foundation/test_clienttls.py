"""TLS of whoever asks: files that change count with the next connection, and a first contact."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from foundation.clienttls import ClientTls, TlsFileError
from foundation.httppost import HttpPost, PostRefusedError, parse_target
from tests.foundation.test_broker_tls import Authority


class Server:
    """Answers a post with the name in the certificate that it was shown."""

    def __init__(self, authority: Authority, name: str) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*authority.issue(name))
        self.context.load_verify_locations(authority.file)
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.port = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._talk, "127.0.0.1", self.port, ssl=self.context)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield f"https://127.0.0.1:{self.port}"

    @staticmethod
    async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            shown = writer.get_extra_info("peercert") or {}
            name = dict(pair for (pair,) in shown.get("subject", ())).get("commonName", "nobody")
            head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(name)}\r\n\r\n"
            writer.write(head.encode() + name.encode())
            await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "school-ca")


async def test_a_certificate_that_was_renewed_is_shown_from_the_next_connection_on(
    authority: Authority,
) -> None:
    certificate, key = authority.issue("old")
    async with Server(authority, "server").listening() as url:
        post = HttpPost(
            parse_target(url), answer_bytes_max=100, ca_file=authority.file, certificate=(certificate, key)
        )
        assert await post.ask("/", b"", "text/plain") == b"old"
        new = authority.issue("new")
        new[0].replace(certificate)
        new[1].replace(key)
        assert await post.ask("/", b"", "text/plain") == b"new"


def test_files_that_stay_are_read_once(authority: Authority) -> None:
    tls = ClientTls(authority.file, authority.issue("one"))
    context = tls.context()
    assert tls.context() is context
    tls.forget()
    assert tls.context() is not context
    authority.file.write_text("nothing", "utf-8")
    with pytest.raises(TlsFileError, match="holds no certificate"):
        tls.context()


async def test_a_first_contact_takes_any_certificate_and_then_only_that_one(
    authority: Authority, tmp_path: Path
) -> None:
    server = Server(authority, "server")
    async with server.listening() as url:
        post = HttpPost(parse_target(url), answer_bytes_max=100, unknown=True)
        expected = ssl.PEM_cert_to_DER_cert((tmp_path / "server.pem").read_text("ascii"))
        assert await post.meet() == expected
        assert await post.ask("/", b"", "text/plain") == b"nobody"
        assert await post.ask("/", b"", "text/plain") == b"nobody"
        checked = HttpPost(parse_target(url), answer_bytes_max=100)
        with pytest.raises(PostRefusedError, match="is not believed"):
            await checked.meet()
    other = Server(authority, "other")
    other.port = server.port
    async with other.listening():
        with pytest.raises(PostRefusedError, match="another certificate than a moment ago"):
            await post.ask("/", b"", "text/plain")
