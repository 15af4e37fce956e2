"""What every program of the house stands on and what is no part of the contract between them:
reading TOML, logs, key files, and a supervised MQTT connection. Knows nothing of campuses.
"""

__all__: list[str] = []
