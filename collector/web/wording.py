"""How values, units, marks and times are said to people, in Chinese and English."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from collector.text import Language, Text
from collector.times import iso
from telemetry.quality import ClockQuality, Quality
from telemetry.quantities import QUANTITIES, UNIT_DIFFERS, Quantity

_UNITS: Final = {
    "Cel": "°C", "ug/m3": "µg/m³", "mg/m3": "mg/m³", "uS/cm": "µS/cm", "dB[mW]": "dBm",
    "m3": "m³", "m3/h": "m³/h", "um": "µm", "kg/m2": "kg/m²", "/min": "次/分", "Ohm": "Ω",
    "1": "", "bool": "", UNIT_DIFFERS: "",
}  # fmt: skip
"""Units whose code people would not write."""

_STATES: Final = {
    "open": (Text("关", "closed"), Text("开", "open")),
    "device_silent": (Text("在线", "heard"), Text("失联", "silent")),
    "motion": (Text("无人", "still"), Text("有人", "moving")),
    "locked": (Text("未锁", "unlocked"), Text("已锁", "locked")),
    "switched_on": (Text("断开", "off"), Text("接通", "on")),
    "left_open": (Text("正常", "no"), Text("未关好", "left open")),
    "light": (Text("暗", "dark"), Text("亮", "light")),
    "water_splash": (Text("正常", "dry"), Text("溅水", "splashed")),
    "vibration": (Text("静止", "still"), Text("振动", "vibrating")),
    "submerged": (Text("未浸水", "dry"), Text("浸水", "under water")),
    "panic_test": (Text("正常", "no"), Text("测试中", "test")),
    "mass_stable": (Text("不稳", "moving"), Text("稳定", "stable")),
    "occupancy": (Text("无人", "empty"), Text("有人", "occupied")),
    "water_leak": (Text("正常", "dry"), Text("漏水", "leak")),
    "smoke": (Text("正常", "clear"), Text("烟雾", "smoke")),
    "gas_alarm": (Text("正常", "clear"), Text("报警", "alarm")),
    "co_alarm": (Text("正常", "clear"), Text("报警", "alarm")),
    "panic": (Text("正常", "quiet"), Text("求助", "help!")),
    "tamper": (Text("正常", "intact"), Text("被拆动", "tampered")),
    "battery_low": (Text("正常", "fine"), Text("电量低", "low")),
    "external_power": (Text("电池", "battery"), Text("外接电源", "mains")),
}
_YES_NO: Final = (Text("否", "no"), Text("是", "yes"))
ALARMING: Final = frozenset(
    {"water_leak", "smoke", "gas_alarm", "co_alarm", "panic", "tamper", "battery_low"}
)
"""Quantities whose value 1 wants attention."""

QUALITY_MARKS: Final = {
    Quality.UNCERTAIN: Text("不确定", "uncertain"),
    Quality.OUT_OF_RANGE: Text("超出量程", "out of range"),
    Quality.STALE: Text("旧数据", "stale"),
}
CLOCK_MARKS: Final = {
    ClockQuality.HOLDOVER: Text("时钟未校准", "clock in holdover"),
    ClockQuality.CORRECTED: Text("时间已校正", "time corrected"),
    ClockQuality.UNSYNCED: Text("时间不确定", "time uncertain"),
}
SITES: Final = {
    "forehead": Text("额温", "forehead"),
    "ear": Text("耳温", "ear"),
    "axillary": Text("腋温", "armpit"),
}
CLOCK_WORDS: Final = {
    "synced": Text("已同步", "synchronised"),
    "holdover": Text("守时中", "holdover"),
    "corrected": Text("已校正", "corrected"),
    "unsynced": Text("未同步", "not synchronised"),
}


def quantity_row(name: str) -> Quantity:
    """The registered row, or one that calls an unknown quantity by its name."""
    return QUANTITIES.get(name) or Quantity(name, "", 0, 0, name, name)


def label(quantity: str) -> Text:
    row = quantity_row(quantity)
    return Text(row.zh, row.en)


def unit_text(unit: str) -> str:
    return _UNITS.get(unit, unit)


def state_text(quantity: str, value: float) -> Text:
    """A yes-or-no value in the words of its quantity."""
    return _STATES.get(quantity, _YES_NO)[value >= 0.5]


def number_text(value: float) -> str:
    """A number as a person writes it: at most three decimals, none of binary arithmetic's noise."""
    value = value or 0.0  # no minus sign before nothing
    if value and abs(value) < 0.001:
        return f"{value:.2g}"
    return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:.6g}"


def age_text(age_ms: int, language: Language) -> str:
    """How long ago, in the largest unit that says enough."""
    seconds = max(0, age_ms // 1_000)
    for size, zh, en in ((86_400, "天前", "d ago"), (3_600, "小时前", "h ago"), (60, "分钟前", "min ago")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {zh}" if language == "zh" else f"{count} {en}"
    return f"{seconds} 秒前" if language == "zh" else f"{seconds} s ago"


def size_text(size_bytes: int) -> str:
    for factor, unit in ((2**30, "GB"), (2**20, "MB"), (2**10, "kB")):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} B"


def listed(words: Iterable[str], language: Language) -> str:
    return ("、" if language == "zh" else ", ").join(words)


def clock_text(time_ms: int, now_ms: int, zone: ZoneInfo) -> str:
    """The time of day at school; with the date when that is not today."""
    try:
        moment, today = (datetime.fromtimestamp(at / 1_000, zone) for at in (time_ms, now_ms))
    except (OverflowError, ValueError, OSError):
        return iso(time_ms)
    return moment.strftime("%H:%M:%S" if moment.date() == today.date() else "%Y-%m-%d %H:%M:%S")
