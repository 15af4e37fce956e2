"""How often a board has started, kept in its flash. Runs on MicroPython and CPython alike."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def count_start(path: str, random_bytes: "Callable[[int], bytes]") -> int:
    """The number of this start. Two starts must not be taken for one: without a count that can be read
    it goes on from anywhere, and where the flash takes no file it is random each time.
    """
    try:
        with open(path) as file:  # noqa: PTH123  # MicroPython has no pathlib
            count = int(file.read()) + 1
    except (OSError, ValueError):
        count = int.from_bytes(random_bytes(3), "big")
    try:
        with open(path, "w") as file:  # noqa: PTH123
            file.write(str(count))
    except OSError:
        count = int.from_bytes(random_bytes(4), "big")
    return count & 0xFFFF_FFFF
