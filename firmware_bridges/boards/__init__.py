"""Our own boards: their firmware, what they say on the line, and how a gateway reads it.

Files without a `__future__` import run on MicroPython and CPython alike; boards/README.md lists them.
"""
