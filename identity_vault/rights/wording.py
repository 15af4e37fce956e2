"""What guardians are told about each purpose, and how times are written, in Chinese and English."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from telemetry.purposes import Purpose
from telemetry.records import RECORD_TYPES

Language = Literal["zh", "en"]

AGAIN_AFTER_DAYS: Final = 7
"""How long the collector takes no records of a purpose after its withdrawal, so that a gateway that
nobody could reach does not go on: as old as a gateway's map may be.
"""


class Text(NamedTuple):
    """The same words in both languages."""

    zh: str
    en: str

    def in_(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


class Explanation(NamedTuple):
    """One purpose in plain words. without: what happens at school for a child whose family refuses."""

    what: Text
    why: Text
    without: Text


EXPLANATIONS: Final[dict[Purpose, Explanation]] = {
    "health": Explanation(
        Text("每天晨检时的体温，以及老师勾选的症状", "Body temperature at the morning check, and the symptoms a teacher ticks"),
        Text("尽早发现发热和传染病的苗头，及时通知校医", "To see fever and infections early and tell the school nurse"),
        Text("改为人工晨检：老师或校医当面查看，不进系统", "A teacher or the nurse checks by hand; nothing is recorded here"),
    ),
    "sport": Explanation(
        Text("体育课上的心率，每 15 秒汇总一次；下课后不采集", "Heart rate in PE lessons, summed up every 15 seconds; never outside lessons"),
        Text("避免运动过量，出现异常时提醒体育老师", "To prevent over-exertion and warn the PE teacher"),
        Text("不戴手环，照常上体育课，由老师现场观察", "PE as usual without a band; the teacher keeps an eye on your child"),
    ),
    "access": Explanation(
        Text("进出校门、刷卡的时间和地点", "When and where your child's card was used at a school door"),
        Text("知道孩子是否已安全到校、离校", "To know that your child has arrived or left safely"),
        Text("改为在门口人工登记", "The gate keeps a list by hand"),
    ),
    "nutrition": Explanation(
        Text("在食堂取餐的时间、餐次和份量", "When your child took a meal in the canteen, which meal, and how much"),
        Text("了解用餐情况；出现食物问题时尽快查清", "To follow meals, and to find the cause if food made somebody ill"),
        Text("改为人工登记取餐，饭菜一样", "Meals are noted by hand; the food is the same"),
    ),
    "safety": Explanation(
        Text("孩子按下求助按钮的时间和地点", "When and where your child pressed a call-for-help button"),
        Text("第一时间赶到孩子身边", "To be with your child at once"),
        Text(
            "紧急情况下为保护生命健康，法律允许不经同意处理（《个人信息保护法》第十三条第四项）；平时不采集",
            "In an emergency the law permits this without consent, to protect life and health"
            " (Personal Information Protection Law, article 13 (4)); nothing is collected otherwise",
        ),
    ),
}  # fmt: skip

RECORD_NAMES: Final = {
    "morning_check": Text("晨检", "Morning checks"),
    "access_event": Text("进出校门", "Coming and going"),
    "heart_rate_window": Text("体育课心率", "Heart rate in PE"),
    "meal_record": Text("用餐", "Meals"),
    "safety_event": Text("紧急求助", "Calls for help"),
}
FIELD_NAMES: Final = {
    "name": Text("姓名", "Name"),
    "birth_date": Text("出生日期", "Date of birth"),
    "phone": Text("您的手机号", "Your phone number"),
    "allergens": Text("过敏原", "Allergies"),
}
"""What a guardian can ask to have corrected."""
RECEIPT_NAMES: Final = {
    "export": Text("导出", "Copy of the data"),
    "correction": Text("更正", "Correction"),
    "withdrawal": Text("撤回同意", "Withdrawal"),
    "consent": Text("同意", "Consent"),
    "erasure": Text("全部删除", "Deletion"),
}
STATE_NAMES: Final = {
    "asked": Text("等待学校核对", "waiting for the school"),
    "done": Text("已更正", "corrected"),
    "declined": Text("未采纳，学校会说明原因", "declined; the school will tell you why"),
}


def retention_days(purpose: Purpose) -> int:
    """How long records of a purpose are kept, in days: the longest of its record types."""
    return max(one.retention_days for one in RECORD_TYPES.values() if one.purpose == purpose)


def time_text(time_ms: int, zone: ZoneInfo, language: Language) -> str:
    at = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(zone)
    if language == "zh":
        return f"{at.year} 年 {at.month} 月 {at.day} 日 {at:%H:%M}"
    return f"{at.day} {at:%B %Y, %H:%M}"


def date_text(time_ms: int, zone: ZoneInfo, language: Language) -> str:
    at = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(zone)
    return f"{at.year} 年 {at.month} 月 {at.day} 日" if language == "zh" else f"{at.day} {at:%B %Y}"


ACTION_NAMES: Final = {
    "resolve": Text("查看了孩子的姓名", "looked up your child's name"),
    "import_added": Text("从学校名册登记", "entered from the school's roster"),
    "import_changed": Text("按学校名册更新", "updated from the school's roster"),
    "import_left": Text("按学校名册登记离校", "marked as left, from the school's roster"),
    "consent_give": Text("登记同意", "recorded a consent"),
    "consent_withdraw": Text("撤回同意", "withdrew a consent"),
    "guardian_link": Text("给家长发送了本页面的链接", "made a link to this page"),
    "guardian_open": Text("打开了本页面", "opened this page"),
    "export": Text("导出数据", "asked for a copy of the data"),
    "order_export": Text("交出记录供导出", "handed over records for the copy"),
    "order_erase": Text("删除了记录", "deleted records"),
    "correction_ask": Text("申请更正", "asked for a correction"),
    "correction_decide": Text("处理了更正申请", "decided on a correction"),
    "keep_case": Text("保留未结病例的代号", "kept the pseudonym of an open case"),
}
OTHER_ACTION: Final = Text("处理了资料", "worked with the data")
ACTOR_NAMES: Final = {
    "guardian": Text("家长", "Guardian"),
    "session": Text("学校工作人员", "School staff"),
    "collector": Text("学校采集服务器", "The school's collector"),
    "gateway": Text("网关", "Gateway"),
    "staff": Text("学校管理员", "The school's administrator"),
}
CREDENTIAL_NAMES: Final = {
    "card": Text("校园卡", "Card"),
    "band": Text("手环", "Band"),
    "station": Text("设备编号", "Number at a station"),
}
TABLE_NAMES: Final = {
    "pupils": Text("学生资料", "pupil"),
    "credentials": Text("校园卡、手环", "cards and bands"),
    "guardians": Text("监护人", "guardians"),
    "consents": Text("同意记录", "consents"),
    "corrections": Text("更正申请", "corrections"),
    "links": Text("家长链接", "links"),
}
FIELDS_OF_RECORDS: Final = {
    "time_ms": Text("时间", "Time"),
    "place": Text("地点", "Place"),
    "device": Text("设备", "Device"),
    "site": Text("测量部位", "Site"),
    "temperature_c": Text("体温 °C", "Temperature °C"),
    "ambient_c": Text("室温 °C", "Room °C"),
    "symptoms": Text("症状", "Symptoms"),
    "class_id": Text("班级", "Class"),
    "door": Text("门", "Door"),
    "mean_bpm": Text("平均心率", "Mean /min"),
    "min_bpm": Text("最低", "Lowest /min"),
    "max_bpm": Text("最高", "Highest /min"),
    "samples": Text("样本数", "Samples"),
    "contact": Text("佩戴接触", "Contact"),
    "above_limit_s": Text("超限秒数", "Seconds above limit"),
    "meal": Text("餐次", "Meal"),
    "mass_g": Text("份量 g", "Portion g"),
    "danger": Text("事件", "Event"),
}
"""Fields that are not here are shown by their own names."""

VALUE_NAMES: Final = {
    "forehead": Text("额温", "forehead"),
    "ear": Text("耳温", "ear"),
    "axillary": Text("腋温", "armpit"),
    "fever": Text("发热", "fever"),
    "cough": Text("咳嗽", "cough"),
    "headache": Text("头痛", "headache"),
    "sore_throat": Text("咽痛", "sore throat"),
    "parotid_swelling": Text("腮腺肿大", "swollen parotid gland"),
    "abdominal_pain": Text("腹痛", "abdominal pain"),
    "diarrhoea": Text("腹泻", "diarrhoea"),
    "vomiting": Text("呕吐", "vomiting"),
    "rash": Text("皮疹", "rash"),
    "dizziness": Text("头晕", "dizziness"),
    "fatigue": Text("乏力", "fatigue"),
    "red_eyes": Text("红眼", "red eyes"),
    "breakfast": Text("早餐", "breakfast"),
    "lunch": Text("午餐", "lunch"),
    "dinner": Text("晚餐", "dinner"),
    "other": Text("其他", "other"),
    "panic": Text("求助", "call for help"),
    "smoke": Text("烟雾", "smoke"),
    "gas_alarm": Text("燃气报警", "gas alarm"),
    "co_alarm": Text("一氧化碳报警", "carbon monoxide alarm"),
}
"""Values of records that are words of a closed list; a test holds that all of them are here."""
