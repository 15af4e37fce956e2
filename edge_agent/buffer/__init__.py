"""The gateway's buffer: between a reading taken and a reading the collector has stored."""

from edge_agent.buffer.contract import (
    BatchId,
    Buffer,
    BufferFullError,
    BufferStats,
    Item,
    Leased,
    Removed,
)
from edge_agent.buffer.sqlite_buffer import SqliteBuffer

__all__ = [
    "BatchId",
    "Buffer",
    "BufferFullError",
    "BufferStats",
    "Item",
    "Leased",
    "Removed",
    "SqliteBuffer",
]
