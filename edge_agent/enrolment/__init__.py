"""How this gateway becomes known to a collector, and renews what it is known by."""
