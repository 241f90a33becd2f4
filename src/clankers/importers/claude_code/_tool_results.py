"""Big tool outputs that Claude Code wrote beside the transcript.

A tool's output can hold any text, so a transcript can name any file. A named file is
read only when it is a plain file in the session's own `tool-results` folder with no
symbolic link on the way; every other name stays the text that it is.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LARGEST_FILE = 16 * 1024 * 1024
FOLDER = "tool-results"
SAVED_TO = "Full output saved to: "
# Further on the words are part of an output that speaks of another one.
PREFACE_CHARACTERS = 512
# Neither follow a link nor wait for a writer of a pipe; systems without these have no such files.
_SAFELY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_AS_FOLDER = _SAFELY | getattr(os, "O_DIRECTORY", 0)


def saved_output(output: str, session_folders: Sequence[Path]) -> str | None:
    """The whole output that `output` says was saved, or None when there is none to be read.

    Args:
        output: the tool result as the transcript has it.
        session_folders: the folders beside the transcript that are named as its session.
    """
    start = output.find(SAVED_TO, 0, PREFACE_CHARACTERS)
    if start < 0:
        return None
    written, *_rest = output[start + len(SAVED_TO) :].splitlines() or [""]
    # Windows separators are understood on every system: archives travel.
    named = PureWindowsPath(written.strip())
    for folder in session_folders:
        if named.parts[-3:-1] == (folder.name, FOLDER):
            return read_plain(folder.parent, (folder.name, FOLDER, named.name), LARGEST_FILE)
    return None


def read_plain(base: Path, names: Sequence[str], largest: int) -> str | None:
    """The text of a plain file below `base`, or None when it is anything else or too large.

    Each of the names is opened within the one before it and is not followed when it is a
    link, so that nothing outside can be meant, whatever happens to the names meanwhile.
    """
    if os.open not in os.supports_dir_fd or any(name in ("", ".", "..") for name in names):
        return None
    with ExitStack() as opened:
        try:
            # The base is the user's own; only what stands below it is not to be trusted.
            place = _opened(opened, os.open(base, os.O_RDONLY))
            for name in names[:-1]:
                place = _opened(opened, os.open(name, _AS_FOLDER, dir_fd=place))
            return _read(_opened(opened, os.open(names[-1], _SAFELY, dir_fd=place)), largest)
        # A name may hold what no file name can.
        except (OSError, ValueError):
            return None


def _opened(stack: ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor


def _read(descriptor: int, largest: int) -> str | None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > largest:
        return None
    with open(descriptor, "rb", closefd=False) as file:
        return file.read(largest).decode("utf-8", "replace")
