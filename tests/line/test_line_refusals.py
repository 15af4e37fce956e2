"""Who is not known, not any more, or not who they say, is refused; everybody else goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from foundation.keyfiles import load_signing_key, public_text
from telemetry.envelope import Signer
from tests.line.running_site import SCHOOL, Site, campus, eventually

AIR = {"id": "air-1", "profile": "json/environment", "place": "main/301"}
OTHER = {"id": "air-2", "profile": "json/environment", "place": "main/302"}


def _public_key(gateway: Path) -> str:
    return public_text(load_signing_key(gateway.parent / "gateway.key").public_key())


def test_an_unknown_gateway_is_refused_until_it_is_added_and_again_when_revoked(site: Site) -> None:
    known = site.add_gateway("gw-known", [AIR])
    stranger = site.add_gateway("gw-stranger", [OTHER], register=False, tables="[uplink]\nresend_s = 1\n")
    collector = site.start_collector()
    site.start_gateway(stranger)
    site.start_gateway(known)
    site.publish("sensors/air-2", '{"co2": 700}')
    site.publish("sensors/air-1", '{"co2": 600}')
    eventually(lambda: site.points("air-1", "co2"), "the known gateway's reading")
    eventually(lambda: site.metric("campus_intake_refused_total") >= 3, "the stranger is refused, repeatedly")
    assert site.points("air-2", "co2") == []
    assert collector.log().count('"unknown_key"') == 1, "logged once"

    added = campus(
        "collector", "gateway", "add", site.collector_file, "--school", SCHOOL,
        "--id", "gw-stranger", "--public-key", _public_key(stranger),
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    eventually(lambda: site.points("air-2", "co2"), "what the stranger had kept arrives")

    revoked = campus(
        "collector", "gateway", "revoke", site.collector_file, "--school", SCHOOL, "--id", "gw-stranger"
    )
    assert revoked.returncode == 0, revoked.stderr
    eventually(lambda: "revoked" in collector.log(), "the revoked gateway is refused")
    site.publish("sensors/air-2", '{"co2": 701}')
    site.publish("sensors/air-1", '{"co2": 601}')
    eventually(lambda: len(site.points("air-1", "co2")) == 2, "the known gateway goes on")
    assert len(site.points("air-2", "co2")) == 1


def test_forged_and_broken_envelopes_are_counted_and_change_nothing(site: Site, tmp_path: Path) -> None:
    gateway = site.add_gateway("gw-known", [AIR])
    collector = site.start_collector()
    with _overhear(site, "campus/v1/+/+/batch") as batch:
        site.start_gateway(gateway)
        site.publish("sensors/air-1", '{"co2": 600}')
        eventually(lambda: site.points("air-1", "co2"), "the reading")
        original = eventually(batch, "the batch as it travelled")
    signer = Signer(load_signing_key(gateway.parent / "gateway.key"))
    assert original[4:12] == signer.key_id
    forgeries = {
        "wrong_signature": original[:-1] + bytes([original[-1] ^ 1]),
        "bad_envelope": b"rubbish",
        "unknown_key": original[:4] + b"12345678" + original[12:],
    }
    for forged in forgeries.values():
        _publish_bytes(site, tmp_path, f"campus/v1/{SCHOOL}/gw-known/batch", forged)
    _publish_bytes(site, tmp_path, f"campus/v1/{SCHOOL}/gw-other/batch", original)
    _publish_bytes(site, tmp_path, f"campus/v1/{SCHOOL}/gw-known/batch", original)
    for reason in (*forgeries, "wrong_sender"):
        eventually(lambda reason=reason: f'"{reason}"' in collector.log(), f"{reason} is logged")  # type: ignore[misc]
    site.publish("sensors/air-1", '{"co2": 601}')
    eventually(lambda: len(site.points("air-1", "co2")) >= 2, "the next reading")
    values = sorted(value for _, value in site.points("air-1", "co2"))
    assert values == [600, 601], "the replayed batch is there once"


@contextmanager
def _overhear(site: Site, topic: str) -> Iterator[Callable[[], bytes]]:
    heard = site.folder / "overheard.bin"
    command = ["mosquitto_sub", "-p", str(site.broker.port), "-t", topic, "-C", "1", "-N"]
    with heard.open("wb") as file, subprocess.Popen(command, stdout=file) as listener:

        def first() -> bytes:
            return heard.read_bytes() if listener.poll() is not None else b""

        yield first
        listener.kill()


def _publish_bytes(site: Site, folder: Path, topic: str, data: bytes) -> None:
    file = folder / "forged.bin"
    file.write_bytes(data)
    subprocess.run(
        ["mosquitto_pub", "-p", str(site.broker.port), "-q", "1", "-t", topic, "-f", str(file)],
        check=True,
        timeout=30,
    )
