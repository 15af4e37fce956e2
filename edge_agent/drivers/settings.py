"""Settings that the configurations of all drivers share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, BeforeValidator, Field

_DEVICE = re.compile(r"[\w.:-]{1,64}")
_PLACE = re.compile(r"[^/\s][^/]{0,63}(/[^/\s][^/]{0,63}){0,3}")


def _device_id(text: str) -> str:
    if not _DEVICE.fullmatch(text):
        raise ValueError("must be 1 to 64 letters, digits, or one of . : _ -, such as co2-301")
    return text


def _place(text: str) -> str:
    if not _PLACE.fullmatch(text):
        raise ValueError("must be building/room, such as main/301 or 教学楼/301")
    return text


def _tables(given: Any) -> Any:
    if isinstance(given, dict):
        raise ValueError("is one table; write [[plugin.NAME]], with two brackets, for each source")  # noqa: TRY004  # pydantic takes ValueError
    return given


class Device(Protocol):
    """What the configurations of all devices have in common."""

    @property
    def id(self) -> str: ...
    @property
    def place(self) -> str: ...


class Source(Protocol):
    """What the configurations of all sources of devices have in common."""

    @property
    def name(self) -> str: ...
    @property
    def devices(self) -> Sequence[Device]: ...


DeviceId = Annotated[str, AfterValidator(_device_id)]
Place = Annotated[str, AfterValidator(_place)]
PluginTables = Annotated[tuple[Any, ...], BeforeValidator(_tables)]
"""The sources of one plug-in, each as its own model will say."""
Baud = Annotated[int, Field(ge=300, le=921_600)]
Parity = Literal["none", "even", "odd"]
