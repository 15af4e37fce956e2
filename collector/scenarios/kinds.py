"""The kinds of alerts: what each is called, what to do about it, and what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

from collector.text import Text
from telemetry.quantities import BOOL

Subject = Literal["safety", "health", "room"]
"""safety: somebody is in danger. health: it says how somebody is; who may see it is bounded, and no word of
it leaves with a notice but its kind and place. room: of a room or a machine.
"""
Severity = Literal["danger", "warning", "hint"]


class AlertKind(NamedTuple):
    """One kind. unit: of an alert's value and limit, a UCUM code or "bool" for what only calls. advice: what
    to do, where that is always the same.
    """

    name: str
    words: Text
    unit: str
    subject: Subject
    severity: Severity = "warning"
    advice: Text | None = None


BUILT_IN: Final = (
    AlertKind("fever", Text("发热", "Fever"), "Cel", "health"),
    AlertKind(
        "smoke",
        Text("烟雾报警", "Smoke alarm"),
        BOOL,
        "safety",
        "danger",
        Text(
            "请立即到现场查看，必要时疏散并拨打 119",
            "Go and look at once; if in doubt, evacuate and call the fire brigade",
        ),
    ),
    AlertKind(
        "gas_alarm",
        Text("燃气报警", "Gas alarm"),
        BOOL,
        "safety",
        "danger",
        Text("关闭阀门、开窗通风，勿动电器开关", "Close the valve, open the windows, touch no switch"),
    ),
    AlertKind(
        "co_alarm",
        Text("一氧化碳报警", "Carbon monoxide alarm"),
        BOOL,
        "safety",
        "danger",
        Text(
            "立即疏散到室外、开窗通风，有人不适拨打 120",
            "Get everybody into the open at once, open the windows; for anybody unwell call an ambulance",
        ),
    ),
    AlertKind(
        "panic",
        Text("紧急求助", "Call for help"),
        BOOL,
        "safety",
        "danger",
        Text("有人按下求助按钮，请立即前往", "Somebody has pressed the button; go there at once"),
    ),
)


class AlertKinds:
    """Every kind that this collector knows: its own and those of its plug-ins."""

    def __init__(self, added: Iterable[AlertKind] = ()) -> None:
        self._kinds: Mapping[str, AlertKind] = {kind.name: kind for kind in (*BUILT_IN, *added)}

    def find(self, name: str) -> AlertKind | None:
        """None for the kind of a plug-in that is not enabled any more."""
        return self._kinds.get(name)

    def __iter__(self) -> Iterator[AlertKind]:
        return iter(self._kinds.values())

    def __contains__(self, name: object) -> bool:
        return name in self._kinds
