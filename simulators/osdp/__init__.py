"""Simulated OSDP card readers on a line, as libosdp's peripheral devices."""
