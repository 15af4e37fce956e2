"""What data about people may be for. The list is closed: a purpose that is not here has no pseudonym."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

Purpose = Literal["health", "sport", "access", "nutrition", "safety"]
PURPOSE_NAMES: Final[tuple[Purpose, ...]] = get_args(Purpose)


class PurposeInfo(NamedTuple):
    """One purpose. `needs_consent`: nothing is collected for it before somebody entitled has agreed.

    `assessment` names the entry in the school's personal-information impact assessment.
    """

    zh: str
    en: str
    needs_consent: bool
    assessment: str


PURPOSES: Final[dict[Purpose, PurposeInfo]] = {
    "health": PurposeInfo("晨检与健康", "Morning checks and health", True, "PIA-2026-health"),
    "sport": PurposeInfo("体育课心率", "Heart rate in PE lessons", True, "PIA-2026-sport"),
    "access": PurposeInfo("进出校门", "Coming and going", True, "PIA-2026-access"),
    "nutrition": PurposeInfo("用餐与营养", "Meals and nutrition", True, "PIA-2026-nutrition"),
    # An emergency is the one case without consent: Personal Information Protection Law, article 13 (4).
    "safety": PurposeInfo("紧急求助", "Calls for help", False, "PIA-2026-safety"),
}
