"""Counts across two purposes: how many of these cases were exposed to what. Counts out, never pairs."""
