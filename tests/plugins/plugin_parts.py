"""Plug-ins for tests: the example of the documentation, built and installed; and small ones written on the spot."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "plugin"


def install_example(folder: Path) -> Path:
    """Builds the example and installs it; the folder to put on the path. The source stays as it is."""
    source, target = folder / "source", folder / "site"
    shutil.copytree(EXAMPLE, source)
    pip = ["-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps"]
    done = _run(source, *pip, "--target", str(target), ".")
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


def write_distribution(
    site: Path,
    distribution: str,
    entry_points: Mapping[str, Mapping[str, str]],
    modules: Mapping[str, str],
    version: str = "1.0",
) -> None:
    """A distribution as an installer leaves it: metadata and modules. entry_points: kind → name → target."""
    info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n", "utf-8"
    )
    lines = []
    for kind, names in entry_points.items():
        lines += [f"[campus_pulse.{kind}]", *(f"{name} = {target}" for name, target in names.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", "utf-8")
    for name, text in modules.items():
        (site / f"{name}.py").write_text(dedent(text), "utf-8")
