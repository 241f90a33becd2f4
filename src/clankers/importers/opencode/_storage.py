"""Sessions in the folder `storage`, which OpenCode used before 1.2 and leaves in place.

    session/<project>/<session>.json    info/<session>.json in the oldest layout
    message/<session>/<message>.json
    part/<message>/<part>.json          part/<session>/<message>/<part>.json in the oldest

Moving them into the database left out what had no project or did not parse. The names of
files are what counts: sessions were moved without changing what they say.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clankers.importers import Entry, load_document, text
from clankers.importers.opencode._conversation import Conversation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from clankers.importers import Batch

_MARK = "ses_"
# As in the database: only sessions that were used shortly before the latest one are looked
# at file by file. This folder is looked through at each import, mostly for nothing.
_RECENT_NS = 7 * 24 * 60 * 60 * 1_000_000_000


def list_folder(folder: Path) -> Iterator[Entry]:
    """The sessions with their latest change; one without a file of its own may have messages."""
    spoken = {one.name: _changed(one) for one in _listed(folder / "message") if one.is_dir()}
    moved = dict(spoken)
    for file in _session_files(folder):
        key = _key(Path(file.name).stem, spoken)
        moved[key] = max(_changed(file), moved.get(key, 0))
    latest = max(moved.values(), default=0)
    for key in sorted(moved):
        at, files = moved[key], 0
        if at >= latest - _RECENT_NS:
            times = list(_times(folder, key))
            at, files = max([at, *times]), len(times)
        yield Entry(key, at, files)


def read_from_folder(folder: Path, key: str, agent: str) -> Iterator[Batch]:
    """All of one session."""
    session = Conversation(agent, key)
    if (path := _session_file(folder, key)) is not None:
        session.begin(_loaded(path))
    for path in _documents(folder / "message" / key):
        try:
            record = _loaded(path)
        except FileNotFoundError:  # deleted since it was listed
            continue
        message_id = text((record or {}).get("id")) or path.stem
        session.hear(message_id, record, _parts(folder, key, message_id))
        if session.is_full:
            yield session.batch()
    yield session.batch()


def _session_folders(folder: Path) -> list[str]:
    projects = [one.path for one in _listed(folder / "session") if one.is_dir()]
    return [*projects, str(folder / "info")]


def _session_files(folder: Path) -> Iterator[os.DirEntry[str]]:
    for place in _session_folders(folder):
        yield from (one for one in _listed(place) if one.name.endswith(".json"))


def _key(stem: str, spoken: Collection[str]) -> str:
    """The session that a file is of: what the folder of its messages is called."""
    short = stem.removeprefix(_MARK)
    return short if stem not in spoken and short in spoken else stem


def _session_file(folder: Path, key: str) -> Path | None:
    """The session's own file, the last one written where it was moved to another project."""
    named = [
        Path(place, f"{mark}{key}.json")
        for place in _session_folders(folder)
        for mark in ("", _MARK)
    ]
    there = [path for path in named if path.is_file()]
    return max(there, key=lambda path: path.stat().st_mtime_ns, default=None)


def _times(folder: Path, key: str) -> Iterator[int]:
    """When each message and each part of a session was last written."""
    for message in _listed(folder / "message" / key):
        yield _changed(message)
        for place in _part_folders(folder, key, Path(message.name).stem):
            yield from map(_changed, _listed(place))


def _parts(folder: Path, key: str, message_id: str) -> Iterator[tuple[str, dict[str, Any] | None]]:
    paths = [path for place in _part_folders(folder, key, message_id) for path in _documents(place)]
    if not paths:
        paths = _loose_parts(folder, _modified(folder / "part")).get(message_id, [])
    for path in paths:
        try:
            part = _loaded(path)
        except FileNotFoundError:
            continue
        yield text((part or {}).get("id")) or path.stem, part


def _part_folders(folder: Path, key: str, message_id: str) -> list[str]:
    # The id stands in a file; it names a folder here and none elsewhere.
    if message_id in (".", "..") or set("/\\") & set(message_id):
        return []
    found = [os.path.join(folder, "part", *names) for names in ((message_id,), (key, message_id))]
    return [place for place in found if os.path.isdir(place)]


@functools.lru_cache(maxsize=1)
def _loose_parts(folder: Path, _modified: int) -> dict[str, list[Path]]:
    """By message, parts that lie in `part` itself, as old fixtures of other programs have them."""
    found: dict[str, list[Path]] = {}
    for path in _documents(folder / "part"):
        message_id = text((_loaded(path) or {}).get("messageID"))
        if message_id is not None:
            found.setdefault(message_id, []).append(path)
    return found


def _documents(folder: str | Path) -> list[Path]:
    return sorted(Path(one.path) for one in _listed(folder) if one.name.endswith(".json"))


def _loaded(path: Path) -> dict[str, Any] | None:
    found = load_document(path)
    return found if isinstance(found, dict) else None


def _listed(folder: str | Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing when there is none."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _changed(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _modified(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
