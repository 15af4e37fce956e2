"""What a plug-in offers that brings device profiles: a folder of its package.

The entry point of the group ``campus_pulse.profiles`` names an object of this type.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from foundation.plugins import Enabled, PluginError


@dataclass(frozen=True)
class ProfilePlugin:
    """Profiles, ``<family>/<model>.toml`` below `folder`, as `importlib.resources.files` gives it."""

    api: int
    folder: Traversable


def profile_folders(plugins: Enabled) -> dict[str, Path]:
    """Plug-in name → its folder of profiles. Raises PluginError for one that is none."""
    found: dict[str, Path] = {}
    for name, plugin in plugins.of("profiles", ProfilePlugin).items():
        folder = Path(str(plugin.folder))
        if not folder.is_dir():
            raise PluginError(
                f"{plugins.offer('profiles', name).shown}: {folder} is no folder of profiles; "
                "its author must mend it"
            )
        found[name] = folder
    return found
