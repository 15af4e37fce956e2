"""What the profile of a LoRaWAN device may say. docs/profiles.md explains every setting."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from device_profiles.bytes_schema import BytesExample, BytesRow, PayloadRows, all_fields
from device_profiles.schema import ModelProfile, Number, Tuple

Port = Annotated[int, Field(ge=1, le=223)]


class UplinkRows(PayloadRows):
    """One kind of uplink; `ports` are the FPorts on which it comes, any where left out."""

    ports: Annotated[tuple[Port, ...], Tuple] = ()


class LorawanProfile(ModelProfile):
    """A device model whose uplinks a LoRaWAN network server publishes over MQTT, as it received them."""

    transport: Literal["lorawan"]
    warm_up_s: Number = Field(default=0.0, ge=0, le=86_400)
    silent_after_s: Number = Field(default=3_600.0, ge=1, le=604_800)
    uplinks: Annotated[tuple[UplinkRows, ...], Tuple] = Field(min_length=1, max_length=16)
    examples: Annotated[tuple[BytesExample, ...], Tuple] = Field(min_length=1)

    @property
    def fields(self) -> tuple[BytesRow, ...]:
        return all_fields(self.uplinks)
