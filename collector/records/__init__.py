"""The records database: gateways, stream marks, personal records, alerts, dead letters, class lists."""

from collector.records.alerts import Alert, AlertState
from collector.records.database import (
    Records,
    RecordsUnavailableError,
    RowsRefusedError,
)
from collector.records.dead_letters import DeadLetter
from collector.records.gateways import Gateway, GatewayExistsError, GatewayState
from collector.records.schema import RecordsFileError
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
    "StreamKey",
    "StreamMarks",
]
