"""A notifier: appends a line to a file, which something else may watch."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Self

from collector.notifiers.contract import Notice, NotifyLaterError
from collector.notifiers.plugin import NotifierPlugin
from foundation.tomlfile import StrictModel


class FileSettings(StrictModel):
    """What stands in a table ``[[notifier]]`` of ``kind = "cold_room"`` beside what all have."""

    file: Path

    def relative_to(self, base: Path) -> Self:
        return self.model_copy(update={"file": base / self.file})


class FileNotifier:
    """One file. A line may come twice, with the same id: a notice is told at least once."""

    def __init__(self, settings: FileSettings) -> None:
        self._file = settings.file

    async def notify(self, notice: Notice) -> None:
        line = json.dumps(
            {"id": notice.id, "title": notice.title.zh, "place": notice.place_label.zh, "at": notice.time_ms},
            ensure_ascii=False,
        )
        try:
            await asyncio.to_thread(self._append, f"{line}\n")
        except OSError as error:
            raise NotifyLaterError(f"{self._file}: {error.strerror}") from error

    def _append(self, line: str) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(line)


def _make(settings: Any) -> FileNotifier:
    return FileNotifier(settings)


PLUGIN = NotifierPlugin(api=1, settings=FileSettings, make=_make)
