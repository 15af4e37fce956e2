"""The `campus` command, the demo and the evaluation: the only place that composes all rooms."""
