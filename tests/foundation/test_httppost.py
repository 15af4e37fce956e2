"""One POST and its answer, against real sockets that misbehave in every way."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.httppost import (
    HttpPost,
    PostError,
    PostGarbageError,
    PostRefusedError,
    PostUnavailableError,
    Times,
    parse_target,
)
from tests.conftest import free_port
from tests.foundation.test_broker_tls import Authority

TYPE = "application/x-test"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-test\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-test; v=1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1\r\nh\r\n1\r\ni\r\n0\r\n\r\n"
)
QUICK = Times(step_s=0.3, total_s=0.6)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that hands every connection over; the port."""
    ended = asyncio.Event()

    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(20):
                await serve(reader, writer)
        except OSError:
            pass  # the asker has gone, as it should in most of these tests
        finally:
            writer.transport.abort()
            ended.set()

    server = await asyncio.start_server(work, "127.0.0.1", 0, ssl=context)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def saying(answer: bytes, heard: list[bytes] | None = None) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.split(b"ontent-Length: ")[1].split(b"\r\n")[0]))
        if heard is not None:
            heard.extend((head, body))
        writer.write(answer)
        await writer.drain()
        writer.close()

    return serve


async def ask(
    port: int, *, answer_bytes_max: int = 1_000, times: Times = QUICK, path: str = "/v1/x"
) -> bytes:
    post = HttpPost(
        parse_target(f"http://127.0.0.1:{port}/base/"), answer_bytes_max=answer_bytes_max, times=times
    )
    return await post.ask(path, b"question", TYPE)


@asynccontextmanager
async def keeping(port: int) -> AsyncIterator[HttpPost]:
    target = parse_target(f"http://127.0.0.1:{port}")
    post = HttpPost(target, answer_bytes_max=1_000, times=QUICK, keep=True)
    yield post
    post.close()


async def fails(answer: bytes, kind: type[PostError]) -> str:
    async with serving(saying(answer)) as port:
        with pytest.raises(kind) as caught:
            await ask(port)
    return str(caught.value)


async def test_a_question_and_its_answer() -> None:
    heard: list[bytes] = []
    async with serving(saying(GOOD, heard)) as port:
        assert await ask(port) == b"hi"
    head, body = heard
    assert body == b"question"
    assert head.startswith(b"POST /base/v1/x HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{port}\r\n".encode() in head
    assert b"Content-Type: application/x-test\r\n" in head


async def test_an_answer_in_chunks_or_until_the_end() -> None:
    for answer in (
        CHUNKED,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nContent-Type: Application/X-Test\r\n\r\nhi",
    ):
        async with serving(saying(answer)) as port:
            assert await ask(port) == b"hi"


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        ("500 Oh", PostUnavailableError, "answered 500"),
        ("503 Busy", PostUnavailableError, "answered 503"),
        ("429 Slow", PostUnavailableError, "answered 429"),
        ("408 Late", PostUnavailableError, "answered 408"),
        ("404 No", PostRefusedError, "answered 404"),
        ("403 No", PostRefusedError, "answered 403"),
        ("302 There", PostRefusedError, "is the address right?"),
        ("204 Nothing", PostRefusedError, "answered 204"),
    ],
)
async def test_what_is_no_answer(status: str, kind: type[PostError], words: str) -> None:
    answer = f"HTTP/1.1 {status}\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".encode()
    assert words in await fails(answer, kind)


async def test_a_redirect_is_not_followed() -> None:
    visited = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visited.append(await reader.read(1))
        del writer

    async with serving(elsewhere) as other:
        location = f"HTTP/1.1 307 T\r\nLocation: http://127.0.0.1:{other}/\r\nContent-Length: 0\r\n\r\n"
        await fails(location.encode(), PostRefusedError)
    assert not visited


async def test_a_problem_says_why_on_one_bounded_line() -> None:
    body = '{"title": "Not known", "detail": "enrol\\nit' + "x" * 900 + '"}'
    head = f"HTTP/1.1 403 No\r\nContent-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n\r\n"
    said = await fails(head.encode() + body.encode(), PostRefusedError)
    assert said.startswith("answered 403 (Not known; enrol it")
    assert "\n" not in said
    assert len(said) < 250


@pytest.mark.parametrize(
    "answer",
    [
        b"220 mail.example ESMTP\r\n\r\n",
        b"\x16\x03\x01\x02\x00" * 40,
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000,
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-test\r\nContent-Length: 1001\r\n\r\n" + b"y" * 1001,
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_not_what_was_asked_for(answer: bytes) -> None:
    assert await fails(answer, PostGarbageError)


@pytest.mark.parametrize("at", [0, 10, 60, len(GOOD) - 1])
async def test_an_answer_that_breaks_off(at: int) -> None:
    assert "ended" in await fails(GOOD[:at], PostUnavailableError)


@given(st.binary(max_size=300))
def test_no_bytes_do_more_harm_than_a_post_error(data: bytes) -> None:
    async def run() -> None:
        async with serving(saying(data)) as port:
            try:
                await ask(port)
            except PostError:
                return
            pytest.fail("that was an answer?", pytrace=False)

    asyncio.run(run())


async def test_an_endless_answer_is_cut_off() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-test\r\n\r\n")
        while True:
            writer.write(b"y" * 10_000)
            await writer.drain()

    async with serving(serve) as port:
        with pytest.raises(PostGarbageError, match="longer than 1000 bytes"):
            await ask(port, times=Times(20, 20))


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", GOOD[:-1]])
async def test_who_stops_talking_is_not_waited_for(begun: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        await reader.read(-1)

    async with serving(serve) as port:
        with pytest.raises(PostUnavailableError, match="nothing came for"):
            await ask(port)


async def test_who_talks_slowly_for_ever_is_not_waited_for_either() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(serve) as port:
        with pytest.raises(PostUnavailableError, match="no whole answer within"):
            await ask(port)


async def test_nobody_there() -> None:
    with pytest.raises(PostUnavailableError, match=r"no connection to 127\.0\.0\.1:.*refused"):
        await ask(free_port())


async def test_over_tls_only_who_is_signed_is_believed(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*ours.issue("vault"))
    async with serving(saying(GOOD), context) as port:

        def post(ca_file: Path) -> HttpPost:
            return HttpPost(
                parse_target(f"https://127.0.0.1:{port}"),
                answer_bytes_max=1_000,
                ca_file=ca_file,
                times=Times(step_s=2, total_s=4),
            )

        assert await post(ours.file).ask("/", b"", TYPE) == b"hi"
        with pytest.raises(PostRefusedError, match="is not believed"):
            await post(theirs.file).ask("/", b"", TYPE)
        with pytest.raises(PostRefusedError, match="holds no certificate"):
            await post(tmp_path / "nowhere.pem").ask("/", b"", TYPE)
        mended = post(theirs.file)
        with pytest.raises(PostRefusedError, match="is not believed"):
            await mended.ask("/", b"", TYPE)
        theirs.file.write_bytes(ours.file.read_bytes())
        assert await mended.ask("/", b"", TYPE) == b"hi", "without a restart"
    async with serving(saying(b""), None) as port:
        with pytest.raises(PostError, match=r"127\.0\.0\.1"):
            await post(ours.file).ask("/", b"", TYPE)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("vault.school.example", "is not an address"),
        ("ftp://vault.school.example", "is not an address"),
        ("https://", "is not an address"),
        ("https://vault:99999999", "is not an address"),
        ("http://vault.school.example", "must begin with https://"),
        ("http://192.168.0.7:8443", "must begin with https://"),
        ("https://me:secret@vault.school.example", "nothing else"),
        ("https://vault.school.example/?a=b", "nothing else"),
        ("https://vault.school.example/a b", "nothing else"),
    ],
)
def test_addresses_that_are_none(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_target(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:80", "http://localhost", "http://[::1]:8080", "https://x"])
def test_addresses(url: str) -> None:
    assert parse_target(url).host in {"127.0.0.1", "localhost", "::1", "x"}


async def test_a_kept_connection_serves_the_next_question() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"question")
                writer.write(GOOD)

    async with serving(serve) as port, keeping(port) as post:
        assert [await post.ask("/", b"question", TYPE) for _ in range(3)] == [b"hi"] * 3
        assert connections == 1
        post.close()
        assert await post.ask("/", b"question", TYPE) == b"hi"
        assert connections == 2


@pytest.mark.parametrize("reset", [False, True])
async def test_a_kept_connection_that_has_ended_is_replaced(*, reset: bool) -> None:
    """Also when that shows only as the next question goes out."""
    heard = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        await reader.readuntil(b"question")
        heard += 1
        writer.write(GOOD)
        await writer.drain()
        if heard == 1:
            await reader.readexactly(10)
        if reset:
            writer.transport.abort()

    async with serving(serve) as port, keeping(port) as post:
        for _ in range(4):
            assert await post.ask("/", b"question", TYPE) == b"hi"
        assert heard == 4


@pytest.mark.parametrize("rest", [b"", GOOD[:30]])
async def test_a_new_connection_that_ends_is_not_tried_again(rest: bytes) -> None:
    heard = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        await reader.readuntil(b"question")
        heard += 1
        writer.write(rest)
        await writer.drain()

    async with serving(serve) as port, keeping(port) as post:
        with pytest.raises(PostUnavailableError, match="ended"):
            await post.ask("/", b"question", TYPE)
        assert heard == 1


async def test_what_nobody_asked_for_is_no_answer_to_the_next_question() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"question")
        writer.write(GOOD + GOOD.replace(b"hi", b"no"))
        await reader.read(-1)

    async with serving(serve) as port, keeping(port) as post:
        assert [await post.ask("/", b"question", TYPE) for _ in range(2)] == [b"hi"] * 2
    assert connections == 2


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [("Retry-After: 7\r\n", 7.0), ("", None), ("Retry-After: -1\r\n", None), ("Retry-After: soon\r\n", None)],
)
async def test_how_long_to_wait_is_told(header: str, wait_s: float | None) -> None:
    answer = f"HTTP/1.1 429 Slow\r\n{header}Content-Length: 0\r\n\r\n".encode()
    async with serving(saying(answer)) as port:
        with pytest.raises(PostUnavailableError) as caught:
            await ask(port)
    assert caught.value.retry_after_s == wait_s


async def test_a_certificate_of_our_own_is_shown_where_it_is_asked_for(tmp_path: Path) -> None:
    school = Authority(tmp_path, "school")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(school.file))
    context.load_cert_chain(*school.issue("collector"))
    context.verify_mode = ssl.CERT_REQUIRED
    certificate = school.issue("gateway")
    async with serving(saying(GOOD), context) as port:

        def post(certificate: tuple[Path, Path] | None) -> HttpPost:
            return HttpPost(
                parse_target(f"https://127.0.0.1:{port}"),
                answer_bytes_max=1_000,
                ca_file=school.file,
                certificate=certificate,
                times=Times(step_s=2, total_s=4),
            )

        assert await post(certificate).ask("/", b"", TYPE) == b"hi"
        with pytest.raises(PostError):
            await post(None).ask("/", b"", TYPE)
        with pytest.raises(PostRefusedError, match="cannot be shown as ours"):
            await post((certificate[0], tmp_path / "nowhere.key")).ask("/", b"", TYPE)
