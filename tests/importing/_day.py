"""A busy day of some agents: their files grow, tear, move, shrink, vanish and get compressed.

What a file says is fixed beforehand, and it only ever says a beginning of that, so that
whatever happened to it, at the end of the day one reading of each file in its last state
gives what watching it all the time must have given.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from typing import TYPE_CHECKING

import apsw
import zstandard
from importers.codex._rollouts import counters, encoded, event, header, message, tokens, turn
from importers.opencode._sessions import SCHEMA

from importing._transcripts import answer, call, prompt

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

LINES_OF_A_FILE = 240


class Script:
    """A file and all that it will ever say; `said` bytes of it were written."""

    def __init__(self, path: Path, text: bytes, *, is_fork: bool = False) -> None:
        self.path = path
        self.text = text
        self.is_fork = is_fork
        self.said = 0
        self.most_said = 0

    @property
    def is_done(self) -> bool:
        return self.said == len(self.text)

    def say_until(self, end: int) -> None:
        with self.path.open("ab") as file:
            file.write(self.text[self.said : end])
        self.said = end
        self.most_said = max(self.most_said, end)

    def end_of_lines(self, number: int) -> int:
        """The offset some lines further, at the end of a line."""
        end = self.said
        for _line in range(number):
            found = self.text.find(b"\n", end)
            if found < 0:
                break
            end = found + 1
        return end


class Day:
    """Does one thing after another to the files below `home`.

    `is_imported` waits until the watching has caught up with a file; only then it may
    vanish. `kept` is where its last state is kept.
    """

    def __init__(
        self, home: Path, kept: Path, chance: random.Random, is_imported: Callable[[Path], None]
    ) -> None:
        self.home = home
        self.kept = kept
        self.chance = chance
        self.is_imported = is_imported
        self.scripts: list[Script] = []
        self.counts: dict[str, int] = {}
        self._projects = home / ".claude" / "projects"
        self._codex = home / ".codex"
        self._opencode = home / ".local" / "share" / "opencode" / "opencode.db"
        self._opencode.parent.mkdir(parents=True)
        self._messages = self._rotations = 0
        self._database = apsw.Connection(str(self._opencode))
        self._database.pragma("journal_mode", "wal")
        self._database.execute(SCHEMA)
        self._database.set_busy_timeout(5_000)
        self._acts: list[tuple[Callable[[], object], int]] = [
            (self._new_claude, 3),
            (self._new_subagent, 2),
            (self._new_codex, 2),
            (self._append, 60),
            (self._tear, 15),
            (self._burst, 2),
            (self._truncate, 3),
            (self._move, 3),
            (self._replace, 3),
            (self._rotate, 3),
            (self._delete, 1),
            (self._set_back, 3),
            (self._compress, 3),
            (self._archive, 1),
            (self._speak, 12),
        ]
        for _number in range(6):
            self._new_claude()
            self._new_codex()

    def act(self) -> None:
        """One thing that an agent does, or a person does to its files."""
        acts, weights = zip(*self._acts, strict=True)
        (chosen,) = self.chance.choices(acts, weights)
        self.counts[chosen.__name__] = self.counts.get(chosen.__name__, 0) + 1
        chosen()

    def end(self) -> None:
        """Every file says again what it said once, to the end of a line."""
        for script in self.scripts:
            if script.path.suffix != ".zst":
                script.said = min(script.said, script.path.stat().st_size)
                least = max(script.said, script.most_said)
                rest = script.text.find(b"\n", max(least - 1, 0)) + 1
                script.say_until(max(rest, script.said))
        self._database.close()

    def keep_all(self) -> None:
        """Beside the files that are gone, those that are still there."""
        shutil.copytree(self.home, self.kept, dirs_exist_ok=True)

    def files(self) -> list[Path]:
        return [*(script.path for script in self.scripts), self._opencode]

    # What may happen

    def _new_claude(self) -> Script:
        folder = self._projects / f"-home-ada-{self.chance.randrange(8)}"
        folder.mkdir(parents=True, exist_ok=True)
        session = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
        text = _transcript(self.chance, session)
        others = [one for one in self.scripts if one.path.parent.parent == self._projects]
        is_fork = bool(others) and self.chance.random() < 0.2
        if is_fork:
            # A session that was resumed repeats what the other said, as its own.
            other = self.chance.choice(others)
            copied = other.text[: other.end_of_lines(0)]
            text = copied.replace(other.path.stem.encode(), session.encode()) + text
        return self._add(Script(folder / f"{session}.jsonl", text, is_fork=is_fork))

    def _new_subagent(self) -> Script:
        """Its transcript lies below the session's, whose id its lines carry."""
        parents = [one for one in self.scripts if one.path.parent.parent == self._projects]
        parent = self.chance.choice(parents) if parents else self._new_claude()
        folder = parent.path.with_suffix("") / "subagents"
        folder.mkdir(parents=True, exist_ok=True)
        text = _transcript(self.chance, parent.path.stem)
        name = f"agent-{self.chance.getrandbits(28):07x}"
        text = _renamed(text, name).replace(b'"isSidechain": false', b'"isSidechain": true')
        return self._add(Script(folder / f"{name}.jsonl", text))

    def _new_codex(self) -> Script:
        day = self.chance.randrange(1, 9)
        folder = self._codex / "sessions" / "2026" / "11" / f"{day:02}"
        folder.mkdir(parents=True, exist_ok=True)
        thread = f"01990000-{self.chance.getrandbits(16):04x}-7000-8000-{len(self.scripts):012x}"
        name = f"rollout-2026-11-{day:02}T12-00-00-{thread}.jsonl"
        return self._add(Script(folder / name, _rollout(self.chance, thread)))

    def _add(self, script: Script) -> Script:
        self.scripts.append(script)
        script.say_until(script.end_of_lines(self.chance.randrange(3)))
        return script

    def _append(self) -> None:
        script = self._one()
        script.say_until(script.end_of_lines(self.chance.choice((1, 1, 1, 2, 5, 20))))

    def _tear(self) -> None:
        """A line of which only a part is there for a while, perhaps all but its newline."""
        script = self._one()
        end = script.end_of_lines(1)
        cut = self.chance.choice((end - 1, self.chance.randint(script.said, end)))
        script.say_until(max(script.said, cut))

    def _burst(self) -> None:
        for _file in range(self.chance.randrange(3, 9)):
            script = self._new_claude()
            script.say_until(script.end_of_lines(10))

    def _truncate(self) -> None:
        """Shorter, and soon afterwards, or much later, as long as before and longer."""
        script = self._one()
        length = self.chance.randint(0, script.said)
        os.truncate(script.path, length)
        script.said = length
        if self.chance.random() < 0.5:
            script.say_until(max(length, script.most_said))

    def _move(self) -> None:
        script = self._one()
        if self._projects in script.path.parents and script.path.parent.name != "subagents":
            folder = self._projects / f"-home-ada-{self.chance.randrange(8)}" / "moved"
            folder.mkdir(parents=True, exist_ok=True)
            moved = folder / script.path.name
            script.path.rename(moved)
            script.path = moved

    def _replace(self) -> None:
        """Another file under the name, which says what the old one said and more."""
        script = self._one()
        beside = script.path.with_name("being-written.tmp")
        end = script.end_of_lines(self.chance.randrange(4))
        beside.write_bytes(script.text[:end])
        beside.replace(script.path)
        script.said = end
        script.most_said = max(end, script.most_said)

    def _rotate(self) -> None:
        """What was said stands under another name, and something else under the old one.

        Sometimes in the very same file, which may soon be longer than it was before.
        """
        script = self._one(str(self._projects))
        path, session = script.path, script.path.stem
        # Forks are called by what was asked first that is not their parent's.
        if script.is_fork or "subagents" in path.parts or not script.said or "." in session:
            return
        self._rotations += 1
        script.path = path.with_name(f"{session}.{self._rotations}.jsonl")
        other = _renamed(_transcript(self.chance, session), f"r{self._rotations}")
        # A session is called by what was asked first, in whichever file that is read.
        first = _renamed(script.text[: script.text.find(b"\n") + 1], f"r{self._rotations}")
        fresh = Script(path, first + other)
        if self.chance.random() < 0.5:
            path.rename(script.path)
        else:
            shutil.copyfile(path, script.path)
            os.truncate(path, 0)
        self.scripts.append(fresh)
        fresh.say_until(fresh.end_of_lines(self.chance.choice((1, 5, 150))))

    def _delete(self) -> None:
        if len(self.scripts) < 12:
            return
        script = self._one()
        script.say_until(max(script.end_of_lines(1), script.most_said))
        self.is_imported(script.path)
        kept = self.kept / script.path.relative_to(self.home)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(script.path, kept)
        self.scripts.remove(script)

    def _set_back(self) -> None:
        """A clock that goes wrong, or a tool that restores old times."""
        script = self._one()
        os.utime(script.path, (1_700_000_000 + self.chance.randrange(9), 1_700_000_000))

    def _compress(self) -> None:
        """Codex compresses what rests, and unpacks what is resumed."""
        packed = [one for one in self.scripts if one.path.suffix == ".zst"]
        if packed and self.chance.random() < 0.5:
            script = self.chance.choice(packed)
            plain = script.path.with_suffix("")
            plain.write_bytes(script.text[: script.said])
            script.path.unlink()
            script.path = plain
            return
        script = self._one(".codex")
        script.say_until(max(script.end_of_lines(1), script.most_said))
        archive = script.path.with_name(script.path.name + ".zst")
        whole = zstandard.compress(script.text[: script.said])
        with archive.open("wb") as file:
            # Half of it is there for a moment, which is no readable archive.
            file.write(whole[: len(whole) // 2])
            file.flush()
            file.write(whole[len(whole) // 2 :])
        script.path.unlink()
        script.path = archive

    def _archive(self) -> None:
        script = self._one(".codex")
        folder = self._codex / "archived_sessions"
        folder.mkdir(exist_ok=True)
        moved = folder / script.path.name
        script.path.rename(moved)
        script.path = moved

    def _speak(self) -> None:
        """OpenCode: a new session now and then, a new message, or one that grows."""
        database, chance = self._database, self.chance
        sessions = database.execute("SELECT count(*) FROM session").get
        with database:
            if sessions == 0 or chance.random() < 0.05:
                sessions += 1
                database.execute(
                    "INSERT INTO session VALUES (?, 'p', NULL, 's', '/home/ada', ?, '1.2.5', ?, ?)",
                    (f"ses_{sessions}", f"Talk {sessions}", sessions, sessions),
                )
            session = f"ses_{chance.randint(1, sessions)}"
            last = database.execute(
                "SELECT id FROM part WHERE session_id = ? ORDER BY id DESC LIMIT 1", (session,)
            ).get
            self._messages += 1
            at = 1_000_000 + self._messages
            said = json.dumps({"type": "text", "text": f"words {self._messages} " * 20})
            if last is not None and chance.random() < 0.4:
                database.execute(
                    "UPDATE part SET data = ?, time_updated = ? WHERE id = ?", (said, at, last)
                )
            else:
                name = f"{self._messages:06}"
                given = {"role": "user", "time": {"created": at}}
                database.execute(
                    "INSERT INTO message VALUES (?, ?, ?, ?, ?)",
                    (f"msg_{name}", session, at, at, json.dumps(given)),
                )
                database.execute(
                    "INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)",
                    (f"prt_{name}", f"msg_{name}", session, at, at, said),
                )
            database.execute("UPDATE session SET time_updated = ? WHERE id = ?", (at, session))

    def _one(self, below: str = "") -> Script:
        """A file that can grow, mostly one of the last few; a new one where there is none."""
        fit = [
            one
            for one in self.scripts
            if one.path.suffix != ".zst" and not one.is_done and below in str(one.path)
        ]
        if not fit:
            return self._new_codex()
        return self.chance.choice(fit[-10:] if self.chance.random() < 0.7 else fit)


def _renamed(text: bytes, name: str) -> bytes:
    """The same lines, as lines and responses of their own."""
    text = text.replace(b'"uuid": "', f'"uuid": "{name}-'.encode())
    text = text.replace(b"toolu_", f"toolu_{name}_".encode())
    return text.replace(b'"id": "msg_', f'"id": "msg_{name}_'.encode())


def _transcript(chance: random.Random, session: str) -> bytes:
    lines: list[str] = []
    for minute in range(0, LINES_OF_A_FILE, 4):
        lines.append(prompt(f"{chance.random()} tide " * 8, minute=minute, session=session))
        lines.append(call("Bash", minute=minute + 1, session=session))
        # A response that is streamed stands in several lines, each with more of it.
        grown = [1, chance.randrange(2, 50), chance.randrange(50, 900)][chance.randrange(3) :]
        lines += [answer("Ebb.", minute=minute + 2, output=n, session=session) for n in grown]
        if chance.random() < 0.05:
            lines.append("this is no JSON\n")
        if chance.random() < 0.05:
            lines.append("\n")
    return "".join(lines).encode()


def _rollout(chance: random.Random, thread: str) -> bytes:
    records = [header(thread), turn()]
    given = output = 0
    for second in range(2, LINES_OF_A_FILE, 4):
        records.append(event("user_message", second, message=f"{chance.random()} flood " * 8))
        records.append(message("assistant", f"{second} neap " * 8, second + 1))
        given, output = given + chance.randrange(900), output + chance.randrange(90)
        total = counters(given, given // 2, output)
        records.append(tokens(total, None, second + 2))
        if chance.random() < 0.2:
            records.append(tokens(total, None, second + 2))
    return encoded(records)


def until(holds: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Waits until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)
