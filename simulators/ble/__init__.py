"""Simulated Bluetooth Low Energy: an `org.bluez` of our own on a private D-Bus, devices behind it."""

from simulators.ble.bus import NoDbusError
from simulators.ble.faults import Faults
from simulators.ble.peripheral import Advert, Characteristic, Peripheral, Service
from simulators.ble.world import BleWorld

__all__ = ["Advert", "BleWorld", "Characteristic", "Faults", "NoDbusError", "Peripheral", "Service"]
