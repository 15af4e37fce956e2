"""Listening for a web server."""

from __future__ import annotations

import socket

import pytest

from foundation.commands import UsageError
from foundation.webserver import listen


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connections_know_their_protocol(host: str) -> None:
    """Else asyncio leaves Nagle's algorithm on, and a kept connection waits 40 ms for each answer."""
    with (
        listen(host, 0) as listening,
        socket.create_connection(listening.getsockname()[:2]),
        listening.accept()[0] as accepted,
    ):
        assert accepted.proto == socket.IPPROTO_TCP


def test_a_port_that_is_taken_is_said_in_words() -> None:
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(UsageError, match=f"127.0.0.1:{port} cannot be listened on"):
            listen("127.0.0.1", port)
