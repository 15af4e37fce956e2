"""Card readers on OSDP: a secure channel or nothing."""
