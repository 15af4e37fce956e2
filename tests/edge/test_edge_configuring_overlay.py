"""The collector's sections over gateway.toml: what takes whose place, and what is refused in which words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.config import BatchSection, GatewayConfig
from edge_agent.configuring.overlay import TABLES, overlay
from edge_agent.configuring.refusal import RefusedError
from edge_agent.configuring.rights import SECRETS
from edge_agent.drivers import sources_of
from telemetry.configuration import REASON_CHARS_MAX, REMOTE_TABLES
from tests.edge.configuring_parts import bus, local_config, sections

LOCAL = (
    "[batch]\ninterval_s = 7.0\n[[report]]\nmode = 'every'\n"
    + bus("hall", 5001, 1, 2)
    + bus("yard", 5002)
    + '[[serial]]\nname = "board"\nport = "/tmp/board-of-the-test"\n'
    'devices = [{ id = "dust-1", profile = "plantower/pms5003", place = "main/301" }]\n'
    '[[ble]]\nname = "gym"\n'
    'devices = [{ id = "band-1", profile = "sig/heart-rate", place = "sport/gym", '
    'address = "C1:00:00:30:20:01" }]\n'
)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> GatewayConfig:
    folder = tmp_path_factory.mktemp("gateway")
    (folder / SECRETS).mkdir()
    (folder / SECRETS / "broker.password").write_text("x")
    return local_config(folder, LOCAL)


def refusal(local: GatewayConfig, text: str) -> str:
    with pytest.raises(RefusedError) as caught:
        overlay(local, sections(text))
    return str(caught.value)


def test_every_table_that_can_be_sent_has_its_model() -> None:
    assert set(TABLES) == set(REMOTE_TABLES)
    assert set(TABLES) <= set(GatewayConfig.model_fields)


def test_without_sections_the_file_is_in_force(local: GatewayConfig) -> None:
    assert overlay(local, {}) is local


def test_a_section_takes_the_place_of_the_tables_of_its_name_and_of_nothing_else(
    local: GatewayConfig,
) -> None:
    found = overlay(local, sections("[batch]\nreadings_max = 9\n" + bus("hall", 5003, 7) + bus("lab", 5004)))
    assert found.batch == BatchSection(readings_max=9), "the whole table: interval_s is as if left out"
    assert found.report == local.report
    assert found.uplink == local.uplink
    before, after = sources_of(local), sources_of(found)
    assert after.keys() - before.keys() == {"modbus/lab"}
    assert [device.id for device in after["modbus/hall"].devices] == ["hall-7"]
    same = before.keys() - {"modbus/hall"}
    assert {name: before[name] for name in same} == {name: after[name] for name in same}
    assert found.gateway == local.gateway
    assert found.collector == local.collector
    assert found.folder == local.folder


def test_the_disk_is_not_filled_further_than_the_file_says(local: GatewayConfig) -> None:
    """A collector that takes nothing could have the gateway stand still for want of room."""
    least = local.buffer.disk_free_bytes_min
    found = overlay(local, sections(f"[buffer]\nbytes_max = {2**50}\ndisk_free_bytes_min = {least}\n"))
    assert found.buffer.bytes_max == 2**50
    with pytest.raises(RefusedError, match=f"buffer: disk_free_bytes_min must be {least:,} or more"):
        overlay(local, sections(f"[buffer]\ndisk_free_bytes_min = {least - 1}\n"))


def test_files_lie_in_the_folder_for_them(local: GatewayConfig) -> None:
    text = (
        '[[mqtt]]\nname = "far"\nbroker = { host = "b.example", username = "u", password_file = "broker.password" }\n'
        'devices = [{ id = "air-9", profile = "zigbee2mqtt/tuya-ts0601-air", place = "main/301" }]\n'
    )
    found = overlay(local, sections(text))
    assert found.mqtt[0].broker.password_file == local.folder / SECRETS / "broker.password"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[batch]\ninterval_s = 0.01\n", ("batch: interval_s must be greater", "found 0.01")),
        ("[batch]\nintervall_s = 1\n", ("batch: intervall_s is not a setting; check its spelling",)),
        (bus("hall", 5001, 3, 3), ("modbus/hall: devices[2].unit: ", "hall-3 has unit 3 already")),
        (bus("lab", 5001), ("modbus/lab: tcp: ", "hall uses 127.0.0.1:5001 already")),
        (bus("lab", 5009, model="climat"), ("modbus/lab: devices[1].profile: ", "did you mean test/climate")),
        (
            bus("lab", 5009).replace("lab-1", "yard-1"),
            ("modbus/lab: devices[1].id: two devices have the id 'yard-1'",),
        ),
        ("[[report]]\nmode = 'aggregate'\nquantities = ['co3']\n", ("report: [1].quantities[1]: ", "co2")),
        ('[silence]\nafter_s = { "nobody" = 5 }\n', ("silence: after_s.nobody: this gateway has no device",)),
        ('[[osdp]]\nname = "gate"\nport = "/dev/ttyUSB0"\nreaders = []\n', ("osdp/gate: readers needs at least 1",)),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_section_place_and_remedy(
    local: GatewayConfig, text: str, said: tuple[str, ...]
) -> None:
    words = refusal(local, text)
    for one in said:
        assert one in words


def test_everything_wrong_is_told_as_far_as_there_is_room(local: GatewayConfig) -> None:
    words = refusal(local, "[batch]\ninterval_s = 0\n[buffer]\nbytes_max = 1\n")
    assert "batch: " in words
    assert "buffer: " in words
    many = refusal(local, "".join(bus(f"lab-{port}", port, model="nothing") for port in range(6_000, 6_100)))
    assert len(many) <= REASON_CHARS_MAX
    assert many.endswith("more problems")


SERIAL = (
    '[[serial]]\nname = "board"\nport = "{}"\n'
    'devices = [{{ id = "dust-1", profile = "plantower/pms5003", place = "main/301" }}]\n'
)
MQTT = (
    '[[mqtt]]\nname = "far"\nbroker = {{ host = "thief.example", password_file = "{}" }}\n'
    'devices = [{{ id = "air-9", profile = "zigbee2mqtt/tuya-ts0601-air", place = "main/301" }}]\n'
)


@pytest.mark.parametrize(
    "name", ["../gateway.key", "/etc/shadow", "deep/broker.password", "..", ".", "/", "../device-secrets/x"]
)
def test_no_file_of_the_gateway_can_be_had(local: GatewayConfig, name: str) -> None:
    words = refusal(local, MQTT.format(name))
    assert "mqtt/far: broker.password_file must be the name of a file in device-secrets" in words


def test_a_file_that_is_not_there_is_asked_for(local: GatewayConfig) -> None:
    """gateway.key lies beside the file, and not in the folder that a collector may name."""
    assert (local.folder / "gateway.key").exists()
    words = refusal(local, MQTT.format("gateway.key"))
    assert f"there is no gateway.key in {local.folder / SECRETS} on the gateway; put it there first" in words


@pytest.mark.parametrize(
    "port",
    [
        "/dev/watchdog",
        "/dev/sda",
        "/etc/passwd",
        "/dev/tty1",
        "/dev/serial/by-id/../../sda",
        "/dev/ttyUSB0/../sda",
        "/dev/ttyUSB0\\n",
    ],
)
def test_only_serial_ports_are_opened(local: GatewayConfig, port: str) -> None:
    assert "serial/board: port must be a serial port, such as" in refusal(local, SERIAL.format(port))
    rtu = bus("lab").replace('tcp = { host = "127.0.0.1", port = 1 }', f'serial = {{ port = "{port}" }}')
    assert "modbus/lab: serial.port must be a serial port, such as" in refusal(local, rtu)


@pytest.mark.parametrize(
    "port", ["/dev/ttyUSB0", "/dev/ttyAMA10", "/dev/serial/by-id/usb-FTDI_FT232R-if00", "/tmp/board-of-the-test"]
)  # fmt: skip
def test_serial_ports_and_those_of_the_file_may_be_opened(local: GatewayConfig, port: str) -> None:
    assert overlay(local, sections(SERIAL.format(port))).serial[0].port == port


BAND = (
    '[[ble]]\nname = "{}"\nadapter = "hci1"\ndevices = [{{ id = "band-7", profile = "sig/heart-rate", '
    'place = "sport/gym", address = "C1:00:00:30:20:07" }}]\n'
)


def test_who_wears_what_does_not_come_from_the_collector(local: GatewayConfig) -> None:
    words = refusal(local, BAND.format("hall-2"))
    assert "ble/hall-2: device band-7: is of a model that people wear" in words
    assert "C1:00" not in words
    words = refusal(local, BAND.format("gym"))
    assert "ble/gym: gateway.toml lists there what people wear" in words
    assert "C1:00" not in words


def test_a_refusal_does_not_tell_whose_band_has_an_address(local: GatewayConfig) -> None:
    """Whoever has the collector's key could ask for one address after the other."""
    [listed] = [device for source in local.ble for device in source.devices if "heart" in device.profile]
    text = BAND.format("hall-2").replace("C1:00:00:30:20:07", listed.address)
    assert refusal(local, text) == refusal(local, BAND.format("hall-2"))
    assert listed.id not in refusal(local, text)


def test_words_of_a_problem_quote_no_text_that_was_found(local: GatewayConfig) -> None:
    words = refusal(local, BAND.format("hall-2").replace("C1:00:00:30:20:07", "张三的手环"))
    assert "ble/hall-2: devices[1].address must be a Bluetooth address" in words
    assert "张三" not in words


@pytest.mark.parametrize(
    ("section", "text", "said"),
    [
        ("gateway", "{}", "gateway: no section that the collector may set"),
        ("personal", "{}", "personal: no section"),
        ("collector", "{}", "collector: no section"),
        ("profile_dirs", '["/"]', "profile_dirs: no section"),
        ("modbus", "[]", "modbus: no section"),
        ("batch/x", "{}", "batch/x: no section"),
        ("batch", "{", "batch: is no JSON"),
        ("batch", "[" * 100_000, "batch: is no JSON"),
        ("uplink", '{"late_after_s": Infinity}', "uplink: is no JSON"),
        ("silence", '{"after_s": {"\\ud800": 1}}', "silence: is no JSON"),
        ("batch", "[]", "batch: "),
        ("modbus/lab", '{"name": "hall"}', "modbus/lab: "),
    ],
)
def test_sections_that_nobody_could_have_written(
    local: GatewayConfig, section: str, text: str, said: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        overlay(local, {section: text})
    assert said in str(caught.value)


def test_a_section_must_be_called_as_its_source(local: GatewayConfig) -> None:
    ((_, text),) = sections(bus("lab", 5010)).items()
    with pytest.raises(RefusedError, match="modbus/other: name must be 'other', as the section is called"):
        overlay(local, {"modbus/other": text})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(REMOTE_TABLES).flatmap(lambda table: st.sampled_from([table, f"{table}/hall"]))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(names | st.text(), json_values.map(json.dumps) | st.text(), min_size=1, max_size=3))
def test_whatever_comes_is_a_configuration_or_a_refusal(local: GatewayConfig, found: dict[str, str]) -> None:
    words = "-"
    try:
        overlay(local, found)
    except RefusedError as error:
        words = str(error)
    assert words
    assert len(words) <= REASON_CHARS_MAX
    words.encode()


def test_the_buffer_and_the_key_are_where_the_file_says(local: GatewayConfig, tmp_path: Path) -> None:
    found = overlay(local, sections("[buffer]\nbytes_max = 2_000_000\n"))
    assert found.gateway.data_dir == local.gateway.data_dir
    assert found.buffer.bytes_max == 2_000_000
    assert tmp_path not in found.gateway.data_dir.parents
