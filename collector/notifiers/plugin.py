"""What a plug-in offers that tells another system.

The entry point of the group ``campus_pulse.notifiers`` names a `NotifierPlugin`; its name is the `kind` of
a table ``[[notifier]]``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from collector.notifiers.contract import Notifier
from foundation.tomlfile import StrictModel


@dataclass(frozen=True)
class NotifierPlugin:
    """settings: the model of what stands in the table beside name, kind, kinds, schools and health. A model
    that has paths has a method `relative_to(base)`, which gives the same with the paths starting there.

    make: the notifier, without network; it may read files, and raise ValueError or OSError about them.
    """

    api: int
    settings: type[StrictModel]
    make: Callable[[Any], Notifier]
