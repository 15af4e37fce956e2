"""What the profile of a Bluetooth Low Energy device may say. docs/profiles.md explains every setting."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from device_profiles.bytes_schema import BytesExample, BytesRow, Offset, PayloadRows, all_fields
from device_profiles.schema import ModelProfile, Number, Tuple, Words

BASE_UUID: Final = "-0000-1000-8000-00805f9b34fb"
"""What a 16-bit number of the Bluetooth SIG stands before, Bluetooth Core Specification, vol. 3, part B."""
_SHORT = re.compile(r"(?:0x)?([0-9a-fA-F]{4})").fullmatch
_LONG = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch


def full_uuid(text: str) -> str:
    """A UUID in its long form and lower case. Raises ValueError."""
    if short := _SHORT(text):
        return f"0000{short[1].lower()}{BASE_UUID}"
    if _LONG(text):
        return text.lower()
    raise ValueError(f"{text!r} is no UUID; expected one such as fcd2 or 0000fcd2{BASE_UUID}")


class Packet(PayloadRows):
    """One kind of data a device sends: in its advertisements under a company's number (`company`) or a
    service's (`service`), or as the value of a characteristic. company_is_data: the maker puts data where
    the company's number belongs; it is of any company, and the payload begins with those 2 bytes.

    address_at: where the device's own address stands in the payload, most significant byte first
    unless `address_order` says otherwise; for devices whose outer address changes. rising: the name of
    a value that only ever rises; a packet with a lower one is a replay.
    """

    company: int | None = Field(default=None, ge=0, le=0xFFFF)
    company_is_data: bool = False
    service: str | None = None
    characteristic: str | None = None
    mode: Literal["notify", "read"] = "notify"
    interval_s: Number = Field(default=60.0, ge=0.5, le=86_400)
    """How often a characteristic is read, where `mode` is "read"."""
    address_at: Offset | None = None
    address_order: Literal["big", "little"] = "big"
    rising: str | None = None

    @field_validator("service", "characteristic")
    @classmethod
    def _uuid(cls, text: str | None) -> str | None:
        return None if text is None else full_uuid(text)

    @model_validator(mode="after")
    def _one_origin(self) -> Packet:
        origins = [self.company, self.service, self.characteristic, self.company_is_data or None]
        if origins.count(None) != len(origins) - 1:
            raise ValueError("needs one of company, company_is_data, service and characteristic")
        return self


class BleProfile(ModelProfile):
    """A device model that is read over Bluetooth Low Energy.

    encrypted: its data can only be read with the bind key of the device. name_start: how the name
    begins under which it advertises, for finding it. common: the rows of every packet that has none of
    its own.
    """

    transport: Literal["ble"]
    encrypted: bool = False
    name_start: Annotated[tuple[Words, ...], Tuple] = ()
    warm_up_s: Number = Field(default=0.0, ge=0, le=86_400)
    silent_after_s: Number = Field(default=300.0, ge=1, le=604_800)
    common: Annotated[tuple[BytesRow, ...], Tuple] = ()
    packets: Annotated[tuple[Packet, ...], Tuple] = Field(min_length=1, max_length=16)
    examples: Annotated[tuple[BytesExample, ...], Tuple] = Field(min_length=1)

    @field_validator("packets")
    @classmethod
    def _with_common(cls, packets: tuple[Packet, ...], info: ValidationInfo) -> tuple[Packet, ...]:
        common = info.data.get("common", ())
        return tuple(
            packet if packet.fields else Packet.model_validate({**dict(packet), "fields": common})
            for packet in packets
        )

    @property
    def fields(self) -> tuple[BytesRow, ...]:
        return all_fields(self.packets)
