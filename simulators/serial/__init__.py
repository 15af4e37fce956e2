"""Simulated boards on serial lines: ptys behind stable names, as slow as a real wire."""

from simulators.serial.board import SimulatedBoard
from simulators.serial.faults import BoardFaults
from simulators.serial.line import SerialLine
from simulators.serial.own_board import OwnBoard

__all__ = ["BoardFaults", "OwnBoard", "SerialLine", "SimulatedBoard"]
