"""The records database: gateways, stream marks, personal records, alerts, dead letters, class lists."""

from collector.records.alerts import Alert, AlertState
from collector.records.database import Records
from collector.records.dead_letters import DeadLetter
from collector.records.errors import (
    RecordsFileError,
    RecordsUnavailableError,
    RowsRefusedError,
    SealingError,
)
from collector.records.gateways import Gateway, GatewayExistsError, GatewayState
from collector.records.streams import Mark, StreamKey, StreamMarks

__all__ = [
    "Alert",
    "AlertState",
    "DeadLetter",
    "Gateway",
    "GatewayExistsError",
    "GatewayState",
    "Mark",
    "Records",
    "RecordsFileError",
    "RecordsUnavailableError",
    "RowsRefusedError",
    "SealingError",
    "StreamKey",
    "StreamMarks",
]
