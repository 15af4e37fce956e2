"""Structured logs (structlog): JSON lines for machines, coloured lines for a terminal.

Levels by data loss: ERROR, something was lost or an operator is needed; WARNING, trouble, nothing
lost; INFO, the life of the program. Values of payloads, names and keys are never logged.
"""

from __future__ import annotations

import logging
import sys
from typing import Final, Literal

import structlog
from structlog.tracebacks import ExceptionDictTransformer

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(level: LogLevel = "info", style: LogFormat = "auto") -> None:
    """Sets up logging for a program: to standard error, once, at its start."""
    as_json = style == "json" or (style == "auto" and not sys.stderr.isatty())
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            # Tracebacks without local variables: those may hold a card, a name or a key.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
            if as_json
            else structlog.processors.StackInfoRenderer(),
            structlog.processors.JSONRenderer(ensure_ascii=False)
            if as_json
            else structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=_to_stderr,
        cache_logger_on_first_use=False,
    )
    # Libraries that use the standard logging: only what is worth waking somebody for.
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", stream=sys.stderr)


def _to_stderr(*_: object) -> structlog.PrintLogger:
    """Standard error as it is when something is logged: a program may have replaced it meanwhile."""
    return structlog.PrintLogger(sys.stderr)


class FirstOnly:
    """Remembers what has been reported, so that the first failure warns and repeats stay quiet.

    Bounded: beyond `keys_max` different keys, further ones count as repeats.
    """

    def __init__(self, keys_max: int = 1_000) -> None:
        self._seen: set[object] = set()
        self._keys_max = keys_max

    def first(self, key: object) -> bool:
        """True the first time this key is seen (or the first time since `forget`)."""
        if key in self._seen or len(self._seen) >= self._keys_max:
            return False
        self._seen.add(key)
        return True

    def forget(self, key: object) -> bool:
        """Drops a key on recovery; True when there was something to recover from."""
        if key in self._seen:
            self._seen.remove(key)
            return True
        return False
