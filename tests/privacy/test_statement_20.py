"""20. No output ranks or disciplines pupils; health alerts never reach class screens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from telemetry.purposes import PURPOSES
from telemetry.records import RECORD_TYPES

ROOT = Path(__file__).parents[2]
JUDGING = re.compile(
    r"ranking|\branks?\b.{0,40}(?:pupil|student|child|class)|leader.?board|\bscore|top.?ten|best.?pupil|worst.?pupil|punish|disciplin|demerit|black.?list"
    r"|排名|排行|名次|评分|积分榜|处分|惩罚|违纪|黑名单|红黑榜"
)
SHOWN = ("*.html", "*.js", "*.toml")


def shown_files() -> list[Path]:
    """What people are shown: pages, their scripts, words and rules."""
    folders = [ROOT / "collector", ROOT / "identity_vault", ROOT / "telemetry", ROOT / "dashboards"]
    found = [file for folder in folders for pattern in SHOWN for file in folder.rglob(pattern)]
    words = [*(ROOT / "collector").rglob("*.py"), *(ROOT / "identity_vault").rglob("*.py")]
    return [file for file in (*found, *words) if "vendor" not in file.parts]


def test_20_nothing_that_is_shown_ranks_or_disciplines() -> None:
    files = shown_files()
    assert len(files) > 50
    found = {
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file in files
        for match in JUDGING.finditer(file.read_text("utf-8").lower())
    }
    assert found == set()


@pytest.mark.parametrize(
    "text", ["the ranking", "ranks each pupil", "体温排名", "class leaderboard", "违纪记录"]
)
def test_20_such_words_would_be_found(text: str) -> None:
    assert JUDGING.search(text)


def test_20_no_record_holds_a_judgement() -> None:
    names = {name for row in RECORD_TYPES.values() for name in row.type.__struct_fields__}
    assert [name for name in names if JUDGING.search(name)] == []
    assert not {"behaviour", "discipline", "performance", "attention"} & set(PURPOSES)


@pytest.mark.parametrize("path", ["/screens", "/screen", "/class", "/board", "/display", "/parts/screen"])
def test_20_the_collector_has_no_page_for_class_screens(path: str) -> None:
    from collector.web.page import router  # noqa: PLC0415  # needs the front-end's files only here

    assert not any(getattr(route, "path", "").startswith(path) for route in router.routes)
