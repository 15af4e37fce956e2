"""The vault over HTTP: exchange with gateways and collector, names for browsers, pages for guardians."""
