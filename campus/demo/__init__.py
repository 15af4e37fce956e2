"""The demo: a broker, two gateways, a collector and a simulated school in one process."""
