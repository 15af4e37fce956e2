"""docs/metrics.md, written from the code: `campus collector metrics > docs/metrics.md`."""

from __future__ import annotations

from typing import Final

from collector.series.metric_names import CLOCK, HIGH, LOW, METRICS, QUALITY
from telemetry.quality import ClockQuality, Quality
from telemetry.quantities import QUANTITIES

_HEAD: Final = """# Metrics

<!-- Written by `campus collector metrics > docs/metrics.md`; a test holds it against the code. -->

What the collector calls a series in VictoriaMetrics and InfluxDB, for Grafana and whoever else asks them.
数据库里每个指标的名称、单位和标签。DuckDB 中的序列不经过这些名称。

- A metric is `environment_` + quantity + unit. Values are stored in the unit in which they are measured;
  the name says which. In InfluxDB the metric is the measurement and the field is `value`.
- A figure of an interval is a metric of its own: `environment_co2_min_ppm`, `environment_co2_max_ppm`.
- Only readings about rooms and machines are here. What is measured at a body is kept as records in the
  records database and has no metric; no name, number, card or pseudonym of a person becomes a label.

## Labels

| label | what it is | example |
|---|---|---|
| `school` | the school's id 学校 | `example-primary` |
| `gateway` | the gateway's id 网关 | `gw-301` |
| `building` | first half of the place 楼 | `main` |
| `room` | second half of the place, if it has one 房间 | `301` |
| `device` | the device's id in the gateway's configuration 设备 | `air-301` |
| `model` | the profile of the device 型号 | `json/environment` |
| `db` | VictoriaMetrics only: `database` of `[store]`, if it is set | `campus` |

A label that would be empty is left out. `%` stands in a label as `%25`, a backslash as `%5C`, and a blank
at either end as `%u0020`: not every server could keep them.

    avg by (room) (environment_co2_ppm{school="example-primary", building="main"})
"""


def metrics_page() -> str:
    """The whole page, in Markdown."""
    parts = [_HEAD, _companions(), "## Metrics\n", "| metric | unit | what | 名称 |", "|---|---|---|---|"]
    for name, metric in sorted(METRICS.items(), key=lambda pair: pair[1]):
        row = QUANTITIES[name]
        unit = "0 or 1" if row.is_bool else row.unit if row.unit != "1" else ""
        parts.append(f"| `{metric}` | {unit} | {row.en} | {row.zh} |")
    return "\n".join(parts) + "\n"


def _companions() -> str:
    qualities = ", ".join(f"{one.value} {one.name.lower().replace('_', ' ')}" for one in Quality)
    clocks = ", ".join(f"{one.value} {one.name.lower()}" for one in ClockQuality)
    return f"""## Companions of a metric

Written only where they are not 0, at the time of the point they belong to; in InfluxDB they are fields
beside `value` (`{QUALITY[1:]}`, `{CLOCK[1:]}`).

| metric | what it says |
|---|---|
| …`{QUALITY}` | quality of the value: {qualities} |
| …`{CLOCK}` | quality of the clock: {clocks} |
| …`{HIGH}`, …`{LOW}` | VictoriaMetrics only: the two halves of a number of 10⁹ or more or closer to 0 than 10⁻⁹, which would cost the ordinary numbers beside it their digits. Such a number is a fault of a device; it is not in the metric itself |

VictoriaMetrics keeps 12 significant digits of a number, 9 of them decimals, and no sign of zero.
"""
