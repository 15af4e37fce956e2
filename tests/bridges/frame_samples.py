"""Good frames of every framing, for the tests of the codecs: what they are made of, and the bytes."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

from firmware_bridges.frames import (
    dlt645,
    gymcu,
    honeywell,
    nova,
    osdp,
    plantower,
    rdm6300,
    scaletext,
    shdlc,
    wiegand,
    winsen,
    yaohua,
    yaohua_a12,
)


class Sample(NamedTuple):
    """How frames of a codec are made. `never`: bytes that noise must not hold, so that it is noise."""

    codec: str
    frames: st.SearchStrategy[bytes]
    never: bytes


def _of(sizes: st.SearchStrategy[int], never: bytes = b"") -> st.SearchStrategy[bytes]:
    allowed = [byte for byte in range(256) if byte not in never]
    return sizes.flatmap(
        lambda size: st.lists(st.sampled_from(allowed), min_size=size, max_size=size).map(bytes)
    )


def _just(size: int, never: bytes = b"") -> st.SearchStrategy[bytes]:
    return _of(st.just(size), never)


def _kind(first: bytes, rest: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.tuples(st.sampled_from([bytes((one,)) for one in first]), rest).map(b"".join)


grams = st.integers(-30_000, 30_000)
addresses = st.integers(0, 999_999_999_999).map(lambda number: f"{number:012d}")
energies = st.integers(0, 99_999_999).map(lambda number: number / 100)

# Payloads without the start byte: of two frames in a row, a part of both may otherwise look like one.
SAMPLES = [
    Sample("plantower", _just(26, b"\x42").map(plantower.encode), b"\x42"),
    Sample("nova", _kind(b"\xc0\xc5", _just(6, b"\xaa")).map(nova.encode), b"\xaa"),
    Sample(
        "shdlc", _of(st.sampled_from([0, 1, 20, 40])).map(lambda b: shdlc.encode(b, command=0xD0)), b"\x7e"
    ),
    Sample("winsen", _kind(b"\x17\x86", _just(6, b"\xff")).map(winsen.encode), b"\xff"),
    Sample("honeywell", _kind(b"\x04", _just(4, b"\x40")).map(honeywell.encode), b"\x40"),
    Sample("gy-mcu", _just(4, b"\x5a").map(gymcu.encode), b"\x5a"),
    Sample("yaohua", grams.map(lambda g: yaohua.encode(g / 10)), b"\x02"),
    Sample("yaohua-a12", grams.map(lambda g: yaohua_a12.encode(g / 1000, decimals=2)), bytes(range(128))),
    Sample("scale-text", grams.map(lambda g: scaletext.encode(g / 1000)), bytes(range(128))),
    Sample(
        "dlt645",
        st.builds(
            lambda address, kwh: dlt645.encode(address, "00010000", {"energy_import": kwh}),
            addresses,
            energies,
        ),
        b"\x68\xfe",
    ),
    Sample("rdm6300", _just(5).map(rdm6300.encode), b"\x02"),
    Sample("wiegand", _of(st.sampled_from([3, 4])).map(wiegand.encode), b"01"),
    Sample(
        "osdp",
        _kind(b"\x40\x50", _of(st.integers(0, 8), b"\x53")).map(lambda b: osdp.encode(b, address=1)),
        b"\x53",
    ),
]
