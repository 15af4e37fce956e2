"""The profiles there are: those that come with this version and a site's own.

A profile's id is its place: ``catalogue/<family>/<model>.toml`` is "family/model". A file is read
when it is asked for.
"""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from foundation import tomlfile
from foundation.lazytable import LazyTable
from foundation.tomlfile import FileProblems, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from device_profiles.ble_schema import BleProfile
    from device_profiles.http_schema import HttpProfile
    from device_profiles.lorawan_schema import LorawanProfile
    from device_profiles.modbus_schema import ModbusProfile
    from device_profiles.schema import MqttJsonProfile
    from device_profiles.serial_schema import SerialProfile

    Spec = MqttJsonProfile | ModbusProfile | BleProfile | SerialProfile | LorawanProfile | HttpProfile

BUNDLED: Final = Path(__file__).parent / "catalogue"
_PART: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


MQTT_JSON: Final = "mqtt-json"
KINDS: Final[Mapping[str, type[Spec]]] = LazyTable(
    {
        MQTT_JSON: "schema:MqttJsonProfile",
        "modbus": "modbus_schema:ModbusProfile",
        "ble": "ble_schema:BleProfile",
        "serial": "serial_schema:SerialProfile",
        "lorawan": "lorawan_schema:LorawanProfile",
        "http": "http_schema:HttpProfile",
    },
    package="device_profiles",
)
"""Transport → what its profiles may say."""


class Profile(NamedTuple):
    """A device model's profile. `origin` is the file it was read from."""

    id: str
    origin: str
    spec: Spec


class WrongTransportError(ValueError):
    """A device is configured under a transport that its profile is not for."""


class ProfileNotFoundError(LookupError):
    """No profile has this id; the message suggests some that exist."""


def load_profile(path: Path) -> Profile:
    """The profile in a file. Raises FileProblems."""
    family, model = path.absolute().parent.name, path.stem
    if path.suffix != ".toml" or not (_PART.fullmatch(family) and _PART.fullmatch(model)):
        raise FileProblems(
            [
                Problem(
                    str(path),
                    "is no place for a profile; expected <family>/<model>.toml in lower-case letters, digits and -",
                )
            ]
        )
    spec = tomlfile.load(path, _kind(path))
    return Profile(f"{family}/{model}", str(path), spec)


def _kind(path: Path) -> type[Spec]:
    """The model of the file's transport. A file that cannot be read is for `tomlfile` to explain."""
    try:
        text = path.read_text("utf-8-sig")
        transport = tomllib.loads(text).get("transport", MQTT_JSON)
    except (OSError, ValueError, RecursionError):
        return KINDS[MQTT_JSON]
    if not isinstance(transport, str) or transport not in KINDS:
        expected = " or ".join(f'"{name}"' for name in KINDS)
        line = tomlfile.find_line(text, ("transport",))
        raise FileProblems([Problem(f"{path}:{line}", f"transport must be {expected} (found {transport!r})")])
    return KINDS[transport]


def mqtt_json_spec(profile: Profile) -> MqttJsonProfile:
    """The content of a profile for MQTT. Raises WrongTransportError."""
    found: MqttJsonProfile = _spec(profile, "mqtt-json", "is no device that publishes JSON over MQTT")
    return found


def modbus_spec(profile: Profile) -> ModbusProfile:
    """The content of a profile for Modbus. Raises WrongTransportError."""
    found: ModbusProfile = _spec(profile, "modbus", "is no device that answers Modbus")
    return found


def ble_spec(profile: Profile) -> BleProfile:
    """The content of a profile for Bluetooth Low Energy. Raises WrongTransportError."""
    found: BleProfile = _spec(profile, "ble", "is no device that is read over Bluetooth")
    return found


def serial_spec(profile: Profile) -> SerialProfile:
    """The content of a profile for a serial board. Raises WrongTransportError."""
    found: SerialProfile = _spec(profile, "serial", "is no board on a serial line")
    return found


def lorawan_spec(profile: Profile) -> LorawanProfile:
    """The content of a profile for LoRaWAN. Raises WrongTransportError."""
    found: LorawanProfile = _spec(profile, "lorawan", "is no device whose LoRaWAN uplinks are read here")
    return found


def http_spec(profile: Profile) -> HttpProfile:
    """The content of a profile for a device that posts. Raises WrongTransportError."""
    found: HttpProfile = _spec(profile, "http", "is no device that posts over HTTP")
    return found


def _spec(profile: Profile, transport: str, what: str) -> Any:
    if profile.spec.transport == transport:
        return profile.spec
    raise WrongTransportError(f'profile {profile.id} {what}: its transport is "{profile.spec.transport}"')


class Catalogue:
    """Profiles by id: the bundled ones and those in the given directories."""

    def __init__(self, directories: Sequence[Path] = ()) -> None:
        """Raises FileProblems when a directory is not there or an id is taken already."""
        self._files: dict[str, Path] = {}
        self._profiles: dict[str, Profile] = {}
        problems: list[Problem] = []
        for directory in (BUNDLED, *directories):
            if not directory.is_dir():
                problems.append(
                    Problem(str(directory), "is no directory; expected one with <family>/<model>.toml files")
                )
            for path in sorted(directory.glob("*/*.toml")):
                name = f"{path.parent.name}/{path.stem}"
                if name in self._files:
                    problems.append(
                        Problem(str(path), f"gives {name}, as {self._files[name]} does; rename one")
                    )
                self._files.setdefault(name, path)
        if problems:
            raise FileProblems(problems)

    def ids(self) -> list[str]:
        return sorted(self._files)

    def get(self, profile_id: str) -> Profile:
        """Raises ProfileNotFoundError, and FileProblems for a file that cannot be used."""
        found = self._profiles.get(profile_id)
        if found is None:
            path = self._files.get(profile_id)
            if path is None:
                near = get_close_matches(profile_id, self._files, n=3, cutoff=0.5)
                hint = f"; did you mean {', '.join(near)}?" if near else "; `campus profile list` shows all"
                raise ProfileNotFoundError(f"there is no profile {profile_id!r}{hint}")
            found = self._profiles[profile_id] = load_profile(path)
        return found

    def all(self) -> list[Profile]:
        """Every profile, by id. Raises FileProblems with the problems of all files."""
        profiles: list[Profile] = []
        problems: list[Problem] = []
        for profile_id in self.ids():
            try:
                profiles.append(self.get(profile_id))
            except FileProblems as error:
                problems += error.problems
        if problems:
            raise FileProblems(problems)
        return profiles
