"""Exports as they flow: CSV and Parquet, piece by piece, a few at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import duckdb
from fastapi import Response
from fastapi.responses import StreamingResponse

from collector.accounts.principal import Principal
from collector.exports import csv_text
from collector.exports.columns import Labelled
from collector.exports.parquet import ParquetFile, TooManyRowsError
from collector.exports.reading import Wanted, pieces
from collector.text import Text
from collector.web.parts import WebParts
from collector.web.problems import ProblemError

EXPORTS_MAX: Final = 2
"""At the same time; each reads a lot."""
BUSY_S: Final = 10
READ_BYTES: Final = 256 * 1024


class Turns:
    """How many large exports run at the moment."""

    def __init__(self) -> None:
        self._running = 0

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Raises ProblemError while too many run."""
        if self._running >= EXPORTS_MAX:
            raise ProblemError(
                503,
                Text(f"已有 {EXPORTS_MAX} 个导出正在进行", f"{EXPORTS_MAX} exports are running already"),
                kind="busy",
                remedy=Text(f"请过 {BUSY_S} 秒再试。", f"Try again in {BUSY_S} s."),
                headers={"Retry-After": str(BUSY_S)},
            )
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


async def csv_of(parts: WebParts, turns: Turns, asker: Principal, wanted: Wanted) -> AsyncIterator[bytes]:
    with turns.one():
        yield csv_text.heading()
        async for piece in _labelled(parts, asker, wanted):
            yield await asyncio.to_thread(csv_text.lines, piece, parts.time_zone)


async def parquet_of(parts: WebParts, turns: Turns, asker: Principal, wanted: Wanted) -> AsyncIterator[bytes]:
    with turns.one(), tempfile.TemporaryDirectory(prefix="campus-export-") as folder:
        for_file = await asyncio.to_thread(ParquetFile, Path(folder))
        try:
            async for piece in _labelled(parts, asker, wanted):
                await asyncio.to_thread(for_file.add, piece)
            file = await asyncio.to_thread(for_file.finish)
        except TooManyRowsError as error:
            raise ProblemError(
                422, Text("要的数据太多，请缩短时间范围", str(error)), kind="answer-too-large"
            ) from error
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise ProblemError(
                503,
                Text("没有空间存放文件", "there is no room for the file"),
                remedy=Text(
                    "请缩短时间范围，或者清理磁盘。", "Ask for a shorter range, or make room on the disk."
                ),
            ) from error
        finally:
            await asyncio.to_thread(for_file.close)
        with file.open("rb") as source:
            while data := await asyncio.to_thread(source.read, READ_BYTES):
                yield data


async def _labelled(parts: WebParts, asker: Principal, wanted: Wanted) -> AsyncIterator[Labelled]:
    async for piece in pieces(parts.store, wanted):
        if asker.sees_school(piece.series.school):
            name = parts.labels.place(piece.series.place)
            yield Labelled.of(piece, name.zh if name else "")


async def streamed(chunks: AsyncIterator[bytes], media_type: str, name: str) -> Response:
    """The response, once its first chunk is there: what goes wrong before that is answered as an error, what
    goes wrong later breaks the connection off, so that nobody takes half a file for a whole one.
    """
    first = await anext(chunks)

    async def all_of_it() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(all_of_it(), media_type=media_type, headers=headers)
