"""docs/devices.md and docs/add-a-device.md are true."""

import re
from pathlib import Path

from typer.testing import CliRunner

from device_profiles.cli import app
from device_profiles.page import write_page
from device_profiles.registry import Catalogue

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_is_that_of_the_catalogue() -> None:
    page = (DOCS / "devices.md").read_text("utf-8")
    assert page == write_page(Catalogue().all()), "run: make devices"
    assert CliRunner().invoke(app, ["page"]).stdout == page


def test_enough_models_of_each_kind() -> None:
    kinds: dict[str, int] = {}
    for profile in Catalogue().all():
        kinds[profile.spec.transport] = kinds.get(profile.spec.transport, 0) + 1
    assert kinds["modbus"] >= 12
    assert kinds["ble"] >= 16
    assert kinds["serial"] >= 12
    assert kinds["mqtt-json"] + kinds["lorawan"] >= 12
    assert sum(kinds.values()) >= 50


def test_the_walk_through_works_step_by_step(tmp_path: Path) -> None:
    page = (DOCS / "add-a-device.md").read_text("utf-8")
    steps = re.findall(r"```toml\n(transport.*?)```", page, re.DOTALL)
    assert len(steps) == 2, "the first try, and the finished profile"
    file = tmp_path / "mine" / "acme" / "air-1.toml"
    file.parent.mkdir(parents=True)
    runner = CliRunner()

    def run(*words: str) -> tuple[int, str]:
        done = runner.invoke(app, [word.replace("mine/", f"{tmp_path}/mine/") for word in words])
        return done.exit_code, done.output

    file.write_text(steps[0], "utf-8")
    code, told = run("test", "mine/acme/air-1.toml")
    assert code == 1
    for line in re.findall(r"^> (.*)$", page, re.MULTILINE):
        assert line in " ".join(told.split()), f"the page promises: {line}"
    file.write_text(steps[1], "utf-8")
    assert run("test", "mine/acme/air-1.toml") == (0, "acme/air-1: 3 examples hold\n")
    decode = re.search(r"campus profile decode (\S+) '([^']*)'\n```\n\n```json\n(.*?)```", page, re.DOTALL)
    assert decode is not None
    assert run("decode", decode[1], decode[2]) == (0, decode[3])
