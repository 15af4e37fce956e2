"""Boards on serial lines: one task a port, whatever the framing."""
