"""Modbus RTU and TCP: one scheduler a bus, a breaker a device."""
