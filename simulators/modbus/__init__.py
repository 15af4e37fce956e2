"""Simulated Modbus devices: over TCP, or on a pty as slow as a real wire."""

from simulators.modbus.faults import Faults
from simulators.modbus.rtu import RtuBus
from simulators.modbus.tcp import TcpHost
from simulators.modbus.unit import SimulatedUnit, Truth

__all__ = ["Faults", "RtuBus", "SimulatedUnit", "TcpHost", "Truth"]
