"""What roles are called."""

from __future__ import annotations

from typing import Final

from collector.accounts.permissions import Role
from collector.text import Text

ROLE_WORDS: Final[dict[Role, Text]] = {
    "admin": Text("管理员", "Administrator"),
    "facilities": Text("总务后勤", "Facilities"),
    "nurse": Text("卫生老师（校医）", "School nurse"),
    "pe_teacher": Text("体育老师", "PE teacher"),
    "class_teacher": Text("班主任", "Class teacher"),
    "canteen": Text("食堂", "Canteen"),
    "district": Text("区级用户", "District"),
}
