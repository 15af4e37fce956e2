"""Tells other systems that an alert was raised. Without [[notifier]] nobody is told, and nothing leaves."""
