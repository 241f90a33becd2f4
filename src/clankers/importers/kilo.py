"""Kilo since 1.0 (command line and editor), which keeps its sessions as OpenCode does.

Learned from the source of Kilo-Org/kilocode (packages/opencode/src/global) and the reader
of kenn-io/agentsview.
"""

from __future__ import annotations

from clankers.importers.opencode import OpenCode

IMPORTER = OpenCode("kilo")
