"""The gateway: drivers read devices, the gate strips identity, the buffer keeps, the uplink hands over."""
