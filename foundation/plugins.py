"""Plug-ins: parts of the program that are packaged outside this repository.

A plug-in is an installed distribution with entry points in the groups below, each of the plug-in's name.
Installed is not enabled: of a distribution that no configuration names not one line is imported, so that
it takes no memory and cannot do anything. docs/plugins.md says how one is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import Field

from foundation.oserrors import why
from foundation.tomlfile import FileProblems, Problem, StrictModel

API: Final = 1
"""The version of the plug-in contract. A plug-in states the one it was written for."""
GROUP: Final = "campus_pulse"
KINDS: Final = ("scenarios", "drivers", "notifiers", "profiles")
"""What a plug-in may offer; the group of each is ``campus_pulse.<kind>``."""
ENABLED_MAX: Final = 32
WORDS_CHARS_MAX: Final = 200
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,31}")

Content = TypeVar("Content")


class PluginsSection(StrictModel):
    """The `[plugins]` table: which of the installed plug-ins are used. Left out: none."""

    enabled: tuple[str, ...] = Field(default=(), max_length=ENABLED_MAX)


class PluginError(Exception):
    """A plug-in that cannot be used; the message names it, its distribution, the cause and the remedy."""


class Offer(NamedTuple):
    """One entry point of an installed distribution. target: what is imported, ``module:attribute``."""

    kind: str
    name: str
    distribution: str
    version: str
    target: str
    entry: EntryPoint

    @property
    def shown(self) -> str:
        return f"plug-in {self.name} ({self.distribution} {self.version}, {self.kind})"


class Enabled:
    """What the enabled plug-ins offer to one program."""

    def __init__(self, found: Mapping[str, Mapping[str, Any]], offers: Sequence[Offer]) -> None:
        self._found = found
        self._offers = {(offer.kind, offer.name): offer for offer in offers}

    def of(self, kind: str, content: type[Content]) -> dict[str, Content]:
        """Plug-in name → what it offers of a kind, in the order of the configuration."""
        found = self._found.get(kind, {})
        assert all(isinstance(one, content) for one in found.values())
        return dict(found)

    def offer(self, kind: str, name: str) -> Offer:
        return self._offers[kind, name]


def installed() -> list[Offer]:
    """Every plug-in that is installed, without importing any."""
    found = []
    for kind in KINDS:
        for entry in entry_points(group=f"{GROUP}.{kind}"):
            dist = entry.dist
            name, version = (dist.name, dist.version) if dist else ("unknown distribution", "?")
            found.append(Offer(kind, entry.name, name, version, entry.value, entry))
    return sorted(found, key=lambda one: one[:5])


def load(
    enabled: Sequence[str],
    wanted: Mapping[str, type],
    place: Callable[[int], str],
) -> Enabled:
    """Imports the enabled plug-ins. wanted: the kinds that the program uses, and of which type each is.

    place: where the name at a position stands, for errors. Raises FileProblems with what is wrong with each.
    """
    found: dict[str, dict[str, Any]] = {kind: {} for kind in wanted}
    used: list[Offer] = []
    problems: list[Problem] = []
    offers = installed() if enabled else []
    for at, name in enumerate(enabled):
        try:
            for offer in _choose(name, offers, wanted, before=enabled[:at]):
                found[offer.kind][name] = _import(offer, wanted[offer.kind])
                used.append(offer)
        except PluginError as error:
            problems.append(Problem(place(at), str(error)))
    if problems:
        raise FileProblems(problems)
    return Enabled(found, used)


def _choose(
    name: str, offers: Iterable[Offer], wanted: Iterable[str], *, before: Sequence[str]
) -> list[Offer]:
    """What a plug-in offers to this program."""
    if name in before:
        raise PluginError(f"plug-in {name[:40]} is named twice; name it once")
    if not _NAME.fullmatch(name):
        raise PluginError(
            f"{name[:40]!r} is no name of a plug-in: 2 to 32 lower-case letters, digits and _, "
            "beginning with a letter"
        )
    mine = [offer for offer in offers if offer.name == name]
    if not mine:
        near = get_close_matches(name, {offer.name for offer in offers}, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "`campus plugins list` shows which are"
        raise PluginError(f"plug-in {name} is not installed in this program's environment; {hint}")
    makers = sorted({f"{offer.distribution} {offer.version}" for offer in mine})
    kinds = [offer.kind for offer in mine]
    if len(makers) > 1 or len(kinds) > len(set(kinds)):
        raise PluginError(
            f"plug-in {name} is offered more than once, by {' and '.join(makers)}; uninstall all but one"
        )
    usable = [offer for offer in mine if offer.kind in set(wanted)]
    if not usable:
        raise PluginError(
            f"plug-in {name} ({makers[0]}) offers {' and '.join(kinds)}, none of which this program uses; "
            "take it out of this file"
        )
    return usable


def _import(offer: Offer, expected: type) -> Any:
    try:
        found = offer.entry.load()
    except (Exception, SystemExit) as error:
        # Not ours: whatever its import raises, the answer is words and not a traceback.
        raise PluginError(
            f"{offer.shown} cannot be imported from {offer.target}: {_words_of(error)}; "
            "reinstall it, or take it out of this file"
        ) from error
    api = getattr(found, "api", None)
    if type(api) is int and api != API:
        raise PluginError(
            f"{offer.shown} was made for version {api} of the plug-in contract, this program has {API}; "
            "install its version for this one"
        )
    if not isinstance(found, expected) or type(api) is not int:
        raise PluginError(
            f"{offer.shown} gives a {type(found).__name__} at {offer.target}, "
            f"expected a {expected.__name__} with api = {API}; its author must mend it"
        )
    return found


def cause_of(error: Exception) -> str:
    """Why a plug-in failed with settings that it was given: of a plain ValueError its text, which its author
    writes for people; of others the kind alone, for their texts quote what they were given.
    """
    if isinstance(error, OSError):
        return f"{error.filename} cannot be used: {why(error)}" if error.filename else why(error)
    return _bounded(str(error)) if type(error) is ValueError else type(error).__name__


def _words_of(error: BaseException) -> str:
    """An error of an import on one bounded line."""
    text = _bounded(str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _bounded(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= WORDS_CHARS_MAX else f"{text[:WORDS_CHARS_MAX]}…"
