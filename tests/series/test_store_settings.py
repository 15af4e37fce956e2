"""The `[store]` section: what it may say, and the variants that the sample shows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from collector.series.settings import StoreSection

SAMPLE = Path(__file__).parents[2] / "collector" / "collector.sample.toml"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "victoriametrics"}, "url is missing"),
        ({"kind": "victoriametrics", "url": "tsdb:8428"}, "url is missing or is none"),
        ({"kind": "victoriametrics", "url": "http://user:pw@tsdb"}, "url is missing or is none"),
        ({"kind": "influxdb", "url": "http://127.0.0.1:8086"}, "database is missing"),
        ({"kind": "influxdb", "url": "http://127.0.0.1", "database": "d", "api": "v2"}, "org is missing"),
        (
            {"kind": "influxdb", "url": "http://127.0.0.1", "database": "d", "threads": 2},
            "threads: not for kind",
        ),
        ({"url": "http://127.0.0.1:8428"}, "url: not for kind = 'duckdb'"),
        ({"kind": "victoriametrics", "url": "http://tsdb.example", "token_file": "t"}, "use https"),
        ({"kind": "victoriametrics", "url": "http://127.0.0.1", "hold_s": 1}, "greater than or equal to 20"),
    ],
)
def test_a_wrong_section_says_what_is_wrong(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        StoreSection.model_validate(settings)


def test_every_store_that_the_sample_shows_can_be_configured() -> None:
    text = SAMPLE.read_text("utf-8")
    blocks = re.findall(r"^# \[store\]\n((?:# .*\n)+)", text, re.MULTILINE)
    shown = [tomllib.loads("\n".join(line[2:] for line in block.splitlines())) for block in blocks]
    shown.append(tomllib.loads(text)["store"])
    sections = [StoreSection.model_validate(section) for section in shown]
    assert {section.kind for section in sections} == {"duckdb", "victoriametrics", "influxdb"}
    # Every setting is shown, apart from what stands in a comment's words.
    settings = {name for section in shown for name in section} | {"org"}
    assert settings == set(StoreSection.model_fields)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    section = StoreSection(kind="victoriametrics", url="http://[::1]:8428", token_file=Path("store.token"))
    assert section.is_local
    assert section.relative_to(tmp_path).token_file == tmp_path / "store.token"
    assert section.relative_to(tmp_path).ca_file is None
