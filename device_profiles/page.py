"""docs/devices.md, written from the catalogue: every model, what it reads, where its layout was seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from telemetry.quantities import QUANTITIES, Lane

if TYPE_CHECKING:
    from device_profiles.registry import Profile, Spec

TRANSPORTS: Final = {
    "mqtt-json": ("MQTT", "`[[mqtt]]`"),
    "lorawan": ("LoRaWAN（经 MQTT）· LoRaWAN, through MQTT", "`[[mqtt]]`"),
    "modbus": ("Modbus RTU / TCP", "`[[modbus]]`"),
    "ble": ("蓝牙 · Bluetooth Low Energy", "`[[ble]]`"),
    "serial": ("串口 · Serial line", "`[[serial]]`"),
    "http": ("HTTP 推送 · HTTP push", "`[[http]]`"),
}
EVIDENCE: Final = {
    "captured": "实机报文 · captured",
    "vendor": "厂家资料 · vendor text",
    "code": "公开代码 · code only",
    "invented": "本项目自定 · ours",
}
_RECORDS: Final = {
    "morning-check-v1": "晨检 · morning checks",
    "hikvision-isapi": "晨检、进出 · morning checks, doors",
    "wecom-temperature": "晨检 · morning checks",
}
HEAD: Final = """\
# 设备目录 · Devices

<!-- Made by `make devices`; a test holds it against the catalogue. -->

可以直接接入的设备型号共 {count} 种。**依据**说明该型号的报文格式从何而来：*实机报文*，有已知读数的真实设备报文；*厂家资料*，厂家文本或示例；*公开代码*，只见于他人代码，首次使用请核对；*本项目自定*，本项目的协议。
带 † 的是人身数据：在取得同意和用途许可之前，网关不会放行。

{count} models can be read as they are. **Evidence** says where a layout comes from: *captured*, a real device's message with known readings; *vendor text*, the maker's text or example; *code only*, others' code, so check
the first one you install; *ours*, a protocol of this project. † marks what is measured at a person: the gateway lets none of it pass without consent and a permitted purpose.

Each profile carries examples; `campus profile test` runs them all, and so does every commit. None of these devices stood on our desk: radios, wires and the devices' own moods are not covered
([verification.md](verification.md)). `campus profile show ID` shows a model whole, [add-a-device.md](add-a-device.md) how to add one.
"""


def write_page(profiles: Sequence[Profile]) -> str:
    """The page as Markdown."""
    parts = [HEAD.format(count=len(profiles))]
    for transport, (title, table) in TRANSPORTS.items():
        found = [profile for profile in profiles if profile.spec.transport == transport]
        if found:
            parts.append(f"\n## {title}\n\n{len(found)}，{table}\n\n")
            parts.append("| 型号 · model | id | 读数 · readings | 依据 · evidence |\n|---|---|---|---|\n")
            parts += [_row(profile) for profile in found]
    return "".join(parts)


def _row(profile: Profile) -> str:
    spec = profile.spec
    name = f"{spec.name.zh} · {spec.name.en}".replace("|", "/")
    return f"| {name} | `{profile.id}` | {'、'.join(_gives(spec))} | {EVIDENCE[spec.evidence]} |\n"


def _gives(spec: Spec) -> Iterator[str]:
    for row in spec.fields:
        mark = " †" if QUANTITIES[row.quantity].lane is Lane.PERSONAL else ""
        yield f"{QUANTITIES[row.quantity].zh}{mark}"
    record = getattr(spec, "record", None)
    if record is not None:
        yield f"{_RECORDS[record]} †"
    if getattr(spec, "check", None) is not None:
        yield "晨检 · morning checks †"
    if getattr(spec, "card", None) is not None:
        yield "刷卡 · cards †"
    for command in getattr(spec, "commands", ()):
        yield f"可控：{command.label.zh}"
