"""`campus edge scan`: what answers on a bus, and which profile may fit."""
