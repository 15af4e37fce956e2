"""What was heard before gives nothing, and what somebody repeats later is refused."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from device_profiles.ble import RESTART_MS_MIN, Advertisement, BleDecoder, bind_ble
from device_profiles.ble_schema import full_uuid
from device_profiles.registry import Catalogue
from telemetry.readings import Chunk, SeriesTable

ADDRESS = "A4:C1:38:00:00:01"
KEY = bytes(range(16))
FCD2 = full_uuid("fcd2")
CATALOGUE = Catalogue()


class Gateway:
    """One device's decoder, and what became of each advertisement."""

    def __init__(self, profile: str, service: str, key: bytes | None = KEY) -> None:
        self.table = SeriesTable()
        self.service = service
        self.decoder: BleDecoder = bind_ble(
            CATALOGUE.get(profile), device="d", place="p", address=ADDRESS, table=self.table, key=key
        )

    def hear(self, data: bytes, now_ms: int = 0) -> tuple[dict[str, float], tuple[str, ...]]:
        chunk = Chunk()
        heard = Advertisement(ADDRESS, -60, None, {}, {self.service: data})
        refused = self.decoder.decode(heard, now_ms, chunk)
        return {one.series.quantity: one.value for one in chunk.readings(self.table)}, refused


def _sealed(objects: str, count: int) -> bytes:
    nonce = bytes.fromhex(ADDRESS.replace(":", "")) + b"\xd2\xfc\x45" + count.to_bytes(4, "little")
    sealed = AESCCM(KEY, tag_length=4).encrypt(nonce, bytes.fromhex(objects), None)
    return b"\x45" + sealed[:-4] + count.to_bytes(4, "little") + sealed[-4:]


def test_a_press_that_is_sent_again_and_again_is_one_press() -> None:
    gateway = Gateway("shelly/blu-button-sos", FCD2, key=None)
    press = bytes.fromhex("44000701643a01")
    assert gateway.hear(press) == ({"panic": 1.0, "battery": 100.0}, ())
    assert gateway.hear(press, 400) == ({}, ())
    assert gateway.hear(bytes.fromhex("44000801643a01"), 900) == ({"panic": 1.0, "battery": 100.0}, ())


def test_an_encrypted_press_without_a_number_is_told_by_its_counter() -> None:
    gateway = Gateway("shelly/blu-button-sos", FCD2)
    assert gateway.hear(_sealed("3a01", 500)) == ({"panic": 1.0}, ())
    assert gateway.hear(_sealed("3a01", 500), 400) == ({}, ())
    assert gateway.hear(_sealed("3a01", 501), 900) == ({"panic": 1.0}, ())


def test_a_replay_is_refused_and_a_restart_is_believed() -> None:
    gateway = Gateway("shelly/blu-door-window", FCD2)
    assert gateway.hear(_sealed("2d01", 500)) == ({"open": 1.0}, ())
    assert gateway.hear(_sealed("2d00", 501), 1_000) == ({"open": 0.0}, ())
    assert gateway.hear(_sealed("2d01", 500), 2_000) == ({}, ("replayed",))
    assert gateway.hear(_sealed("2d01", 3), RESTART_MS_MIN) == ({}, ("replayed",))
    later = 1_000 + RESTART_MS_MIN + 1
    assert gateway.hear(_sealed("2d01", 4), later) == ({"open": 1.0}, ())
    assert gateway.hear(_sealed("2d00", 5), later + 1) == ({"open": 0.0}, ())


def test_a_forged_count_does_not_shut_the_device_out() -> None:
    """Only a packet whose check is right moves the counter."""
    gateway = Gateway("shelly/blu-door-window", FCD2)
    forged = _sealed("2d01", 0x7FFFFFFF)[:-4] + b"\0\0\0\0"
    assert gateway.hear(forged) == ({}, ("bad_mic",))
    assert gateway.hear(_sealed("2d01", 500), 1) == ({"open": 1.0}, ())


def test_another_kind_of_the_same_device_is_not_unknown() -> None:
    """Ruuvi Air sends two formats under one company; each is one of the profile's."""
    table, chunk = SeriesTable(), Chunk()
    decoder = bind_ble(CATALOGUE.get("ruuvi/ruuvi-air"), device="d", place="p", address=ADDRESS, table=table)
    small = bytes.fromhex("0611944650c896003702ee3200a0ff10404c884f")
    heard = Advertisement(ADDRESS, None, None, {0x0499: small})
    assert decoder.decode(heard, 0, chunk) == ()
    assert {one.series.quantity for one in chunk.readings(table)} >= {"co2", "voc_index", "illuminance"}
    unknown = Advertisement(ADDRESS, None, None, {0x0499: b"\x05"})
    assert decoder.decode(unknown, 0, chunk) == ("unknown_packet",)
