"""IcodeMate, which keeps its sessions as OpenCode does; not what its command line keeps.

Learned from the reader of kenn-io/agentsview.
"""

from __future__ import annotations

from clankers.importers.opencode import OpenCode

IMPORTER = OpenCode("icodemate")
