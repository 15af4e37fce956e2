"""The vault's side of `telemetry.exchange`: who may ask, and what they are answered."""
