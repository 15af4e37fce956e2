"""Which plug-ins are found and loaded, and what is said of those that cannot be."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from foundation.plugins import Enabled, installed, load
from foundation.tomlfile import FileProblems
from tests.plugins.plugin_parts import write_distribution


@dataclass(frozen=True)
class Scenario:
    """Stands for what a plug-in offers."""

    api: int
    text: str = ""


GOOD = """
from tests.plugins.test_plugins_loading import Scenario
PLUGIN = Scenario({api})
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, and the modules of its plug-ins forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("plug_good", "plug_other", "plug_bad"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def load_named(*enabled: str) -> Enabled:
    return load(enabled, {"scenarios": Scenario}, "name {}".format)


def problem(*enabled: str) -> str:
    with pytest.raises(FileProblems) as caught:
        load_named(*enabled)
    return str(caught.value)


def test_only_what_is_named_is_imported(site: Path) -> None:
    write_distribution(
        site,
        "acme-good",
        {"scenarios": {"good": "plug_good:PLUGIN"}, "drivers": {"good": "plug_bad:PLUGIN"}},
        {"plug_good": GOOD.format(api=1), "plug_bad": "raise RuntimeError('imported')"},
    )
    write_distribution(
        site, "acme-other", {"scenarios": {"other": "plug_other:PLUGIN"}}, {"plug_other": GOOD.format(api=1)}
    )
    found = {(one.kind, one.name, one.distribution, one.version) for one in installed()}
    assert {("scenarios", "good", "acme-good", "1.0"), ("drivers", "good", "acme-good", "1.0")} <= found
    assert load_named().of("scenarios", Scenario) == {}
    assert not {"plug_good", "plug_other", "plug_bad"} & set(sys.modules)
    assert load_named("good").of("scenarios", Scenario) == {"good": Scenario(1)}
    assert "plug_good" in sys.modules
    assert not {"plug_other", "plug_bad"} & set(sys.modules), "not named, or not for this program"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import no_such_library", "No module named 'no_such_library'; reinstall it"),
        ("raise SystemExit(3)", "cannot be imported from plug_bad:PLUGIN: SystemExit: 3"),
        ("PLUGIN = 1 / 0", "ZeroDivisionError: division by zero"),
        ("OTHER = 1", "cannot be imported from plug_bad:PLUGIN: AttributeError"),
        ("PLUGIN = 'words'", "gives a str at plug_bad:PLUGIN, expected a Scenario with api = 1"),
        (GOOD.format(api="'1'"), "expected a Scenario with api = 1"),
        (GOOD.format(api=2), "was made for version 2 of the plug-in contract, this program has 1; install"),
        ("class PLUGIN:\n    api = 7", "was made for version 7"),
        ("class PLUGIN:\n    api = 1", "gives a type at"),
    ],
)
def test_what_cannot_be_used_is_said_with_its_distribution(site: Path, text: str, words: str) -> None:
    write_distribution(site, "acme-bad", {"scenarios": {"bad": "plug_bad:PLUGIN"}}, {"plug_bad": text}, "2.5")
    said = problem("bad")
    assert said.startswith("name 0: plug-in bad (acme-bad 2.5, scenarios)")
    assert words in said
    assert "\n" not in said


def test_what_is_not_there_and_what_is_of_no_use(site: Path) -> None:
    write_distribution(site, "acme-good", {"notifiers": {"good_one": "plug_good:PLUGIN"}}, {})
    assert (
        "plug-in good_ones is not installed in this program's environment; did you mean good_one?"
        in problem("good_ones")
    )
    assert "`campus plugins list` shows which are" in problem("quite_another")
    assert "offers notifiers, none of which this program uses; take it out" in problem("good_one")
    assert "'Good-One' is no name of a plug-in" in problem("Good-One")


def test_two_of_one_name_are_refused(site: Path) -> None:
    for number, kind in enumerate(("scenarios", "drivers")):
        write_distribution(
            site, f"acme-{number}", {kind: {"same": "plug_good:PLUGIN"}}, {"plug_good": GOOD.format(api=1)}
        )
    assert "is offered more than once, by acme-0 1.0 and acme-1 1.0; uninstall all but one" in problem("same")
    assert "plug_good" not in sys.modules


def test_all_that_is_wrong_is_said_at_once(site: Path) -> None:
    write_distribution(
        site, "acme-good", {"scenarios": {"good": "plug_good:PLUGIN"}}, {"plug_good": GOOD.format(api=1)}
    )
    said = problem("good", "missing", "good").splitlines()
    assert len(said) == 2
    assert "name 1: plug-in missing is not installed" in said[0]
    assert "name 2: plug-in good is named twice" in said[1]
