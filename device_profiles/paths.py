"""Paths into decoded JSON, as arrays of steps: no quoting, whatever signs a key is made of."""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple

from pydantic import PlainValidator

STEPS_MAX: Final = 16
ABSENT: Final = object()
"""What `walk` returns where a path leads nowhere; JSON null is None."""


class Selector(NamedTuple):
    """Selects the first element of an array whose keys have these values."""

    wanted: tuple[tuple[str, str | int], ...]

    def matches(self, element: object) -> bool:
        if not isinstance(element, dict):
            return False
        for key, value in self.wanted:
            found = element.get(key)
            if isinstance(found, bool) or found != value:
                return False
        return True


Step = str | int | Selector
"""A key of an object, an index into an array, or a selector of one of its elements."""

_EXPECTED = (
    'expected an array of steps such as ["sensor", "PM2.5"], ["list", 0] or ["list", {id = 2}, "value"]'
)


def parse_path(value: Any) -> tuple[Step, ...]:
    """Steps from what TOML gave. Raises ValueError that says what was expected."""
    if not isinstance(value, list | tuple):
        raise ValueError(_EXPECTED)  # noqa: TRY004  # pydantic takes ValueError
    if len(value) > STEPS_MAX:
        raise ValueError(f"has more than {STEPS_MAX} steps")
    return tuple(map(_parse_step, value))


def _parse_step(step: Any) -> Step:
    if isinstance(step, Selector):
        return step
    if isinstance(step, str) and step:
        return step
    if isinstance(step, int) and not isinstance(step, bool):
        if step < 0:
            raise ValueError(f"has the index {step}; indexes count from 0")
        return step
    if isinstance(step, dict) and step:
        for key, wanted in step.items():
            if isinstance(wanted, bool) or not isinstance(wanted, str | int):
                raise ValueError(f"selects by {key!r}: expected text or a whole number to compare with")  # noqa: TRY004  # pydantic takes ValueError
        return Selector(tuple(step.items()))
    raise ValueError(f"has the step {step!r}: {_EXPECTED}")


def _parse_nonempty(value: Any) -> tuple[Step, ...]:
    path = parse_path(value)
    if not path:
        raise ValueError(f"is empty: {_EXPECTED}")
    return path


RootPath = Annotated[tuple[Step, ...], PlainValidator(parse_path)]
"""A path that may be empty: the message itself."""
Path = Annotated[tuple[Step, ...], PlainValidator(_parse_nonempty)]


def walk(node: object, steps: tuple[Step, ...]) -> object:
    """What stands at the end of the steps, or `ABSENT`."""
    for step in steps:
        if type(step) is str:
            if not isinstance(node, dict):
                return ABSENT
            node = node.get(step, ABSENT)
        elif not isinstance(node, list):
            return ABSENT
        elif type(step) is int:
            if step >= len(node):
                return ABSENT
            node = node[step]
        else:
            assert isinstance(step, Selector)
            node = next((element for element in node if step.matches(element)), ABSENT)
    return node


def show_path(steps: tuple[Step, ...]) -> str:
    """A path for people: ``list[siid=2].value``."""
    text = ""
    for step in steps:
        if isinstance(step, Selector):
            text += "[" + ",".join(f"{key}={value}" for key, value in step.wanted) + "]"
        elif isinstance(step, int):
            text += f"[{step}]"
        else:
            name = f'"{step}"' if "." in step else step
            text += f".{name}" if text else name
    return text or "(message)"
