"""What an import found and did. Plain classes: an import that finds nothing new loads no attrs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

_COUNTERS = (
    "files",
    "read",
    "new",
    "updated",
    "unchanged",
    "lines",
    "imported",
    "noise",
    "unknown",
    "malformed",
)


class Progress(NamedTuple):
    """How far an import is: files and bytes to read in all, and done so far."""

    files: int
    bytes: int
    files_done: int = 0
    bytes_done: int = 0
    path: Path | None = None

    def after(self, path: Path, size: int) -> Progress:
        """One file further."""
        return self._replace(
            files_done=self.files_done + 1, bytes_done=self.bytes_done + size, path=path
        )


class Failure(NamedTuple):
    """What could not be read, and why; everything else was.

    `path` is a file or folder, or the name of an agent whose importer does not load.
    """

    path: Path | str
    message: str


class Counts:
    """What was counted in some files.

    Of the `files` some are `new`, `updated` (changed since they were read) or
    `unchanged`; `read` of them were read to their end. `lines` = `imported` + `noise` +
    `unknown` + `malformed` is what was read this time, and so are `messages` (a grown
    one counts again), `bytes_read` and `rows_written`.
    """

    def __init__(self) -> None:
        self.files = self.read = self.new = self.updated = self.unchanged = 0
        self.imported = self.noise = self.unknown = self.malformed = 0
        self.messages = self.bytes_read = self.rows_written = 0

    @property
    def lines(self) -> int:
        return self.imported + self.noise + self.unknown + self.malformed

    def add(self, other: Counts) -> None:
        for name, value in vars(other).items():
            if isinstance(value, int):
                setattr(self, name, getattr(self, name) + value)

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _COUNTERS}


class SourceReport(Counts):
    """What one place of one agent held.

    `sessions` are the ids of those that were read of, `left_out` those of them that some file
    tells of and that were not stored from it, because they had been pruned or deleted. A dry
    run stores nothing, and so leaves nothing out.
    """

    def __init__(self, agent: str, path: Path) -> None:
        super().__init__()
        self.agent = agent
        self.path = path
        self.sessions: set[str] = set()
        self.left_out: set[str] = set()

    def to_dict(self) -> dict[str, Any]:
        return {
            "source": self.agent,
            "path": shown(self.path),
            **super().to_dict(),
            "left_out": len(self.left_out),
            "bytes_read": self.bytes_read,
            "rows_written": self.rows_written,
        }


class ImportReport(Counts):
    """What an import did, in all and by place; `failures` are the files it could not read."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[SourceReport] = []
        self.failures: list[Failure] = []

    @property
    def left_out(self) -> set[str]:
        """The sessions left out of some file, see `SourceReport`."""
        return {one for source in self.sources for one in source.left_out}

    def sum_up(self) -> None:
        for one in self.sources:
            self.add(one)

    def to_dict(self) -> dict[str, Any]:
        return {
            **super().to_dict(),
            "left_out": len(self.left_out),
            "sources": [one.to_dict() for one in self.sources],
        }


def shown(path: Path | str) -> str:
    """A path as text that can be stored and printed; bytes that are no text are spelled out."""
    return str(path).encode("utf-8", "backslashreplace").decode()
