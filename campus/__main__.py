"""`python -m campus`."""

from campus.cli import main

main()
