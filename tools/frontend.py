"""Brings the front-end files that package-lock.json names into the collector's static folder.

Run it once at set-up: ``python tools/frontend.py``. It does nothing when they are there already.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
VENDOR: Final = ROOT / "collector" / "web" / "static" / "vendor"
FILES: Final = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "hx-sse.min.js": "htmx.org/dist/ext/hx-sse.min.js",
    "htmx-LICENSE.txt": "htmx.org/LICENSE",
    "uPlot.iife.min.js": "uplot/dist/uPlot.iife.min.js",
    "uPlot.min.css": "uplot/dist/uPlot.min.css",
    "uPlot-LICENSE.txt": "uplot/LICENSE",
}


def main() -> int:
    stamp, wanted = VENDOR / ".stamp", _wanted()
    if (
        stamp.is_file()
        and stamp.read_text("utf-8") == wanted
        and all((VENDOR / name).is_file() for name in FILES)
    ):
        return 0
    npm = shutil.which("npm")
    if npm is None:
        print("npm is missing; install Node's npm (Debian: apt-get install npm)", file=sys.stderr)
        return 2
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=ROOT, check=False
    )
    if done.returncode:
        print("npm ci failed; its message is above", file=sys.stderr)
        return 1
    VENDOR.mkdir(parents=True, exist_ok=True)
    for name, source in FILES.items():
        shutil.copyfile(ROOT / "node_modules" / source, VENDOR / name)
    stamp.write_text(wanted, "utf-8")
    return 0


def _wanted() -> str:
    """What the copies were made from: another lock file or list of files means copying again."""
    sources = (ROOT / "package-lock.json").read_bytes() + repr(sorted(FILES.items())).encode()
    return hashlib.sha256(sources).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
