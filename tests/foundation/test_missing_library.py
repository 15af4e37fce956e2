"""The command where a library is not installed that only one driver or simulator needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("library", "arguments", "extra"),
    [
        ("serialx", ("edge", "scan", "serial", "/dev/no-such-port"), "edge"),
        ("dbus_fast", ("simulate", "ble"), "simulators"),
    ],
)
def test_a_missing_library_is_told_with_its_remedy(
    tmp_path: Path, library: str, arguments: tuple[str, ...], extra: str
) -> None:
    (tmp_path / f"{library}.py").write_text(f"raise ModuleNotFoundError('gone', name={library!r})\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", "from campus.cli import main; main()", *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), *sys.path))},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert f"needs {library}; install 'campus-pulse[{extra}]'" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
