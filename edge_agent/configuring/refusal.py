"""Why a configuration cannot be used, in words that travel to the collector's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from telemetry.configuration import REASON_CHARS_MAX

_MORE_CHARS: Final = 40


class RefusedError(Exception):
    """A configuration that is refused whole. Each problem names section, place, cause and remedy."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(_shortened(problems))
        self.problems = tuple(problems)


def _shortened(problems: Sequence[str]) -> str:
    """As many of them as a status has room for."""
    text, room = "", REASON_CHARS_MAX - _MORE_CHARS
    for told, problem in enumerate(problems):
        longer = f"{text}; {problem}" if text else problem
        if len(longer) > room:
            rest = f"and {len(problems) - told} more problems"
            return f"{text}; {rest}" if text else f"{problem[:room]}…"
        text = longer
    return text
