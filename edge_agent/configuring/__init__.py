"""Configuration from the collector: what is offered, judged, kept on the disk and put to use while running."""
