"""Copies the front-end files that package.json names from node_modules into the page's static folder.

Run it after ``npm ci --ignore-scripts``: ``python tools/frontend.py``.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
MODULES: Final = ROOT / "node_modules"
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
    missing = [source for source in FILES.values() if not (MODULES / source).is_file()]
    if missing:
        sys.stderr.write(f"node_modules lacks {', '.join(missing)}; run: npm ci --ignore-scripts\n")
        return 2
    VENDOR.mkdir(parents=True, exist_ok=True)
    for name, source in FILES.items():
        shutil.copyfile(MODULES / source, VENDOR / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
