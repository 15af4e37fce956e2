"""The front-end files: pinned, from npm, not committed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from collector.web.wording import unit_text
from telemetry.quantities import QUANTITIES

ROOT = Path(__file__).parents[2]
VENDOR = ROOT / "collector" / "web" / "static" / "vendor"


def test_versions_are_exact_and_no_registry_is_named() -> None:
    package = json.loads((ROOT / "package.json").read_text("utf-8"))
    lock = json.loads((ROOT / "package-lock.json").read_text("utf-8"))
    assert package["private"] is True
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in package["dependencies"].values())
    for name, version in package["dependencies"].items():
        locked = lock["packages"][f"node_modules/{name}"]
        assert locked["version"] == version
        assert locked["integrity"].startswith("sha512-")
    text = (ROOT / "package-lock.json").read_text("utf-8")
    assert "resolved" not in text
    assert "://" not in text


def test_the_copies_are_those_versions_and_not_committed() -> None:
    package = json.loads((ROOT / "package.json").read_text("utf-8"))
    htmx = (VENDOR / "htmx.min.js").read_text("utf-8")
    assert f'version="{package["dependencies"]["htmx.org"]}"' in htmx
    assert "uPlot" in (VENDOR / "uPlot.iife.min.js").read_text("utf-8")
    tracked = subprocess.run(
        ["git", "ls-files", "--", str(VENDOR)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert tracked.stdout == ""


def test_scripts_and_server_write_units_alike() -> None:
    script = (ROOT / "collector" / "web" / "static" / "words.js").read_text("utf-8")
    table = script.partition("UNIT_TEXT = {")[2].partition("}")[0]
    written = {key.strip('"'): text for key, text in re.findall(r'("[^"]+"|\w+): "([^"]*)"', table)}
    assert written == {code: unit_text(code) for code in written}
    assert set(written) == {row.unit for row in QUANTITIES.values() if unit_text(row.unit) != row.unit}


def test_no_script_or_style_is_inline_and_none_is_foreign() -> None:
    for template in (ROOT / "collector" / "web" / "templates").iterdir():
        text = template.read_text("utf-8")
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|hx-on|https?://", text), (
            template.name
        )
