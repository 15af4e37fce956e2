"""The handlers of the guardians' pages."""
