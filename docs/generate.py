"""Brings the documents up to date: the generated parts of the reference, and every output.

``python docs/generate.py`` rewrites what has changed and names it. A page says
``<!-- generated: NAME -->`` and ``<!-- /generated -->`` around what `_reference` makes, and
`_blocks` tells which code is run for its output.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from _blocks import followed, shape
from _reference import SECTIONS

ROOT = Path(__file__).parent.parent
_GENERATED = re.compile(r"<!-- generated: ([a-z ]+) -->\n.*?<!-- /generated -->", re.DOTALL)


def pages() -> list[Path]:
    """All documents, the README first."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def regenerated(page: str) -> str:
    """The page with its generated parts as they are now."""
    return _GENERATED.sub(_section, page)


def current(page: str, name: str) -> str:
    """The page as it should be; a table that only has another width stays as it is."""
    page = regenerated(page)
    run = followed(page, name)
    return page if shape(run) == shape(page) else run


def main() -> int:
    for path in pages():
        name = str(path.relative_to(ROOT))
        before = path.read_text("utf-8")
        after = current(before, name)
        if after != before:
            path.write_text(after, "utf-8")
            print(f"rewrote {name}")
    return 0


def _section(found: re.Match[str]) -> str:
    lines = "\n".join(SECTIONS[found[1]]()).strip("\n")
    return f"<!-- generated: {found[1]} -->\n\n{lines}\n\n<!-- /generated -->"


if __name__ == "__main__":
    sys.exit(main())
