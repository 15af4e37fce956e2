"""The one table of what may be measured about rooms and machines.

A reading whose quantity is not in `QUANTITIES` is refused, at the edge and again at the collector.
Units are what a person reads (`unit`) and, where that differs, the UCUM code (`ucum`). The
plausible range is that of instruments sold for schools; a value outside it is kept and marked
`out_of_range`. What is measured at a body is of the personal lane and passes no gate by itself: it
becomes a record, see `telemetry.records`.
"""

from __future__ import annotations

from enum import StrEnum
from math import inf
from typing import Final, NamedTuple


class Lane(StrEnum):
    """Where a value goes: ambient readings to the series store, personal ones to the records."""

    AMBIENT = "ambient"
    PERSONAL = "personal"


class Statistic(StrEnum):
    """What a figure of an interval is, where it is not the mean."""

    MIN = "min"
    MAX = "max"


class Quantity(NamedTuple):
    """One row of the table. `urgent` marks a safety event: its value 1 bypasses batching.

    purpose, assessment, retention_days: of the personal lane only, as `telemetry.records.RecordType`.
    """

    name: str
    unit: str
    low: float
    high: float
    zh: str
    en: str
    ucum: str = ""
    urgent: bool = False
    lane: Lane = Lane.AMBIENT
    purpose: str = ""
    assessment: str = ""
    retention_days: int = 0
    statistic: Statistic | None = None

    @property
    def is_bool(self) -> bool:
        return self.unit == BOOL


BOOL: Final = "bool"
UNIT_DIFFERS: Final = "unit differs by model"
"""A raw index that vendors scale as they like: fit for a trend, not for a limit."""

_UCUM: Final = {
    "ppm": "[ppm]",
    "ppb": "[ppb]",
    "kWh": "kW.h",
    "dB": "dB[SPL]",
    "VA": "V.A",
    "var": "V.A{reactive}",  # UCUM has no var
    "dB[mW]": "dB{mW}",  # UCUM knows the bel of a watt, not of a milliwatt: an annotation
    BOOL: "1",
    UNIT_DIFFERS: "1",
}

_KEPT_DAYS: Final = {"sport": 30, "health": 7}
"""Raw heart rates at most 30 days, raw thermometer readings 7: rule 10 of our privacy rules."""


def _body(name: str, unit: str, low: float, high: float, zh: str, en: str, *, purpose: str) -> Quantity:
    """A quantity measured at a body."""
    return Quantity(
        name,
        unit,
        low,
        high,
        zh,
        en,
        lane=Lane.PERSONAL,
        purpose=purpose,
        assessment=f"PIA-2026-{purpose}",
        retention_days=_KEPT_DAYS[purpose],
    )


_ROWS: Final = (
    # name, unit, low, high, Chinese, English
    Quantity("temperature", "Cel", -40, 85, "温度", "Temperature"),
    Quantity("relative_humidity", "%", 0, 100, "相对湿度", "Relative humidity"),
    Quantity("co2", "ppm", 0, 40_000, "二氧化碳", "CO₂"),
    Quantity("pm1", "ug/m3", 0, 1_000, "PM1", "PM1"),
    Quantity("pm2_5", "ug/m3", 0, 1_000, "PM2.5", "PM2.5"),
    Quantity("pm4", "ug/m3", 0, 2_000, "PM4", "PM4"),
    Quantity("pm10", "ug/m3", 0, 2_000, "PM10", "PM10"),
    Quantity("pm1_cf1", "ug/m3", 0, 1_000, "PM1（标准颗粒物）", "PM1, factory calibration"),
    Quantity("pm2_5_cf1", "ug/m3", 0, 1_000, "PM2.5（标准颗粒物）", "PM2.5, factory calibration"),
    Quantity("pm10_cf1", "ug/m3", 0, 2_000, "PM10（标准颗粒物）", "PM10, factory calibration"),
    Quantity("particle_size", "um", 0, 100, "典型粒径", "Typical particle size"),
    Quantity("voc", "ppb", 0, 60_000, "总挥发性有机物", "TVOC"),
    Quantity("voc_raw", UNIT_DIFFERS, 0, 65_535, "挥发性有机物指数", "VOC, raw"),
    Quantity("voc_mass", "mg/m3", 0, 100, "总挥发性有机物（质量浓度）", "TVOC by mass"),
    Quantity("voc_level", "1", 0, 10, "总挥发性有机物等级（1–5）", "TVOC level, 1 to 5"),
    Quantity("voc_index", "1", 0, 500, "挥发性有机物指数（1–500）", "VOC index"),
    Quantity("nox_index", "1", 0, 500, "氮氧化物指数（1–500）", "NOx index"),
    Quantity("formaldehyde", "mg/m3", 0, 10, "甲醛", "Formaldehyde"),
    Quantity("formaldehyde_ppb", "ppb", 0, 10_000, "甲醛（体积分数）", "Formaldehyde by volume"),
    Quantity("ozone", "ppm", 0, 20, "臭氧", "Ozone"),
    Quantity("formaldehyde_raw", UNIT_DIFFERS, 0, 65_535, "甲醛指数", "Formaldehyde, raw"),
    Quantity("co", "ppm", 0, 2_000, "一氧化碳", "Carbon monoxide"),
    Quantity("ammonia", "ppm", 0, 100, "氨气", "Ammonia"),
    Quantity("hydrogen_sulfide", "ppm", 0, 100, "硫化氢", "Hydrogen sulfide"),
    Quantity("eco2", "ppm", 0, 65_535, "等效二氧化碳", "Equivalent CO₂"),
    Quantity("gas_concentration", "%", 0, 100, "燃气浓度", "Gas concentration"),
    Quantity("pressure", "hPa", 300, 1_100, "气压", "Air pressure"),
    Quantity("dew_point", "Cel", -60, 60, "露点", "Dew point"),
    Quantity("illuminance", "lx", 0, 200_000, "照度", "Illuminance"),
    Quantity("light_level", "1", 0, 65_535, "光照等级", "Light level"),
    Quantity("light", BOOL, 0, 1, "有光", "Light"),
    Quantity("uv_index", "1", 0, 20, "紫外线指数", "UV index"),
    Quantity("sound_level", "dB", 0, 140, "噪声", "Sound level"),
    Quantity("sound_level_eq", "dB", 0, 140, "等效声级", "Equivalent sound level"),
    Quantity("sound_level_peak", "dB", 0, 140, "峰值声级", "Loudest sound"),
    Quantity("wind_speed", "m/s", 0, 70, "风速", "Wind speed"),
    Quantity("wind_force", "1", 0, 17, "风力等级", "Wind force"),
    Quantity("wind_direction", "deg", 0, 360, "风向", "Wind direction"),
    Quantity("wind_direction_sector", "1", 0, 7, "风向方位", "Wind direction, sector"),
    Quantity("distance", "mm", 0, 100_000, "距离", "Distance"),
    Quantity("rain", "mm", 0, 10_000, "降水量", "Rain"),
    Quantity("speed", "m/s", -500, 500, "速度", "Speed"),
    Quantity("soil_temperature", "Cel", -40, 85, "土壤温度", "Soil temperature"),
    Quantity("soil_moisture", "%", 0, 100, "土壤含水率", "Soil moisture"),
    Quantity("soil_conductivity", "uS/cm", 0, 20_000, "土壤电导率", "Soil conductivity"),
    Quantity("probe_temperature", "Cel", -55, 125, "探头温度", "Probe temperature"),
    Quantity("probe_temperature_1", "Cel", -55, 300, "1 号探头温度", "Probe 1 temperature"),
    Quantity("probe_temperature_2", "Cel", -55, 300, "2 号探头温度", "Probe 2 temperature"),
    Quantity("probe_temperature_3", "Cel", -55, 300, "3 号探头温度", "Probe 3 temperature"),
    Quantity("probe_temperature_4", "Cel", -55, 300, "4 号探头温度", "Probe 4 temperature"),
    Quantity("probe_temperature_5", "Cel", -55, 300, "5 号探头温度", "Probe 5 temperature"),
    Quantity("probe_temperature_6", "Cel", -55, 300, "6 号探头温度", "Probe 6 temperature"),
    Quantity("surface_temperature", "Cel", -40, 400, "表面温度", "Surface temperature"),
    Quantity("device_temperature", "Cel", -40, 125, "设备温度", "Device temperature"),
    Quantity("mass", "kg", -10_000, 200_000, "质量", "Mass"),
    Quantity("mass_stable", BOOL, 0, 1, "称量稳定", "Weight is stable"),
    Quantity("water", "L", 0, inf, "用水量", "Water"),
    Quantity("volume", "L", 0, inf, "体积", "Volume"),
    Quantity("volume_flow", "m3/h", 0, 10_000, "流量", "Flow rate"),
    Quantity("gas_volume", "m3", 0, inf, "用气量", "Gas used"),
    Quantity("open", BOOL, 0, 1, "门窗开启", "Open"),
    Quantity("left_open", BOOL, 0, 1, "未关好", "Left open"),
    Quantity("locked", BOOL, 0, 1, "已上锁", "Locked"),
    Quantity("motion", BOOL, 0, 1, "有人移动", "Motion"),
    Quantity("people_count", "1", 0, 100_000, "人数", "People counted"),
    Quantity("people_in", "1", 0, inf, "进入人次", "People in"),
    Quantity("people_out", "1", 0, inf, "离开人次", "People out"),
    Quantity("motion_count", "1", 0, 65_535, "活动次数", "Movements counted"),
    Quantity("vibration", BOOL, 0, 1, "振动", "Vibration"),
    Quantity("submerged", BOOL, 0, 1, "浸水", "Submerged"),
    Quantity("switched_on", BOOL, 0, 1, "已接通", "Switched on"),
    Quantity("occupancy", BOOL, 0, 1, "有人", "Occupied"),
    Quantity("water_leak", BOOL, 0, 1, "漏水", "Water leak"),
    Quantity("water_splash", BOOL, 0, 1, "上方滴水", "Water from above"),
    Quantity("smoke", BOOL, 0, 1, "烟雾报警", "Smoke", urgent=True),
    Quantity("gas_alarm", BOOL, 0, 1, "燃气报警", "Gas alarm", urgent=True),
    Quantity("co_alarm", BOOL, 0, 1, "一氧化碳报警", "Carbon monoxide alarm", urgent=True),
    Quantity("panic", BOOL, 0, 1, "紧急求助", "Panic button", urgent=True),
    Quantity("tamper", BOOL, 0, 1, "防拆", "Tamper"),
    Quantity("panic_test", BOOL, 0, 1, "求助按钮测试", "Panic button, test"),
    Quantity("button", "1", 0, 255, "按键", "Button"),
    Quantity("device_silent", BOOL, 0, 1, "设备", "Device"),
    Quantity("status", "1", 0, 65_535, "状态", "Status"),
    Quantity("fault", "1", 0, 65_535, "故障码", "Fault"),
    Quantity("alarm", "1", 0, 65_535, "报警码", "Alarm"),
    Quantity("relay_1", "1", 0, 1, "继电器 1", "Relay 1"),
    Quantity("relay_2", "1", 0, 1, "继电器 2", "Relay 2"),
    Quantity("relay_3", "1", 0, 1, "继电器 3", "Relay 3"),
    Quantity("relay_4", "1", 0, 1, "继电器 4", "Relay 4"),
    Quantity("relay_5", "1", 0, 1, "继电器 5", "Relay 5"),
    Quantity("relay_6", "1", 0, 1, "继电器 6", "Relay 6"),
    Quantity("relay_7", "1", 0, 1, "继电器 7", "Relay 7"),
    Quantity("relay_8", "1", 0, 1, "继电器 8", "Relay 8"),
    Quantity("power", "W", -100_000, 100_000, "功率", "Power"),
    Quantity("power_l1", "W", -100_000, 100_000, "A 相功率", "Power L1"),
    Quantity("power_l2", "W", -100_000, 100_000, "B 相功率", "Power L2"),
    Quantity("power_l3", "W", -100_000, 100_000, "C 相功率", "Power L3"),
    Quantity("power_total", "W", -1_000_000, 1_000_000, "总功率", "Power, all phases"),
    Quantity("apparent_power", "VA", -1_000_000, 1_000_000, "视在功率", "Apparent power"),
    Quantity("reactive_power", "var", -1_000_000, 1_000_000, "无功功率", "Reactive power"),
    Quantity("voltage", "V", 0, 500, "电压", "Voltage"),
    Quantity("voltage_l1", "V", 0, 500, "A 相电压", "Voltage L1"),
    Quantity("voltage_l2", "V", 0, 500, "B 相电压", "Voltage L2"),
    Quantity("voltage_l3", "V", 0, 500, "C 相电压", "Voltage L3"),
    Quantity("current", "A", -1_000, 1_000, "电流", "Current"),
    Quantity("current_l1", "A", -1_000, 1_000, "A 相电流", "Current L1"),
    Quantity("current_l2", "A", -1_000, 1_000, "B 相电流", "Current L2"),
    Quantity("current_l3", "A", -1_000, 1_000, "C 相电流", "Current L3"),
    Quantity("frequency", "Hz", 0, 500, "频率", "Frequency"),
    Quantity("frequency_l1", "Hz", 0, 500, "A 相频率", "Frequency L1"),
    Quantity("frequency_l2", "Hz", 0, 500, "B 相频率", "Frequency L2"),
    Quantity("frequency_l3", "Hz", 0, 500, "C 相频率", "Frequency L3"),
    Quantity("power_factor", "1", -1, 1, "功率因数", "Power factor"),
    Quantity("energy", "kWh", 0, inf, "电能", "Energy"),
    Quantity("energy_import", "kWh", 0, inf, "正向电能", "Energy, imported"),
    Quantity("energy_export", "kWh", 0, inf, "反向电能", "Energy, exported"),
    Quantity("power_factor_l1", "1", -1, 1, "A 相功率因数", "Power factor L1"),
    Quantity("power_factor_l2", "1", -1, 1, "B 相功率因数", "Power factor L2"),
    Quantity("power_factor_l3", "1", -1, 1, "C 相功率因数", "Power factor L3"),
    Quantity("battery", "%", 0, 100, "电量", "Battery"),
    Quantity("battery_low", BOOL, 0, 1, "电量低", "Battery low"),
    Quantity("battery_voltage", "V", 0, 60, "电池电压", "Battery voltage"),
    Quantity("external_power", BOOL, 0, 1, "外接电源", "External power"),
    Quantity("link_quality", "1", 0, 255, "链路质量", "Link quality"),
    Quantity("rssi", "dB[mW]", -150, 20, "信号强度", "Signal strength"),
    Quantity("snr", "dB", -60, 60, "信噪比", "Signal to noise ratio", ucum="dB"),
    _body("heart_rate", "/min", 30, 240, "心率", "Heart rate", purpose="sport"),
    _body("skin_contact", BOOL, 0, 1, "佩戴接触", "Skin contact", purpose="sport"),
    _body("energy_expended", "kJ", 0, 65_535, "能量消耗", "Energy expended", purpose="sport"),
    _body("steps", "1", 0, 1_000_000, "步数", "Steps", purpose="sport"),
    _body("running_speed", "m/s", 0, 15, "跑速", "Running speed", purpose="sport"),
    _body("cadence", "/min", 0, 255, "步频", "Cadence", purpose="sport"),
    _body("stride_length", "m", 0, 5, "步幅", "Stride length", purpose="sport"),
    _body("total_distance", "m", 0, inf, "总距离", "Total distance", purpose="sport"),
    _body("body_temperature", "Cel", 10, 60, "体温", "Body temperature", purpose="health"),
    _body("body_mass", "kg", 1, 300, "体重", "Body mass", purpose="health"),
    _body("body_height", "m", 0.3, 2.5, "身高", "Body height", purpose="health"),
    _body("body_mass_index", "kg/m2", 5, 100, "体质指数", "Body mass index", purpose="health"),
    _body("impedance", "Ohm", 0, 100_000, "体阻抗", "Body impedance", purpose="health"),
)


def _extremes(row: Quantity) -> tuple[Quantity, ...]:
    """Lowest and highest value of an interval: of ambient numbers, of which gateways send figures."""
    if row.is_bool or row.lane is not Lane.AMBIENT:
        return ()
    return (
        row._replace(
            name=f"{row.name}_{Statistic.MIN}",
            zh=f"{row.zh}（最低）",
            en=f"{row.en}, lowest",
            statistic=Statistic.MIN,
        ),
        row._replace(
            name=f"{row.name}_{Statistic.MAX}",
            zh=f"{row.zh}（最高）",
            en=f"{row.en}, highest",
            statistic=Statistic.MAX,
        ),
    )


QUANTITIES: Final[dict[str, Quantity]] = {
    one.name: one._replace(ucum=row.ucum or _UCUM.get(row.unit, row.unit))
    for row in _ROWS
    for one in (row, *_extremes(row))
}
