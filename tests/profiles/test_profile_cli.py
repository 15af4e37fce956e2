"""`campus profile` as people use it."""

from pathlib import Path

from typer.testing import CliRunner

from device_profiles.cli import app
from device_profiles.registry import BUNDLED, Catalogue

runner = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})


def test_list_names_every_profile() -> None:
    result = runner.invoke(app, ["list"])
    assert result.exit_code == 0
    assert all(profile_id in result.output for profile_id in Catalogue().ids())


def test_list_finds_by_any_of_its_columns() -> None:
    for text, wanted in (("sds011", "nova/sds011"), ("SERIAL", "nova/sds011"), ("激光颗粒物", "nova/sds011")):
        lines = runner.invoke(app, ["list", text]).output.splitlines()
        assert wanted in {line.split("\t")[0] for line in lines}
        assert len(lines) < len(Catalogue().ids())
    assert runner.invoke(app, ["list", "no such thing"]).output == ""


def test_show_every_profile() -> None:
    for profile in Catalogue().all():
        result = runner.invoke(app, ["show", profile.id])
        assert result.exit_code == 0, result.output
        assert profile.spec.source in result.output.replace("\n", "")
        assert all(row.quantity in result.output for row in profile.spec.fields)


def test_show_says_paths_and_rules() -> None:
    output = runner.invoke(app, ["show", "xiaomi-gateway3/aqara-gas"]).output
    assert "mi_spec[siid=2,piid=1].value" in output
    assert "did = {address}" in output


def test_show_of_an_unknown_id_suggests() -> None:
    result = runner.invoke(app, ["show", "tasmota/enegry"])
    assert result.exit_code == 2
    assert "did you mean tasmota/energy" in result.output


def test_test_runs_all_or_the_named_ones() -> None:
    assert runner.invoke(app, ["test"]).output.count("examples hold") == len(Catalogue().ids())
    path = str(BUNDLED / "tasmota" / "energy.toml")
    result = runner.invoke(app, ["test", path, "json/environment"])
    assert result.exit_code == 0
    assert result.output.count("examples hold") == 2


def _copy(folder: Path, old: str, new: str) -> Path:
    text = (BUNDLED / "zigbee2mqtt" / "aqara-door.toml").read_text("utf-8")
    assert old in text
    path = folder / "site" / "door.toml"
    path.parent.mkdir()
    path.write_text(text.replace(old, new, 1), "utf-8")
    return path


def test_a_failing_example_exits_1_and_says_how(tmp_path: Path) -> None:
    path = _copy(tmp_path, "invert = true", "invert = false")
    result = runner.invoke(app, ["test", str(path)])
    assert result.exit_code == 1
    assert "the door opens: open is 0.0, expected True" in result.output


def test_a_bad_file_exits_2_without_a_traceback(tmp_path: Path) -> None:
    path = _copy(tmp_path, "invert = true", "invert = 1")
    for arguments in (
        ["test", str(path)],
        ["list", "--dir", str(tmp_path)],
        ["test", "--dir", str(tmp_path)],
    ):
        result = runner.invoke(app, arguments)
        assert result.exit_code == 2
        assert f"{path}:12: fields[1].invert" in result.output
        assert "Traceback" not in result.output


def test_an_absent_file_exits_2(tmp_path: Path) -> None:
    result = runner.invoke(app, ["test", str(tmp_path / "site" / "none.toml")])
    assert result.exit_code == 2
    assert "cannot be read: No such file" in result.output
