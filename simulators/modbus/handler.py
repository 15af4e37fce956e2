"""pymodbus' server with units of ours behind it, and their faults between it and the wire."""

from __future__ import annotations

from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

from simulators.modbus.unit import Units

PLACEHOLDER = SimDevice(0, [SimData(0, datatype=DataType.REGISTERS)])
"""pymodbus wants a device of its own kind to start with."""


class FaultyHandler(ServerRequestHandler):
    """One connection, or one serial port. `units` are those that live."""

    units: Units
    unit_at: int
    """Where the unit number stands in an answer."""
    absent: ExcCodes | None
    """What is answered for a unit that is not there; None: nothing, as on a wire."""

    async def handle_request(self) -> None:
        request = self.last_pdu
        if request is None:
            return
        if request.dev_id in self.units:
            await super().handle_request()  # type: ignore[no-untyped-call]  # pymodbus leaves it so
        elif self.absent is not None:
            answer = ExceptionResponse(request.function_code, self.absent)
            answer.transaction_id, answer.dev_id = request.transaction_id, request.dev_id
            self.server_send(answer, None)  # type: ignore[no-untyped-call]  # as above

    def send(self, data: bytes, addr: tuple[Any, ...] | None = None) -> None:
        del addr
        unit = self.units.get(data[self.unit_at])
        if unit is None:
            self._write(data)
            return
        if unit.faults.silent:
            return
        data = unit.faults.spoil(data)
        now_s = self.loop.time()
        # A device does one thing after the other: no answer overtakes an earlier one.
        unit.busy_until_s = max(unit.busy_until_s, now_s + unit.faults.delay_s())
        if unit.busy_until_s > now_s:
            self.loop.call_at(unit.busy_until_s, self._write, data)
        else:
            self._write(data)

    def _write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)  # type: ignore[attr-defined]  # a transport that writes


class TcpServer(ModbusTcpServer):
    """Listens on a port; a unit that is not there is answered for as a gateway does."""

    units: Units

    def callback_new_connection(self) -> FaultyHandler:
        return _handler(self, self.units, 6, ExcCodes.GATEWAY_NO_RESPONSE)


class RtuServer(ModbusSerialServer):
    """Sits on a serial line; a unit that is not there is silent."""

    units: Units

    def callback_new_connection(self) -> FaultyHandler:
        return _handler(self, self.units, 0, None)


def _handler(
    server: TcpServer | RtuServer, units: Units, unit_at: int, absent: ExcCodes | None
) -> FaultyHandler:
    server.context = units  # type: ignore[assignment]  # it has the methods that are asked for
    handler = FaultyHandler(server, None, None, None)  # type: ignore[no-untyped-call]  # pymodbus leaves it so
    handler.units, handler.unit_at, handler.absent = units, unit_at, absent
    return handler
