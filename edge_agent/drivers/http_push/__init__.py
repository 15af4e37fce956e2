"""HTTP push: a small listener for stations and cameras that only post."""
