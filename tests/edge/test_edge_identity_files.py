"""The credential map on the gateway's disk, and what a gateway believes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.identity.carriers import Carriers
from edge_agent.identity.credentials import Credentials, Lookup, MapUnusableError
from edge_agent.identity.map_file import MAGIC, NONCE_BYTES, MapFile, MapFileError
from telemetry.credential_map import Lesson, Person, encode_update
from tests.edge.edge_parts import GATEWAY, NOW_MS, SCHOOL
from tests.edge.maps import BLINDING_KEY, DAY_MS, make_map, person

CARD, BAND = "04A2B31C", "band:C40000000001"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
MAP = make_map(
    [person(1, {"health": "HEALTH-1", "sport": ("SPORT-1", NOW_MS)}, heart_rate_max=207.0), person(2)],
    {CARD: 1, BAND: 1},
    version=7,
    lessons={"c-1": [Lesson(NOW_MS, NOW_MS + 1, "pe", "gym")]},
    school_days=[(NOW_MS, NOW_MS + 1)],
    erased=["GONE-1"],
)


def file_in(folder: Path, key: Ed25519PrivateKey = KEY, gateway: str = GATEWAY) -> MapFile:
    return MapFile(folder, key, SCHOOL, gateway)


def test_a_map_comes_back_as_it_was_and_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    assert file_in(tmp_path).read() is None
    file_in(tmp_path).write(MAP)
    found = file_in(tmp_path).read()
    assert found is not None
    assert found.as_update() == MAP.as_update()
    assert [one.name for one in tmp_path.iterdir()] == ["credentials.map"]
    assert file_in(tmp_path).path.stat().st_mode & 0o777 == 0o600


def test_a_file_of_the_format_before_is_read(tmp_path: Path) -> None:
    map_file = file_in(tmp_path)
    head, nonce = MAGIC + b"\x01", bytes(NONCE_BYTES)
    about = head + f"{SCHOOL}/{GATEWAY}".encode()
    sealed = map_file._cipher.encrypt(nonce, encode_update(MAP.as_update()), about)
    map_file.path.write_bytes(head + nonce + sealed)
    found = map_file.read()
    assert found is not None
    assert found.as_update() == MAP.as_update()


def test_nothing_of_it_lies_in_clear_on_the_disk(tmp_path: Path) -> None:
    file_in(tmp_path).write(MAP)
    first = file_in(tmp_path).path.read_bytes()
    for secret in (b"HEALTH-1", b"SPORT-1", b"GONE-1", b"c-1", BLINDING_KEY, GATEWAY.encode()):
        assert secret not in first
    file_in(tmp_path).write(MAP)
    assert file_in(tmp_path).path.read_bytes()[17:] != first[17:], "the same map twice looks the same"


@pytest.mark.parametrize(("key", "gateway"), [(OTHER_KEY, GATEWAY), (KEY, "gw-other")])
def test_another_gateway_cannot_read_it(tmp_path: Path, key: Ed25519PrivateKey, gateway: str) -> None:
    file_in(tmp_path).write(MAP)
    with pytest.raises(MapFileError, match="another gateway"):
        file_in(tmp_path, key, gateway).read()


def test_a_map_of_another_gateway_is_refused_whoever_wrote_it(tmp_path: Path) -> None:
    file_in(tmp_path).write(make_map(gateway="gw-other"))
    with pytest.raises(MapFileError, match="is the map of"):
        file_in(tmp_path).read()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_or_foreign_file_is_an_error_that_says_so(tmp_path: Path, data: st.DataObject) -> None:
    map_file = file_in(tmp_path)
    map_file.write(MAP)
    good = map_file.path.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    kind = data.draw(st.sampled_from(["cut", "flipped", "foreign", "longer"]))
    bad = {
        "cut": good[:at],
        "flipped": good[:at] + bytes((good[at] ^ 1 << at % 8,)) + good[at + 1 :],
        "foreign": data.draw(st.binary(max_size=60)),
        "longer": good + b"\0",
    }[kind]
    map_file.path.write_bytes(bad)
    with pytest.raises(MapFileError, match=r"credentials\.map"):
        map_file.read()


def test_what_is_put_aside_is_forgotten_with_whom_it_may_hold(tmp_path: Path) -> None:
    map_file = file_in(tmp_path)
    map_file.write(MAP)
    map_file.put_aside()
    assert map_file.read() is None
    assert (tmp_path / "credentials.map.damaged").exists()
    map_file.forget_damaged()
    assert not list(tmp_path.iterdir())


def test_a_disk_that_takes_nothing_leaves_the_map_of_before(tmp_path: Path) -> None:
    map_file = file_in(tmp_path)
    map_file.write(MAP)
    (tmp_path / "credentials.map.new").mkdir()
    with pytest.raises(MapFileError, match="cannot be written"):
        map_file.write(make_map(version=8))
    found = map_file.read()
    assert found is not None
    assert found.version == 7


def test_whose_card_it_is() -> None:
    credentials = Credentials(MAP)
    found = credentials.find(CARD, NOW_MS)
    assert isinstance(found, Person)
    assert found.slot == 1
    assert credentials.find("04FFEEDD", NOW_MS) is Lookup.UNKNOWN
    assert credentials.find(None, NOW_MS) is Lookup.UNKNOWN
    assert "2 people and 2 credentials, 0.0 days old" in credentials.describe(NOW_MS)


@pytest.mark.parametrize(
    ("days", "known", "words"),
    [
        (7.1, True, "7.1 days old, 7 are believed"),
        (-1.1, True, "1.1 days in the future; is the clock right"),
        (0.0, False, "does not know the time"),
    ],
)
def test_what_must_not_be_believed_leads_to_nobody(days: float, *, known: bool, words: str) -> None:
    now_ms = NOW_MS + round(days * DAY_MS)
    credentials = Credentials(MAP, clock_known=lambda: known)
    assert credentials.current(now_ms) is None
    for card in (CARD, "04FFEEDD", None):
        assert credentials.find(card, now_ms) is Lookup.MAP_UNUSABLE
    with pytest.raises(MapUnusableError, match=words):
        credentials.describe(now_ms)


def test_without_a_map_nobody_is_known() -> None:
    assert Credentials().find(CARD, NOW_MS) is Lookup.MAP_UNUSABLE
    with pytest.raises(MapUnusableError, match="no credential map yet"):
        Credentials().describe(NOW_MS)


def test_a_map_is_swapped_in_place() -> None:
    credentials = Credentials(MAP)
    credentials.map = make_map(version=8)
    assert credentials.find(CARD, NOW_MS) is Lookup.UNKNOWN


def test_bands_by_device() -> None:
    carriers = Carriers({"band-17": "c4-00-00-00-00-01"})
    assert carriers.find("band-17") == BAND
    assert carriers.find("air-1") is None
    carriers.remove("band-17")
    carriers.remove("band-17")
    assert "band-17" not in carriers
    with pytest.raises(ValueError, match="12 hexadecimal digits"):
        carriers.add("band-18", "C4:00")
    assert "C4" not in repr(Carriers({"band-17": "C4:00:00:00:00:01"}))
