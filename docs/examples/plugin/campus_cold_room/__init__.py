"""An example plug-in of Campus Pulse, explained in docs/plugins.md."""
