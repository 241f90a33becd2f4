"""Roo Code: tasks as Cline has them."""

from __future__ import annotations

from clankers.importers._vscode import VSCodeTasks

# Roo Code 3.29.5, of 1 November 2025 (pull request 8954).
IMPORTER = VSCodeTasks(
    "roo-code",
    totals_since=1_761_955_200_000,
    beside=".vscode-mock/global-storage/tasks",
)
