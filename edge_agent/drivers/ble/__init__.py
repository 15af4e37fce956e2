"""Bluetooth Low Energy on bleak: advertisements, and values of devices that must be connected to."""
