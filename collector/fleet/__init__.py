"""The gateways as a fleet: what each should run, what it says it runs, and which of them need somebody."""
