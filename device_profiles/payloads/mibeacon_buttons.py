"""Presses of MiBeacon buttons, dimmers and cubes: which button, and how it was pressed.

A device with one button gives `button`, a number (1 press, 2 double, 4 long, as in BTHome), and
`button_event`, the word; one with several gives a word for each that was pressed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from telemetry.named import Named

Values = Mapping[str, Named]
NUMBERS: Final = {"press": 1, "double_press": 2, "long_press": 4}

_REMOTE: Final = ("on", "off", "brightness", "plus", "M", "min")
_FAN: Final = ("fan", "light", "wind_speed", "color_temperature", "wind_mode", "brightness")
_VENTILATOR: Final = (
    "swing", "power", "timer_60_minutes", "increase_wind_speed", "timer_30_minutes", "decrease_wind_speed",
)  # fmt: skip
_BATHROOM: Final = (
    "stop", "air_exchange", "fan", "increase_speed", "decrease_speed", "dry", "light", "swing", "heat",
)  # fmt: skip
_REMOTES: Final = {
    "YLYK01YL": _REMOTE,
    "YLYK01YL-FANCL": _FAN,
    "YLYK01YL-VENFAN": _VENTILATOR,
    "YLYB01YL-BHFRC": _BATHROOM,
}
_SETS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "K9B-1BTN": (("",),),
    "K9B-2BTN": (("left",), ("right",), ("left", "right")),
    "K9B-3BTN": (
        ("left",),
        ("middle",),
        ("right",),
        ("left", "middle"),
        ("middle", "right"),
        ("left", "right"),
        ("left", "middle", "right"),
    ),
}
"""Switches of several buttons: the number is a set of them."""
_PRESSES: Final = {0: "press", 1: "double_press", 2: "long_press", 5: "press", 6: "long_press"}
_SWITCH_PRESSES: Final = {0: "press", 1: "long_press", 2: "double_press"}
"""Switches of the K9B family swap two of the words."""
_QUAD: Final = {1: "left", 2: "mid_left", 3: "mid_right", 4: "right"}
_QUAD_MODELS: Final = frozenset({"KS1", "KS1BP"})
_BUTTON_MODELS_56: Final = _QUAD_MODELS | {"KS2BB"}
"""Objects 0x56… are presses on these; on other models they are something else."""
_BOTH: Final = {1: ("left",), 2: ("right",), 3: ("left", "right")}
_WORDS_OF_OBJECTS: Final = {0x0C: "press", 0x0D: "double_press", 0x0E: "long_press"}
PRESS_OBJECTS: Final = frozenset(high << 8 | low for high in (0x4A, 0x4E, 0x56) for low in _WORDS_OF_OBJECTS)
"""The low byte says how it was pressed; the object may be empty."""
_K9BB: Final = {1: "press", 8: "long_press", 15: "double_press"}


def one_button(word: str) -> Values:
    """A press of the only button."""
    return {"button": Named(NUMBERS[word]), "button_event": Named(word)}


def read_press(number: int, data: bytes, model: str) -> Values:
    """One of `PRESS_OBJECTS`."""
    if number >> 8 == 0x56 and model not in _BUTTON_MODELS_56:
        return {}
    word = _WORDS_OF_OBJECTS[number & 0xFF]
    which = data[0] if data else 0
    if model == "XMWS01XS":
        return _named(("left", "right")[which : which + 1], word)
    if model == "XMWXKG01YL":
        return _named(_BOTH.get(which, ()), word)
    if model == "K9BB-1BTN":
        return one_button(_K9BB[which]) if which in _K9BB else {}
    if model in _QUAD_MODELS:
        return _named((_QUAD[which],) if which in _QUAD else (), word)
    return one_button(word)


def read_button_object(data: bytes, model: str) -> Values:
    """Object 0x1001: button, a count or step, kind of press. Raises ValueError."""
    if len(data) != 3:
        raise ValueError("expected 3 bytes")
    button, value, kind = data
    if model == "XMMF01JQD":
        return {"cube": Named("rotate_right" if button == 0 else "rotate_left")} if button < 2 else {}
    if model == "YLKG07YL":
        return _dimmer(button, value, kind)
    if model in _REMOTES:
        return _remote(_REMOTES[model], button, kind)
    if model in _SETS:
        return _switch(_SETS[model], button, kind)
    word = _PRESSES.get(kind)
    return {} if word is None else one_button(word)


def _switch(sets: tuple[tuple[str, ...], ...], button: int, kind: int) -> Values:
    word = _SWITCH_PRESSES.get(kind)
    if word is None or button >= len(sets):
        return {}
    return _named(sets[button], word) if len(sets) > 1 else one_button(word)


def _named(buttons: tuple[str, ...], word: str) -> Values:
    return {f"button_{button}": Named(word) for button in buttons}


def _remote(buttons: tuple[str, ...], button: int, kind: int) -> Values:
    word = _PRESSES.get(kind)
    if word is None or button >= len(buttons):
        return {}
    found = dict(_named((buttons[button],), word))
    if buttons is _REMOTE and button < 2:
        found["switched_on"] = Named(button == 0)
    return found


def _dimmer(button: int, value: int, kind: int) -> Values:
    """Pressed, kept pressed, turned, or turned while pressed; a turn to the left counts down from 256."""
    if kind == 3 and button in {0, 1}:
        word, extent = (("press", "number_of_presses"), ("long_press", "duration"))[button]
        return {"dimmer": Named(word), f"dimmer_{extent}": Named(value, "s" if button else "1")}
    if kind != 4:
        return {}
    turned, pressed = (value, "") if button == 0 else (button, "_pressed")
    word = "rotate_right" if turned <= 127 else "rotate_left"
    steps = turned if turned <= 127 else 256 - turned
    return {"dimmer": Named(word + pressed), "dimmer_steps": Named(steps)}
