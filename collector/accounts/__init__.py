"""Who may use the collector's page and API, and what each of them may do there."""
