"""Hands batches over to the collector: transport-free forwarding, and one module a transport."""
