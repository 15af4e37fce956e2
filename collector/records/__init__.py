"""The records database: gateways, stream marks, personal records, alerts, dead letters."""

from collector.records.alerts import Alert, AlertState
from collector.records.database import Records, RecordsFileError
from collector.records.gateways import Gateway, GatewayExistsError, GatewayState
from collector.records.streams import StreamKey, StreamMarks

__all__ = [
    "Alert",
    "AlertState",
    "Gateway",
    "GatewayExistsError",
    "GatewayState",
    "Records",
    "RecordsFileError",
    "StreamKey",
    "StreamMarks",
]
