"""Big tool outputs that Claude Code wrote beside the transcript.

A tool's output can hold any text, so a transcript can name any file. A named file is
read only when it is a plain file in the session's own `tool-results` folder with no
symbolic link on the way; every other name stays the text that it is.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PureWindowsPath

LARGEST_FILE = 16 * 1024 * 1024
_SAVED_TO = re.compile(r"Full output saved to: ([^\r\n]+)")


def saved_output(output: str, session_folder: Path) -> str | None:
    """The whole output that `output` says was saved, or None when there is none to be read.

    Args:
        output: the tool result as the transcript has it.
        session_folder: the folder beside the transcript that is named as the session.
    """
    found = _SAVED_TO.search(output)
    if not found:
        return None
    # Windows separators are understood on every system: archives travel.
    named = PureWindowsPath(found[1].strip())
    if named.parts[-3:-1] != (session_folder.name, "tool-results"):
        return None
    folder = os.path.join(os.path.realpath(session_folder.parent), session_folder.name)
    path = os.path.join(folder, "tool-results", named.name)
    if os.path.realpath(path) != path:
        return None
    return _read_plain(path)


def _read_plain(path: str) -> str | None:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_FILE:
            return None
        return file.read(LARGEST_FILE).decode("utf-8", "replace")
