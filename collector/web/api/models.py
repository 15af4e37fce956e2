"""The answers of the API. Times are ISO 8601 UTC and, beside it, milliseconds since 1970 UTC."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from collector.series.contract import Aggregate
from collector.text import Text
from collector.web.api.resolution import Resolution
from telemetry.purposes import Purpose

QualityWord = Literal["good", "uncertain", "out_of_range", "stale"]
BreakGlassWord = Literal["none", "possible", "required"]
ClockWord = Literal["synced", "holdover", "corrected", "unsynced"]

_TIME = "2026-09-01T00:01:02.500Z"
_TIME_MS = 1_788_220_862_500


class Model(BaseModel):
    """Answers have no other fields than these."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Words(Model):
    """The same in Chinese and English."""

    zh: str = Field(examples=["二氧化碳"])
    en: str = Field(examples=["CO₂"])

    @classmethod
    def of(cls, text: Text | None) -> Words | None:
        return None if text is None else cls(zh=text.zh, en=text.en)


class Latest(Model):
    """The latest point of a series by its own time."""

    time: str = Field(description="ISO 8601, UTC.", examples=[_TIME])
    time_ms: int = Field(description="The same in ms since 1970 UTC.", examples=[_TIME_MS])
    value: bool | float = Field(
        description="In `unit`; true or false for the unit bool.", examples=[812, True]
    )
    quality: QualityWord = Field(description="How far the value can be trusted.")
    clock: ClockWord = Field(description="How far the time can be trusted.")
    text: Words | None = Field(description="The value in words, where it stands for a state.")


class SeriesAbout(Model):
    """What a series is about."""

    id: int = Field(description="For `id` of /api/v1/series/query.", examples=[7])
    school: str = Field(examples=["example-primary"])
    gateway: str = Field(examples=["gw-north"])
    device: str = Field(examples=["air-301"])
    place: str = Field(description="building/room", examples=["teaching-1/301"])
    place_label: Words | None = Field(description="The school's name of the place; null when it has none.")
    quantity: str = Field(description="A name of the quantity table.", examples=["co2"])
    unit: str = Field(description="The unit; `bool` for yes or no.", examples=["ppm"])
    ucum: str = Field(description="The unit as a UCUM code.", examples=["[ppm]"])
    label: Words
    model: str = Field(description="The device's profile.", examples=["zigbee2mqtt_tuya_ts0601"])


class Series(SeriesAbout):
    """A series and its latest point."""

    latest: Latest


class SeriesPage(Model):
    """One page of series, in order of id."""

    items: list[Series]
    next_cursor: str | None = Field(
        description="Hand it back as `cursor` for the next page; null at the end.", examples=["7"]
    )


class SeriesColumns(SeriesAbout):
    """The points of one series in columns of equal length, ordered by time.

    With a step, a row is a window that has points, named by its start; `quality` and `clock` are the
    worst in the window and `count` says how many points it has.
    """

    time_ms: list[int] = Field(examples=[[_TIME_MS, _TIME_MS + 60_000]])
    value: list[bool | float] = Field(
        description="In `unit`; raw yes-or-no points are true or false, aggregates are numbers.",
        examples=[[812, 815.5]],
    )
    quality: list[QualityWord] = Field(examples=[["good", "good"]])
    clock: list[ClockWord] = Field(examples=[["synced", "synced"]])
    count: list[int] = Field(description="Points in each row; 1 each without a step.", examples=[[6, 6]])


class QueryAnswer(Model):
    """The points of the series asked for, in order of series id."""

    start: str = Field(description="First time included.", examples=[_TIME])
    start_ms: int
    end: str = Field(description="First time no longer included.", examples=["2026-09-02T00:01:02.500Z"])
    end_ms: int
    step_ms: int | None = Field(description="Length of a window; null for raw points.", examples=[60_000])
    aggregate: Aggregate | None = Field(description="What was made of a window's points; null for raw.")
    resolution: Resolution = Field(
        description="What the windows are made of: every point, or roll-ups by the minute or the hour. A window "
        "that the question cuts is exact to this."
    )
    raw_from: str | None = Field(
        description="Since when every point is kept; what is older is in windows only. Null: since ever.",
        examples=[_TIME],
    )
    raw_from_ms: int | None
    series: list[SeriesColumns]


class Buffer(Model):
    """What waits on a gateway."""

    batches: int
    bytes: int
    oldest: str | None = Field(description="When the oldest waiting batch was closed.", examples=[_TIME])
    oldest_ms: int | None


class GatewayStatus(Model):
    """What a gateway last said about itself; counts are since its start."""

    time: str = Field(description="When, by the gateway's clock.", examples=[_TIME])
    time_ms: int
    received_ms: int | None = Field(description="When, by the collector's clock.")
    clock: ClockWord
    software: str = Field(description="Version.", examples=["0.1.0"])
    started: str = Field(examples=[_TIME])
    started_ms: int
    buffer: Buffer
    readings_in: int
    readings_stored: int = Field(description="Acknowledged as stored.")
    dropped: dict[str, int] = Field(description="Readings dropped, by reason.", examples=[{"null_value": 2}])


class GatewayItem(Model):
    """A registered gateway."""

    school: str = Field(examples=["example-primary"])
    id: str = Field(examples=["gw-north"])
    state: Literal["active", "revoked"]
    added: str = Field(examples=[_TIME])
    added_ms: int
    revoked: str | None
    revoked_ms: int | None
    certificate_ends: str | None = Field(
        description="Of its newest certificate; null for one that has none.", examples=[_TIME]
    )
    certificate_ends_ms: int | None
    last_data: str | None = Field(
        description="When its last good batch came; null when none ever has.",
        examples=[_TIME],
    )
    last_data_ms: int | None
    readings_stored: int = Field(description="Stored since the collector's start.")
    given_up: dict[str, int] = Field(
        description="Readings the gateway declared as given up, by reason.", examples=[{"thinned": 120}]
    )
    status: GatewayStatus | None


class GatewayList(Model):
    """All registered gateways."""

    items: list[GatewayItem]
    refused: dict[str, int] = Field(
        description="Messages refused at intake since the collector's start, by reason.",
        examples=[{"unknown_key": 3}],
    )


class AlertItem(Model):
    """An alert. Personal data: answers that hold it are never cached."""

    id: int
    kind: str = Field(examples=["fever"])
    state: Literal["open", "acknowledged"]
    school: str = Field(examples=["example-primary"])
    gateway: str = Field(examples=["gw-north"])
    device: str | None = Field(
        description="null for a button that somebody carries.", examples=["station-gate"]
    )
    place: str = Field(examples=["gate/east"])
    place_label: Words | None = Field(description="The school's name of the place; null when it has none.")
    time: str = Field(description="When it was measured.", examples=[_TIME])
    time_ms: int
    opened: str = Field(description="When the alert was raised.", examples=[_TIME])
    opened_ms: int
    pseudonym: str | None = Field(
        description="null for an unknown card, and once the record has been deleted.",
        examples=["7K3M9PXA2QH5RT8WZ4CB6DFG1E"],
    )
    class_id: str | None = Field(
        description="null for an unknown card, and once the record has been deleted.", examples=["3-2"]
    )
    class_label: Words | None = Field(description="The school's name of the class; null when it has none.")
    site: str | None = Field(description="Where the temperature was taken.", examples=["forehead"])
    value: float | None = Field(
        description="null once the record has been deleted, as its time was over.", examples=[38.2]
    )
    unit: str = Field(examples=["Cel"])
    limit: float | None = Field(examples=[37.3])
    doubtful: bool = Field(description="Measure again before anyone believes it.")
    acknowledged: str | None
    acknowledged_ms: int | None
    acknowledged_by: str | None = Field(examples=["console"])


class AlertPage(Model):
    """One page of alerts, newest first."""

    items: list[AlertItem]
    next_cursor: str | None = Field(
        description="Hand it back as `cursor` for older ones; null at the end.", examples=["41"]
    )


class TokenWish(Model):
    """What the names are for."""

    purpose: Purpose = Field(
        description="One that the console's role may have, or be given by break-glass.", examples=["health"]
    )


class ResolveToken(Model):
    """For the vault: proves that somebody at this console may ask for names."""

    token: str
    expires_in_s: int = Field(description="Then a new one is needed.", examples=[300])
    break_glass: BreakGlassWord = Field(
        description="Whether the vault may be asked for break-glass; `required`: it gives no name before.",
        examples=["none"],
    )


class Acknowledge(Model):
    """Who acknowledges."""

    by: str = Field(default="console", min_length=1, max_length=64, description="Who has seen it.")


class Health(Model):
    """The state of the collector by component: "ok", or its trouble in a few words."""

    status: Literal["ok", "trouble"]
    components: dict[str, str] = Field(examples=[{"records": "ok", "series": "ok", "intake.mqtt": "ok"}])
