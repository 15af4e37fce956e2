"""Every bundled profile does what its own examples say, and its examples leave nothing out."""

import re

import pytest

from device_profiles.examples import run_example, run_examples, untested
from device_profiles.labels import state_text
from device_profiles.registry import BUNDLED, Catalogue, Profile, modbus_spec, mqtt_json_spec

PROFILES = Catalogue().all()


@pytest.mark.parametrize("profile", PROFILES, ids=[profile.id for profile in PROFILES])
def test_examples_hold_and_exercise_every_field(profile: Profile) -> None:
    assert run_examples(profile) == []


def test_ids_are_unique_and_come_from_the_files() -> None:
    ids = [profile.id for profile in PROFILES]
    assert len(set(ids)) == len(ids) == len(list(BUNDLED.rglob("*.toml")))


@pytest.mark.parametrize("profile", PROFILES, ids=[profile.id for profile in PROFILES])
def test_a_source_is_given(profile: Profile) -> None:
    assert re.search(r"https://|docs/|[\w-]+/[\w-]+", profile.spec.source)


def test_a_wrong_expectation_is_noticed() -> None:
    profile = Catalogue().get("zigbee2mqtt/aqara-door")
    example = mqtt_json_spec(profile).examples[0]
    wrong = example.expected[0].model_copy(update={"value": False})
    changed = example.model_copy(update={"expected": (wrong, *example.expected[1:])})
    assert run_example(profile, changed) == ["open is 1.0, expected False"]
    fewer = example.model_copy(update={"expected": example.expected[1:]})
    assert run_example(profile, fewer) == ["open = 1.0 was read, but not expected"]
    spec = profile.spec.model_copy(update={"examples": (fewer,)})
    assert untested(profile._replace(spec=spec)) == [
        "no example expects open",
        "no example shows a message that gives nothing",
    ]


def test_a_wrong_expectation_of_registers_is_noticed() -> None:
    profile = Catalogue().get("senseair/s8")
    spec = modbus_spec(profile)
    example = spec.examples[1]
    wrong = example.expected[0].model_copy(update={"value": 7.0})
    changed = example.model_copy(update={"expected": (wrong,), "refused": ("bad_crc",)})
    only = profile._replace(spec=spec.model_copy(update={"examples": (changed,)}))
    assert run_examples(only) == [
        f"{example.about}: co2 is 1406.0, expected 7.0",
        f"{example.about}: refused [], expected ['bad_crc']",
        "no example expects fault",
        "no example shows a message that gives nothing",
    ]


def test_state_texts() -> None:
    assert state_text("xiaomi-gateway3/aqara-gas", "status", 1.0) == ("报警", "Alarm")
    assert state_text("xiaomi-gateway3/aqara-gas", "status", 99.0) is None
    assert state_text("xiaomi-gateway3/aqara-gas", "status", 0.5) is None
    assert state_text("xiaomi-gateway3/aqara-gas", "fault", 0.0) is None
    assert state_text("renke/9-in-1", "wind_direction_sector", 1.0) == ("东北", "North-east")
    assert state_text("renke/9-in-1", "wind_speed", 1.0) is None
    assert state_text("../../etc/passwd", "status", 0.0) is None
