"""The identity vault: the only room that knows names and keys. Its own process, database and key file."""
