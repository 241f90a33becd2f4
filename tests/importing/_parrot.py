"""An importer as another package would bring it, which fails where its files tell it to.

A line is one batch of one message. `*N words` are N messages; `!fail` raises, `!bad` is a
row that no table takes, `!anonymous` does not name its session, `!stop` is Ctrl-C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers.importers import Batch, Resume
from clankers.models import Message, Session, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SUFFIX = ".parrot"


class Parrot:
    agent = "parrot"
    version = 1

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        return [home / ".parrot"]

    def find(self, root: Path) -> Iterator[Path]:
        if root.is_file():
            yield root
        else:
            yield from sorted(root.rglob(f"*{SUFFIX}"))
        if (root / "unlistable").exists():
            raise RuntimeError("the perch broke")

    def recognises(self, path: Path) -> bool:
        return path.read_bytes().startswith(b"polly")

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:
        offset, number = resume.offset, resume.line
        with path.open("rb") as file:
            file.seek(offset)
            for line in file:
                offset, number = offset + len(line), number + 1
                yield self._batch(path.stem, line.decode().strip(), Resume(offset, number))

        # What another program writes over the file right after it was read.
        if (beside := path.with_suffix(".next")).exists():
            path.write_bytes(beside.read_bytes())
            beside.unlink()

    def _batch(self, session: str, words: str, resume: Resume) -> Batch:
        if words == "!fail":
            raise AttributeError("'NoneType' object has no attribute 'feathers'")
        if words == "!stop":
            raise KeyboardInterrupt
        times = 1
        if words.startswith("*"):
            number, _, words = words[1:].partition(" ")
            times = int(number)
        found = Batch(resume, imported=1)
        if words != "!anonymous":
            found.sessions.append(Session(session, source=self.agent))
        for turn in range(times):
            place = f"{session}:{resume.line}.{turn}"
            found.messages.append(Message(place, session, seq=resume.offset, text_content=words))
        found.usage.append(
            Usage(
                f"parrot:{session}:{resume.line}",
                session,
                model=f"parrot-{self.version}",
                output_tokens=len(words),
            )
        )
        if words == "!bad":
            found.messages[-1].session_id = None  # type: ignore[assignment]
            found.messages[-1].id = None  # type: ignore[assignment]
        return found


IMPORTER = Parrot()
