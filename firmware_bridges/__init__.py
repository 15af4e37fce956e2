"""Boards that speak raw serial: frame codecs, card readers, scales and the firmware of our own boards."""
