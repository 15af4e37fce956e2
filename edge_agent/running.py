"""A gateway as a process: all that `campus edge run` loads, and nothing that only other commands need."""

from __future__ import annotations

import asyncio
from pathlib import Path

from edge_agent.agent import Agent
from edge_agent.config import load_config
from edge_agent.starting import StartError
from foundation import logs, memory
from foundation.commands import UsageError, errors_in_words
from foundation.stopping import run_until_told


def run(config_file: Path) -> None:
    """Returns once SIGINT or SIGTERM has ended it. Leaves with 2, in words, where its user can mend what is
    wrong.
    """
    with errors_in_words():
        config = load_config(config_file)
        logs.configure(config.log.level, config.log.format)
        memory.use_little()
        try:
            asyncio.run(run_until_told(Agent(config)))
        except StartError as error:
            raise UsageError(str(error)) from error
