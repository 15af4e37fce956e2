"""A profile that cannot be used: the error names file, line, field and what was expected."""

from pathlib import Path

import pytest

from device_profiles.registry import Catalogue, ProfileNotFoundError, load_profile
from foundation.tomlfile import FileProblems

GOOD = """\
transport = "mqtt-json"
name = { zh = "示例", en = "Example" }
vendor = "Example"
source = "https://example.org/manual"
topics = ["x/{address}"]

[[fields]]
quantity = "temperature"
path = ["t"]
unit = "Cel"

[[fields]]
quantity = "open"
path = ["contact"]

[[examples]]
about = "one value"
topic = "x/1"
address = "1"
payload = '{"t": 20}'
expected = [{ quantity = "temperature", value = 20, unit = "Cel" }]
"""


def _problem(folder: Path, old: str, new: str) -> str:
    assert old in GOOD
    path = folder / "family" / "model.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(GOOD.replace(old, new, 1), "utf-8")
    with pytest.raises(FileProblems) as caught:
        load_profile(path)
    return str(caught.value).replace(f"{path}", "FILE")


CASES = {
    "misspelt key": (
        'unit = "Cel"\n\n', 'unti = "Cel"\n\n',
        "FILE:10: fields[1].unti is not a setting; check its spelling",
    ),
    "unknown quantity": (
        'quantity = "temperature"\npath', 'quantity = "temprature"\npath',
        "FILE:8: fields[1].quantity is no registered quantity; did you mean temperature",
    ),
    "wrong unit": (
        'unit = "Cel"\n\n', 'unit = "ppm"\n\n',
        "FILE:10: fields[1].unit cannot become Cel, the unit of temperature; expected one of Cel, degF, K (found 'ppm')",
    ),
    "no unit": ('unit = "Cel"\n\n', "\n\n", "FILE:7: fields[1] unit is missing: say what the device sends"),
    "path of text": (
        'path = ["t"]', 'path = "t"',
        "FILE:9: fields[1].path expected an array of steps such as",
    ),
    "path with a negative index": (
        'path = ["t"]', 'path = ["t", -1]',
        "FILE:9: fields[1].path has the index -1; indexes count from 0",
    ),
    "empty path": ('path = ["t"]', "path = []", "FILE:9: fields[1].path is empty: expected an array of steps"),
    "bad selector": (
        'path = ["t"]', "path = [{ id = true }]",
        "FILE:9: fields[1].path selects by 'id': expected text or a whole number",
    ),
    "text for a number": ('path = ["t"]', 'path = ["t"]\nscale = "0.1"', "FILE:10: fields[1].scale "),
    "infinite offset": ('path = ["t"]', 'path = ["t"]\noffset = inf', "FILE:10: fields[1].offset "),
    "bound outside": (
        'path = ["t"]', 'path = ["t"]\nhigh = 900',
        "FILE:10: fields[1].high must lie within -40 to 85 Cel, the plausible range of temperature (found 900",
    ),
    "bounds crossed": ('path = ["t"]', 'path = ["t"]\nlow = 30\nhigh = 20', "low must be below high"),
    "invert a number": ('path = ["t"]', 'path = ["t"]\ninvert = true', "FILE:7: fields[1] invert is for bool"),
    "event of a number": ('path = ["t"]', 'path = ["t"]\nevent = true', "FILE:7: fields[1] event is for bool"),
    "scale nought": ('path = ["t"]', 'path = ["t"]\nscale = 0', "FILE:7: fields[1] scale must not be 0"),
    "scaled bool": ('["contact"]', '["contact"]\nscale = 2', "FILE:12: fields[2] scale, offset and unit_from"),
    "bool map": ('["contact"]', '["contact"]\nmap = { a = 2 }', "FILE:12: fields[2] map must lead to 0 and 1"),
    "bool sentinel": (
        'path = ["t"]', 'path = ["t"]\nmissing = [true]',
        "FILE:10: fields[1].missing[1] expected text or a number, exactly as the device sends it",
    ),
    "state code": (
        'path = ["t"]', 'path = ["t"]\nstates = { on = { zh = "开", en = "On" } }',
        "FILE:10: fields[1].states has the code 'on'; expected a whole number",
    ),
    "phases in another unit": (
        'path = ["t"]', 'path = ["t"]\nphases = ["power_l1"]',
        "FILE:10: fields[1].phases power_l1 is not in Cel, the unit of temperature",
    ),
    "unit word": (
        'path = ["t"]', 'path = ["t"]\nunit_from = { path = ["u"], map = { F = "F" } }',
        "FILE:10: fields[1].unit_from cannot become Cel",
    ),
    "same quantity twice": (
        '"open"', '"temperature"\nunit = "K"',
        "FILE:1: temperature is given by two fields",
    ),
    "no address": ('"x/{address}"', '"x/y"', "must contain {address} to tell devices apart"),
    "no filter": ('"x/{address}"', '"x+/{address}"', "FILE:5: topics 'x+/x' is no MQTT filter"),
    "braces": ('"x/{address}"', '"{base}/{address}"', "FILE:5: topics '{base}/{address}' has braces"),
    "transport": ('"mqtt-json"', '"mqtt"', "(found 'mqtt')"),
    "no source": ('source = "https://example.org/manual"\n', "", "FILE:1: source is missing"),
    "record and fields": (
        'vendor = "Example"', 'vendor = "Example"\nrecord = "morning-check-v1"',
        "a profile has either [[fields]], a record or a [card]",
    ),
    "no TOML": ('path = ["t"]', 'path = ["t"', "FILE:10: is not TOML"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), CASES.values(), ids=CASES)
def test_an_error_says_where_and_what(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert message in _problem(tmp_path, old, new)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    told = _problem(tmp_path, 'path = ["t"]\nunit = "Cel"', 'path = 1\nunit = "ppm"\nlwo = 3')
    assert [line.split()[1] for line in told.splitlines()] == [
        "fields[1].unit",
        "fields[1].path",
        "fields[1].lwo",
    ]


def test_a_site_adds_its_own_profiles(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "hall.toml").write_text(GOOD, "utf-8")
    catalogue = Catalogue([tmp_path])
    assert catalogue.get("site/hall").spec.vendor == "Example"
    assert len(catalogue.all()) == len(catalogue.ids()) == len(Catalogue().ids()) + 1


def test_a_site_cannot_replace_a_bundled_profile(tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "environment.toml").write_text(GOOD, "utf-8")
    with pytest.raises(FileProblems, match=r"gives json/environment, as .* does; rename one"):
        Catalogue([tmp_path])
    with pytest.raises(FileProblems, match="is no directory"):
        Catalogue([tmp_path / "absent"])


def test_an_unknown_id_is_met_with_suggestions() -> None:
    with pytest.raises(ProfileNotFoundError, match="did you mean tasmota/energy"):
        Catalogue().get("tasmota/enegry")


def test_a_profile_in_a_place_without_family_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "Some Folder" / "model.toml"
    path.parent.mkdir()
    path.write_text(GOOD, "utf-8")
    with pytest.raises(FileProblems, match=r"expected <family>/<model>\.toml"):
        load_profile(path)
