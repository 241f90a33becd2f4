"""What changed and has not been sent: noted by SQLite itself while rows are written.

Every synced table has a side table that says, by the row's `n`, when and by whom each field
was last said, whether the row waits to be sent, and what a server has acknowledged. Updates
and deletions are noted by triggers, whoever makes them; insertions by a mark: rows above it
are new, and get their side rows in one statement before the writer commits.

The layout keeps the tax on an import at a few per cent: see docs/explanation/sync.md.
"""
