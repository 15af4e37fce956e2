"""Makes observations about a person of the named values of a frame or message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from device_profiles.checks import TEMPERATURE_C
from device_profiles.observations import CheckObservation, TapObservation
from telemetry.credential_map import normalise_credential
from telemetry.named import Named, Value
from telemetry.quantities import QUANTITIES
from telemetry.records import SITES, Site

if TYPE_CHECKING:
    from device_profiles.bytes_schema import CardRow, CheckRow

_AIR: Final = QUANTITIES["temperature"]


def read_card(value: Value, notation: str, refused: list[str]) -> str | None:
    """A card's number as the credential map knows it, or None: then `bad_card` is among the refused."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        refused.append("bad_card")
        return None
    try:
        if notation.startswith("decimal"):
            number = int(value)
            # Four bytes, as readers count them, even where the first is 0; more where needed.
            data = number.to_bytes(max(4, (number.bit_length() + 7) // 8), "big")
        else:
            data = bytes.fromhex(normalise_credential(str(value)))
        return normalise_credential((data[::-1] if notation.endswith("reversed") else data).hex())
    except (ValueError, OverflowError):
        refused.append("bad_card")
        return None


def make_tap(
    row: CardRow, values: Mapping[str, Named], device: str, place: str, time_ms: int, refused: list[str]
) -> TapObservation | None:
    """A tap of the card in `values`; None where there is no readable card."""
    card = read_card(values[row.key].value, row.notation, refused)
    if card is None:
        return None
    door = values[row.door_key].value if row.door_key and row.door_key in values else None
    return TapObservation(time_ms, device, place, card, door if isinstance(door, int) else None)


def make_check(
    row: CheckRow, values: Mapping[str, Named], device: str, place: str, time_ms: int, refused: list[str]
) -> CheckObservation | None:
    """A morning check of what stands in `values`, temperatures in °C. A bad detail costs the detail,
    not the check.
    """
    temperature_c = _number(values.get(row.temperature))
    if temperature_c is None:
        refused.append("no_temperature")
        return None
    if not TEMPERATURE_C[0] <= temperature_c <= TEMPERATURE_C[1]:
        refused.append("temperature_impossible")
        return None
    site = row.site_is
    told = values.get(row.site or "")
    if told is not None and told.value is not None:
        if told.value not in SITES:
            refused.append("unknown_site")
            return None
        site = cast("Site", told.value)
    card = values.get(row.card or "")
    credential = None if card is None or card.value is None else read_card(card.value, "hex", refused)
    ambient_c = _number(values.get(row.ambient or ""))
    if ambient_c is not None and not _AIR.low <= ambient_c <= _AIR.high:
        refused.append("bad_ambient")
        ambient_c = None
    return CheckObservation(time_ms, device, place, credential, site, temperature_c, ambient_c)


def _number(named: Named | None) -> float | None:
    if named is None or isinstance(named.value, bool) or not isinstance(named.value, int | float):
        return None
    return float(named.value)
