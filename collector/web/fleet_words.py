"""What the fleet pages say about troubles and configurations."""

from __future__ import annotations

from typing import Final, NamedTuple

from collector.fleet.difference import Change
from collector.fleet.standing import Standing, Word
from collector.fleet.trouble import Kind
from collector.text import Language, Text


class TroubleWords(NamedTuple):
    """What it is called, what to do about it, and how long it is so: a text around an age."""

    name: Text
    advice: Text
    since: Text | None = None


TROUBLES: Final[dict[Kind, TroubleWords]] = {
    "silent": TroubleWords(
        Text("失联", "silent"),
        Text(
            "请检查网关的电源和网络。数据先存在网关里，恢复后会自动补传。",
            "Check its power and network. It keeps its readings and sends them when it is back.",
        ),
        Text("最后一次消息 {}", "last heard {}"),
    ),
    "never": TroubleWords(
        Text("从未上线", "never heard"),
        Text(
            "在网关上运行 campus edge check gateway.toml，按提示处理。",
            "Run campus edge check gateway.toml on the gateway and do as it says.",
        ),
    ),
    "certificate_over": TroubleWords(
        Text("证书已过期", "certificate over"),
        Text(
            "请在这里为它重新开一个注册码，再到网关上运行 campus gateway enrol。",
            "Make a new enrolment code for it and run campus gateway enrol on the gateway.",
        ),
    ),
    "refused": TroubleWords(
        Text("配置被拒绝", "configuration refused"),
        Text(
            "网关仍按原来的配置运行。请按下面的原因改好配置再保存。",
            "It goes on with the configuration before. Mend what the reason names and save again.",
        ),
    ),
    "certificate_ends": TroubleWords(
        Text("证书快到期", "certificate ends soon"),
        Text(
            "网关平时会自己换证书。请检查它是否在线、时钟是否准确。",
            "A gateway renews it by itself. Check that it is online and that its clock is right.",
        ),
    ),
    "backlog": TroubleWords(
        Text("数据积压", "backlog"),
        Text(
            "数据传得慢。请检查网关到服务器的网络，以及服务器是否正常。",
            "Its readings get through slowly. Check the network between it and this server, and the server.",
        ),
        Text("最早的一批 {}", "the oldest is of {}"),
    ),
    "clock": TroubleWords(
        Text("时钟未同步", "clock not set"),
        Text(
            "请检查网关能否访问时间服务器（NTP）。",
            "Check that the gateway reaches a time server (NTP).",
        ),
    ),
    "waiting": TroubleWords(
        Text("配置未生效", "configuration not applied"),
        Text(
            "网关在线，但还没有换上新配置。等几分钟；仍不行就在它的页面上再发一次，或查看网关日志。",
            "It is online and runs another version. Wait some minutes, then send it again or look into its log.",
        ),
        Text("{}保存", "saved {}"),
    ),
    "unable": TroubleWords(
        Text("程序太旧", "program too old"),
        Text(
            "这台网关的程序不支持远程配置，请升级。",
            "Its program knows of no configuration from a collector; bring it up to date.",
        ),
    ),
}
WORDS: Final[dict[Word, Text]] = {
    "own": Text("自有配置", "its own file"),
    "same": Text("一致", "up to date"),
    "waiting": Text("待下发", "waiting"),
    "refused": Text("被拒绝", "refused"),
    "unable": Text("不支持", "not supported"),
}
CHANGES: Final[dict[Change, Text]] = {
    "changed": Text("修改", "changed"),
    "added": Text("新增", "added"),
    "removed": Text("删除", "removed"),
}
OWN_FILE: Final = Text("网关自己的文件", "that of its own file")
NEVER_SAID: Final = Text("还没有报告", "it never said")


def standing_text(how: Standing, language: Language) -> str:
    """In a few words: 一致 · 第 3 版."""
    word = WORDS[how.word].in_(language)
    if how.wanted is None:
        return word
    return f"{word} · {version_text(how.wanted.version, language)}"


def version_text(version: int, language: Language) -> str:
    return Text(f"第 {version} 版", f"version {version}").in_(language)


def running_text(running: int | None, language: Language) -> str:
    if running is None:
        return NEVER_SAID.in_(language)
    return version_text(running, language) if running else OWN_FILE.in_(language)
