"""What the guardians' pages show, in words: everything a template needs, and nothing it has to decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from identity_vault import roster
from identity_vault.imports.allergens import ALLERGENS
from identity_vault.names.roles import Role, default_roles
from identity_vault.rights import wording
from identity_vault.rights.consents import Standing
from identity_vault.rights.export import Copy, LookCopy
from identity_vault.rights.receipts import Receipt
from identity_vault.rights.wording import Language, Text, date_text, time_text
from telemetry.purposes import PURPOSES

STYLE_SHEET: Final = Path(__file__).parent / "static" / "guardian.css"
RECORDS_SHOWN_MAX: Final = 500
"""Of each type on the page; the JSON has all."""

_ASIDE: Final = frozenset({"place", "device", "class_id"})
"""Columns that stand last: a telephone shows the first ones only."""
_HIDDEN: Final = frozenset({"school", "clock"})
"""Columns of no use to a reader; the JSON has them."""

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Reader(NamedTuple):
    """Who reads: in which language, by which clock."""

    language: Language
    zone: ZoneInfo

    def say(self, zh: str, en: str) -> str:
        return zh if self.language == "zh" else en

    def word(self, text: Text) -> str:
        return text.in_(self.language)

    def time(self, time_ms: int) -> str:
        return time_text(time_ms, self.zone, self.language)

    def date(self, time_ms: int) -> str:
        return date_text(time_ms, self.zone, self.language)


def render(template: str, reader: Reader, **values: object) -> str:
    """The page; every value is escaped."""
    return _templates.get_template(template).render(lang=reader.language, say=reader.say, **values)


def purpose_view(standing: Standing, reader: Reader) -> dict[str, Any]:
    """One purpose in plain words, and how it stands."""
    info, words = PURPOSES[standing.purpose], wording.EXPLANATIONS[standing.purpose]
    state, tone = _state(standing, reader)
    return {
        "key": standing.purpose,
        "title": reader.say(info.zh, info.en),
        "state": state,
        "tone": tone,
        "when": _when(standing, reader),
        "what": reader.word(words.what),
        "why": reader.word(words.why),
        "without": reader.word(words.without),
        "without_title": reader.say("不同意的话", "If you refuse")
        if info.needs_consent
        else reader.say("为什么不用同意", "Why no consent is needed"),
        "days": wording.retention_days(standing.purpose),
        "needs_consent": info.needs_consent,
        "agreed": standing.holds,
    }


def _state(standing: Standing, reader: Reader) -> tuple[str, str]:
    if not PURPOSES[standing.purpose].needs_consent:
        return reader.say("仅限紧急", "emergencies"), ""
    if standing.may_collect:
        return reader.say("已同意", "agreed"), "yes"
    return reader.say("未同意", "not agreed"), ""


def _when(standing: Standing, reader: Reader) -> str:
    consent = standing.consent
    if consent is None or not PURPOSES[standing.purpose].needs_consent:
        return ""
    if standing.unheeded:
        return reader.say("只有孩子自己的同意，不算数", "Only your child has agreed, which does not count")
    if standing.holds:
        given = reader.date(consent.given_ms)
        since = reader.say(f"{given}同意", f"Agreed on {given}")
        if standing.until_ms is not None:
            end = reader.date(standing.until_ms)
            since += reader.say(f"，{end}到期", f", ends on {end}")
        return since
    if consent.withdrawn_ms is not None:
        day = reader.date(consent.withdrawn_ms)
        return reader.say(f"{day}已撤回", f"Withdrawn on {day}")
    if consent.until_ms is not None:
        day = reader.date(consent.until_ms)
        return reader.say(f"{day}已到期", f"Ended on {day}")
    return ""


def pupil_facts(
    details: roster.PupilDetails, guardians: Iterable[tuple[str, str, str]], reader: Reader
) -> list[tuple[str, str]]:
    """Name and value of each; guardians: name, relation, phone."""
    facts = [
        (reader.say("姓名", "Name"), details.name),
        (reader.say("学号", "Student number"), details.student_number),
        (reader.say("出生日期", "Date of birth"), details.birth_date),
    ]
    if details.sex is not None:
        sexes = {"male": reader.say("男", "male"), "female": reader.say("女", "female")}
        facts.append((reader.say("性别", "Sex"), sexes[details.sex]))
    if details.dormitory:
        facts.append((reader.say("宿舍", "Dormitory"), details.dormitory))
    facts.append((reader.say("过敏原", "Allergies"), allergens_text(details, reader)))
    facts += [
        (
            reader.say(f"监护人（{relation}）", f"Guardian ({relation})") if relation else reader.say("监护人", "Guardian"),
            " ".join(filter(None, (name, phone))),
        )
        for name, relation, phone in guardians
    ]  # fmt: skip
    return facts


def allergens_text(details: roster.PupilDetails, reader: Reader) -> str:
    """The groups' names; the codes are English words."""
    names = [reader.say(ALLERGENS[one][0] if one in ALLERGENS else one, one) for one in details.allergens]
    return reader.say("、", ", ").join(names) or reader.say("无", "none")


def look_view(look: LookCopy, reader: Reader) -> dict[str, str]:
    what = reader.word(wording.ACTION_NAMES.get(look.action, wording.OTHER_ACTION))
    info = next((one for name, one in PURPOSES.items() if name == look.purpose), None)
    if info is not None:
        what += reader.say(f"（{info.zh}）", f" ({info.en.lower()})")
    if look.emergency:
        what += reader.say("，紧急情况", ", in an emergency")
    role = _roles().get(look.role)
    who = reader.word(wording.ACTOR_NAMES.get(look.by, wording.ACTOR_NAMES["staff"]))
    if role is not None:
        who = reader.say(role.zh, role.en)
    return {"who": who, "what": what, "when": reader.time(look.at_ms)}


@cache
def _roles() -> Mapping[str, Role]:
    return default_roles()


def receipt_title(receipt: Receipt, reader: Reader) -> str:
    """What it is about, such as 撤回同意：体育课心率."""
    title = reader.word(wording.RECEIPT_NAMES[receipt.kind])
    about = ""
    if receipt.detail.purpose is not None:
        info = PURPOSES[receipt.detail.purpose]
        about = reader.say(info.zh, info.en)
    elif receipt.detail.field in wording.FIELD_NAMES:
        about = reader.word(wording.FIELD_NAMES[receipt.detail.field])
    return title + (reader.say("：", ": ") + about if about else "")


def receipt_view(receipt: Receipt, reader: Reader) -> dict[str, str]:
    return {
        "code": receipt.code,
        "title": receipt_title(receipt, reader),
        "when": reader.time(receipt.made_ms),
        "state": _receipt_state(receipt, reader),
    }


def _receipt_state(receipt: Receipt, reader: Reader) -> str:
    detail = receipt.detail
    if detail.state in wording.STATE_NAMES:
        return reader.word(wording.STATE_NAMES[detail.state])
    if detail.completed_ms is not None or (receipt.kind == "export" and detail.collector_ms is not None):
        return reader.say("已完成", "completed")
    return reader.say("进行中", "under way")


def receipt_steps(receipt: Receipt, waiting: Sequence[str], reader: Reader) -> list[tuple[str, str]]:
    """What was done and when, what is still to do; waiting: gateways that have not confirmed."""
    detail = receipt.detail
    steps = [(_first_step(receipt, reader), reader.time(receipt.made_ms))]
    if receipt.kind in {"withdrawal", "erasure"}:
        steps.append(_collector_step(receipt, reader))
        if detail.completed_ms is not None:
            count = len(detail.gateways)
            last = max(detail.gateways.values(), default=detail.completed_ms)
            if count:
                text = reader.say(f"{count} 台设备全部确认", f"All {count} devices have confirmed")
                steps.append((text, reader.time(last)))
            steps.append((reader.say("全部完成", "Completed"), reader.time(detail.completed_ms)))
        elif waiting:
            text = reader.say(
                f"还有 {len(waiting)} 台设备没有确认", f"{len(waiting)} devices have not confirmed yet"
            )
            steps.append((text, ""))
    elif receipt.kind == "export":
        steps.append(_collector_step(receipt, reader))
    elif receipt.kind == "correction":
        text = _receipt_state(receipt, reader)
        steps.append((text, "" if detail.completed_ms is None else reader.time(detail.completed_ms)))
    return steps


def _first_step(receipt: Receipt, reader: Reader) -> str:
    rows = "，".join(
        reader.say(f"{wording.TABLE_NAMES[table].zh} {count}", f"{wording.TABLE_NAMES[table].en} {count}")
        for table, count in receipt.detail.counts.items()
        if table in wording.TABLE_NAMES and count
    )
    if reader.language == "en":
        rows = rows.replace("，", ", ")
    texts = {
        "consent": Text("已登记您的同意", "Your consent is recorded"),
        "withdrawal": Text("已停止，正在通知校内各台设备", "Stopped; the devices at school are being told"),
        "correction": Text("已收到您的申请", "The school has your request"),
        "export": Text("已收到您的申请", "Your request was taken down"),
        "erasure": Text(f"孩子的资料已全部删除（{rows}）", f"Your child's details are deleted ({rows})"),
    }
    return reader.word(texts[receipt.kind])


def _collector_step(receipt: Receipt, reader: Reader) -> tuple[str, str]:
    detail = receipt.detail
    if detail.collector_ms is None:
        return reader.say("采集服务器还没有确认", "The collector has not confirmed yet"), ""
    rows = sum(detail.collector.values())
    if receipt.kind == "export":
        text = reader.say("采集服务器已交出记录", "The collector has handed over its records")
    else:
        text = reader.say(f"采集服务器已删除 {rows} 条记录", f"The collector has deleted {rows} records")
    return text, reader.time(detail.collector_ms)


def copy_page(copy: Copy, reader: Reader, *, standalone: bool) -> str:
    """The copy as a page to read; standalone: in one file, for a folder of its own."""
    missing = (
        reader.say("采集服务器的回答无法读取，请告诉学校。", "The collector's answer cannot be read; please tell the school.")
        if copy.records_unreadable
        else reader.say(
            "采集服务器到现在还没有回答，这份副本里没有记录；请稍后再取一次。",
            "The collector has not answered so far, so this copy has no records; please fetch it again later.",
        )
    )  # fmt: skip
    return render(
        "copy.html",
        reader,
        css=STYLE_SHEET.read_text("utf-8") if standalone else "",
        copy=copy,
        class_name=reader.say(copy.class_zh, copy.class_en),
        made=reader.time(copy.made_ms),
        facts=pupil_facts(
            copy.pupil, [(one.name, one.relation, one.phone) for one in copy.guardians], reader
        ),
        consents=[_consent_lines(one, reader) for one in copy.consents],
        credentials=[
            (f"{reader.word(wording.CREDENTIAL_NAMES[one.kind])} {one.masked}", _span(one.since_ms, one.until_ms, reader))
            for one in copy.credentials
        ],
        records=None if copy.records is None else [_record_table(*one, reader) for one in copy.records.items() if one[1]],
        missing=missing,
        looks=[look_view(one, reader) for one in copy.looks],
        receipts=[receipt_view(one, reader) for one in copy.receipts],
    )  # fmt: skip


def _consent_lines(consent: Any, reader: Reader) -> tuple[str, list[str]]:
    info = PURPOSES[consent.purpose]
    by = (
        reader.say("监护人", "guardian")
        if consent.given_by == "guardian"
        else reader.say("学生本人", "pupil")
    )
    lines = [
        _span(consent.given_ms, consent.until_ms, reader) + reader.say(f"，由{by}", f", by the {by}"),
        reader.say("依据：", "Evidence: ") + consent.evidence,
    ]
    if consent.withdrawn_ms is not None:
        lines.append(reader.say("撤回：", "Withdrawn: ") + reader.time(consent.withdrawn_ms))
    return reader.say(info.zh, info.en), lines


def _span(since_ms: int, until_ms: int | None, reader: Reader) -> str:
    if until_ms is None:
        return reader.say(f"{reader.date(since_ms)}起", f"since {reader.date(since_ms)}")
    return f"{reader.date(since_ms)} – {reader.date(until_ms)}"


def _record_table(
    name: str, rows: list[dict[str, Any]], reader: Reader
) -> tuple[str, list[str], list[list[str]], int]:
    """Title, headings, cells, and how many rows were left out."""
    given = dict.fromkeys(
        key for row in rows for key, value in row.items() if value not in (None, "") and key not in _HIDDEN
    )
    columns = sorted(given, key=lambda column: column in _ASIDE)
    heads = [reader.word(wording.FIELDS_OF_RECORDS.get(one, Text(one, one))) for one in columns]
    newest = sorted(rows, key=_time_of, reverse=True)[:RECORDS_SHOWN_MAX]
    cells = [[_cell(one, row.get(one), reader) for one in columns] for row in newest]
    title = f"{reader.word(wording.RECORD_NAMES[name])} ({len(rows)})"
    return title, heads, cells, len(rows) - len(newest)


def _time_of(row: dict[str, Any]) -> int:
    value = row.get("time_ms")
    return value if isinstance(value, int) else 0


def _cell(column: str, value: Any, reader: Reader) -> str:
    if value is None:
        return ""
    if column == "time_ms" and isinstance(value, int) and 0 <= value < 2**43:
        return f"{datetime.fromtimestamp(value / 1_000, reader.zone):%Y-%m-%d %H:%M}"
    if column == "symptoms" and isinstance(value, str):
        return reader.say("、", ", ").join(_value(one, reader) for one in value.split(","))
    return _value(value, reader)


def _value(value: Any, reader: Reader) -> str:
    if isinstance(value, str) and value in wording.VALUE_NAMES:
        return reader.word(wording.VALUE_NAMES[value])
    return f"{value:g}" if isinstance(value, float) else str(value)
