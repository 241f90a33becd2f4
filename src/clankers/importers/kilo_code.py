"""Kilo Code up to version 5, the extension for VS Code: tasks as Cline has them."""

from __future__ import annotations

from clankers.importers._vscode import VSCodeTasks

# Kilo Code 4.119.0, of 12 November 2025.
IMPORTER = VSCodeTasks("kilo-code", totals_since=1_762_905_600_000)
