"""What a gateway may set on a board. Runs on MicroPython and CPython alike.

A board starts with the defaults, or those of its board.json, and forgets what was set when it
restarts: the gateway sets it again at every hello.
"""

PARAMETERS = {
    1: ("retry_ms", 1_000, 20, 60_000),
    2: ("heartbeat_s", 10, 1, 3_600),
    3: ("acknowledged", 1, 0, 1),
    4: ("buzzer", 1, 0, 1),
    10: ("together_ms", 3_000, 500, 10_000),
    11: ("forehead_ms", 500, 100, 5_000),
    12: ("forehead_spread_c100", 30, 5, 200),
    13: ("object_low_c100", 3_000, 1_000, 4_000),
    14: ("object_high_c100", 4_500, 4_000, 6_000),
    15: ("object_offset_c100", 0, -500, 1_000),
    16: ("anonymous", 1, 0, 1),
    20: ("silence_ms", 30, 5, 500),
    30: ("settle_ms", 600, 100, 10_000),
    31: ("settle_spread_g", 2, 1, 1_000),
    32: ("portion_min_g", 10, 1, 10_000),
    33: ("zero_g", 5, 1, 1_000),
    34: ("counts_per_kg", 420_000, -20_000_000, 20_000_000),
}
"""Number → name, default, lowest, highest. Up to 9 for all boards, 10–19 for the morning desk, 20–29
for the Wiegand tap, 30–39 for the canteen scale.
"""


def defaults(kind: int) -> "dict[str, int]":
    """The parameters of a kind of board, by name."""
    return {row[0]: row[1] for number, row in PARAMETERS.items() if number // 10 in (0, kind)}


def checked(kind: int, number: int, value: int) -> "str | None":
    """The parameter's name; None where this kind of board has none such, or the value cannot be."""
    if number not in PARAMETERS or number // 10 not in (0, kind):
        return None
    name, _, low, high = PARAMETERS[number]
    if not low <= value <= high or (name == "counts_per_kg" and value == 0):
        return None
    return name


def number_of(name: str) -> int:
    """Raises ValueError for a name that no board knows."""
    for number, row in PARAMETERS.items():
        if row[0] == name:
            return number
    raise ValueError("no such parameter")
