"""What a Bluetooth device sent, as people and tools write it down: hexadecimal, or JSON.

For `campus profile decode` and for the examples of profiles; no driver reads this.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from device_profiles.ble import Advertisement
from device_profiles.ble_schema import BASE_UUID, BleProfile, Packet, full_uuid
from device_profiles.input_text import InputError, hex_bytes, hex_field, json_object, text_field

_NAMES = (0x08, 0x09)
_SERVICE_16, _SERVICE_128, _MANUFACTURER = 0x16, 0x21, 0xFF
_EVENT, _LE_META, _REPORT, _EXTENDED_REPORT = 0x3E, 0x3E, 0x02, 0x0D


class BleInput(NamedTuple):
    """An advertisement, or a characteristic's value, or bytes of which nobody says what they are."""

    advertisement: Advertisement | None = None
    characteristic: str | None = None
    value: bytes = b""
    key: bytes | None = None


def parse_ble(text: str, spec: BleProfile) -> BleInput:
    """What stands in `text`. Raises InputError.

    Hexadecimal: an HCI event of an advertising report (04 3e …), the structures of an advertisement, or
    the bytes of one company or service of the profile alone, a company's number before them or not.
    JSON: {"company_id", "data"}, {"service_uuid", "service_data"} or both, {"manufacturer_data": {company:
    …}, "service_data": {uuid: …}}, {"characteristic", "data"} or {"data"}, with "address", "name" and
    "bindkey" where known.
    """
    text = text.strip()
    if not text.startswith("{"):
        return _from_bytes(hex_bytes(text), spec)
    given = json_object(text)
    key_text = text_field(given, "bindkey") or text_field(given, "bind_key") or text_field(given, "key")
    key = hex_bytes(key_text) if key_text else None
    address = (text_field(given, "address") or "").upper()
    name = text_field(given, "name")
    try:
        if "characteristic" in given:
            uuid = _uuid(given["characteristic"])
            return BleInput(characteristic=uuid, value=hex_field(given, "data", "value"), key=key)
        made, served = _told(given, spec)
        if made or served:
            return BleInput(Advertisement(address, None, name, made, served), key=key)
    except InputError:
        raise
    except ValueError as error:
        raise InputError("not_an_advertisement", str(error)) from None
    found = _from_bytes(hex_field(given, "data", "manufacturer_data", "service_data"), spec)
    if found.advertisement is None:
        return found._replace(key=key)
    told = found.advertisement
    return found._replace(
        advertisement=told._replace(address=address or told.address, name=name or told.name), key=key
    )


def _told(given: dict[str, Any], spec: BleProfile) -> tuple[dict[int, bytes], dict[str, bytes]]:
    """What each company and each service has said. Raises InputError, ValueError."""
    made: dict[int, bytes] = {}
    served: dict[str, bytes] = {}
    by_company, by_service = given.get("manufacturer_data"), given.get("service_data")
    if isinstance(by_company, dict):
        made = {_company(one, spec): hex_field(by_company, one) for one in by_company}
    elif "company_id" in given:
        company = _company(given["company_id"], spec)
        made[company] = _without_company(hex_field(given, "manufacturer_data", "data"), company, spec)
    if isinstance(by_service, dict):
        served = {_uuid(one): hex_field(by_service, one) for one in by_service}
    elif "service_uuid" in given:
        names = ("service_data",) if made else ("service_data", "data")
        served[_uuid(given["service_uuid"])] = hex_field(given, *names)
    return made, served


def _from_bytes(data: bytes, spec: BleProfile) -> BleInput:
    if data[:2] == bytes((0x04, _EVENT)):
        return BleInput(parse_report(data))
    packets = [one for one in spec.packets if _could_be(data, one.start, one.length, one.length_min)]
    company = int.from_bytes(data[:2], "little")
    short = _without_company(data, company, spec)
    if short != data:
        return BleInput(Advertisement("", None, None, {company: short}))
    structures = _structures(data)
    if structures is not None:
        told = _advertisement("", None, structures)
        if not packets or any(
            one.company in told.manufacturer or one.service in told.service_data for one in spec.packets
        ):
            return BleInput(told)
    return _as_packet(data, (packets or spec.packets)[0])


def _as_packet(data: bytes, packet: Packet) -> BleInput:
    if packet.characteristic is not None:
        return BleInput(characteristic=packet.characteristic, value=data)
    if packet.service is not None:
        return BleInput(Advertisement("", None, None, {}, {packet.service: data}))
    if packet.company is not None:
        return BleInput(Advertisement("", None, None, {packet.company: data}))
    return BleInput(Advertisement("", None, None, {int.from_bytes(data[:2], "little"): data[2:]}))


def _without_company(data: bytes, company: int, spec: BleProfile) -> bytes:
    """A company's data without its number, which some tools leave before them."""
    kinds = [(one.start, one.length, one.length_min) for one in spec.packets if one.company == company]
    is_before = data[:2] == company.to_bytes(2, "little") and any(_could_be(data[2:], *one) for one in kinds)
    return data[2:] if is_before else data


def _could_be(data: bytes, start: str, length: int | None, length_min: int) -> bool:
    return data.startswith(bytes.fromhex(start)) and (
        len(data) >= length_min if length is None else len(data) == length
    )


def parse_report(data: bytes) -> Advertisement:
    """An advertising report as the controller gives it (HCI LE meta event, Bluetooth Core
    Specification, vol. 4, part E, 7.7.65). Raises InputError.
    """
    try:
        if data[3] == _REPORT:
            address, length = data[7:13], data[13]
            structures = data[14 : 14 + length]
            rssi = data[14 + length]
        elif data[3] == _EXTENDED_REPORT:
            address, length = data[8:14], data[28]
            structures = data[29 : 29 + length]
            rssi = data[18]
        else:
            raise InputError("not_an_advertisement", "the HCI event is no advertising report")
    except IndexError:
        raise InputError("truncated", "the advertising report ends before its data") from None
    if len(structures) < length:
        raise InputError("truncated", "the advertising report ends before its data")
    found = _structures(structures)
    if found is None:
        raise InputError("truncated", "the structures of the advertisement do not fit its length")
    name = ":".join(f"{byte:02X}" for byte in reversed(address))
    return _advertisement(name, rssi - 256 if rssi > 127 else rssi, found)


def _structures(data: bytes) -> list[tuple[int, bytes]] | None:
    """Type and data of each structure, or None where lengths do not fit."""
    found, at = [], 0
    while at < len(data):
        length = data[at]
        if length == 0:
            break
        if at + 1 + length > len(data):
            return None
        found.append((data[at + 1], data[at + 2 : at + 1 + length]))
        at += 1 + length
    return found or None


def _advertisement(address: str, rssi: int | None, structures: list[tuple[int, bytes]]) -> Advertisement:
    names = [part.decode("utf-8", "replace") for kind, part in structures if kind in _NAMES]
    return Advertisement(
        address,
        rssi,
        names[0] if names else None,
        {
            int.from_bytes(part[:2], "little"): part[2:]
            for kind, part in structures
            if kind == _MANUFACTURER and len(part) >= 2
        },
        dict(_services(structures)),
    )


def _services(structures: list[tuple[int, bytes]]) -> Iterator[tuple[str, bytes]]:
    for kind, part in structures:
        if kind == _SERVICE_16 and len(part) >= 2:
            yield f"0000{int.from_bytes(part[:2], 'little'):04x}{BASE_UUID}", part[2:]
        elif kind == _SERVICE_128 and len(part) >= 16:
            digits = part[:16][::-1].hex()
            cuts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
            yield "-".join(cuts), part[16:]


def _company(value: Any, spec: BleProfile) -> int:
    """A company's number: 0x0499, 1177 or 0499. Raises ValueError."""
    if isinstance(value, int):
        return value
    text = str(value)
    if not text.isdecimal():
        return int(text, 16)
    found = (int(text), int(text, 16))
    known = [one for one in found if any(packet.company == one for packet in spec.packets)]
    return known[0] if known else found[text.startswith("0")]


def _uuid(value: Any) -> str:
    return full_uuid(f"{value:04x}" if type(value) is int else str(value))
