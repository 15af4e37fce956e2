"""What a gateway knows about people: the credential map, how it comes from the vault, and who wears which band."""
