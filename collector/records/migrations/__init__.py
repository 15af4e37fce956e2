"""Alembic's folder: `env.py` runs what is in `versions`, in the caller's transaction."""
