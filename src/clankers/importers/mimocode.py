"""MiMo Code, which keeps its sessions as OpenCode does.

Learned from descriptions of its data folder and the reader of kenn-io/agentsview.
"""

from __future__ import annotations

from clankers.importers.opencode import OpenCode

IMPORTER = OpenCode("mimocode", home_variable="MIMOCODE_HOME")
