"""Where files are looked for, whose they are, and that each is read once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clankers.errors import ImporterError
from clankers.importing import Progress, import_sessions
from importing._transcripts import OTHER_SESSION, SESSION, prompt, said

if TYPE_CHECKING:
    from clankers.store import Store
    from importing._parrot import Parrot

THREAD = "01990000-0000-7000-8000-000000000001"
ROLLOUT = f"rollout-2026-11-02T09-00-00-{THREAD}.jsonl"


def rollout(folder: Path, name: str = ROLLOUT) -> Path:
    """A rollout of Codex in which a person says one thing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    records = [
        ("session_meta", {"id": THREAD, "cwd": "/home/ada", "cli_version": "0.66.0"}),
        ("event_msg", {"type": "user_message", "message": "Hello, Codex."}),
    ]
    lines = [
        json.dumps({"timestamp": f"2026-11-02T09:00:0{second}Z", "type": kind, "payload": payload})
        for second, (kind, payload) in enumerate(records)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


class TestPath:
    @pytest.mark.parametrize("depth", range(4))
    def test_a_root_a_folder_above_or_one_file(
        self, store: Store, transcript: Path, depth: int
    ) -> None:
        """--path takes the file, its project, the projects, and the configuration folder."""
        place = [transcript, *transcript.parents][depth]

        report = import_sessions(store, ["claude-code"], path=place)

        assert (report.files, report.imported) == (1, 4)
        assert report.sources[0].path == place

    def test_each_file_goes_to_the_agent_that_recognises_it(
        self, store: Store, home: Path, transcript: Path
    ) -> None:
        """A folder with transcripts of several agents below it."""
        rollout(home / "backup")

        report = import_sessions(store, path=home)

        assert [(one.agent, one.files) for one in report.sources] == [
            ("claude-code", 1),
            ("codex", 1),
        ]
        query = "SELECT source FROM sessions ORDER BY source"
        assert [row[0] for row in store.connection.execute(query)] == ["claude-code", "codex"]

    def test_a_name_is_not_what_counts(self, store: Store, home: Path) -> None:
        """A rollout under a name that Codex would not give it is still Codex's."""
        rollout(home / "backup", "greeting.jsonl")

        report = import_sessions(store, path=home / "backup")

        assert [(one.agent, one.files) for one in report.sources] == [("codex", 1)]
        assert said(store.connection) == ["Hello, Codex."]

    def test_files_of_other_programs_are_left_alone(
        self, store: Store, home: Path, transcript: Path
    ) -> None:
        """What no importer recognises, in a folder of its own, is not taken for a transcript."""
        (home / ".otherwise").mkdir()
        (home / ".otherwise" / "a.jsonl").write_text('{"type":"user","message":"Hi"}\n')

        assert import_sessions(store, path=home).files == 1
        with pytest.raises(ImporterError, match="no transcripts"):
            import_sessions(store, path=home / ".otherwise")
        assert import_sessions(store, ["claude-code"], path=home / ".otherwise").files == 1

    def test_an_empty_file_goes_with_the_others(self, store: Store, transcript: Path) -> None:
        """What none recognises is counted with the agent of the files beside it."""
        transcript.with_name("empty.jsonl").touch()
        transcript.with_name("damaged.jsonl").write_text("{{{\n", encoding="utf-8")

        report = import_sessions(store, path=transcript.parent)

        assert [(one.agent, one.files) for one in report.sources] == [("claude-code", 3)]
        assert report.malformed == 2

    def test_a_damaged_rollout_does_not_become_a_transcript(self, store: Store, home: Path) -> None:
        """It goes to the agent of the files beside it, not to the one that takes any JSON Lines."""
        rollout(home / "backup")
        damaged = f"rollout-2026-11-02T10-00-00-{THREAD[:-1]}2.jsonl"
        (home / "backup" / damaged).write_text("{{{\n", encoding="utf-8")

        report = import_sessions(store, path=home / "backup")

        assert [(one.agent, one.files) for one in report.sources] == [("codex", 2)]

    def test_nothing_there(self, store: Store, tmp_path: Path) -> None:
        """A path that does not exist, and one that holds no transcript, are errors."""
        with pytest.raises(ImporterError, match=r"there is nothing at .*absent"):
            import_sessions(store, path=tmp_path / "absent")
        (tmp_path / "letters").mkdir()
        (tmp_path / "letters" / "a.txt").write_text("Dear Ada", encoding="utf-8")
        with pytest.raises(ImporterError, match="no transcripts of claude-code, codex at or below"):
            import_sessions(store, ["claude-code", "codex"], path=tmp_path / "letters")

    def test_a_home_folder(self, store: Store, transcript: Path) -> None:
        """~ is the home directory, as in a shell."""
        assert import_sessions(store, path="~/.claude").files == 1

    def test_one_agents_file_as_anothers(self, store: Store, home: Path) -> None:
        """A file that was read as another agent's is read from its start."""
        path = rollout(home / ".codex" / "sessions")
        import_sessions(store, ["claude-code"], path=path)

        report = import_sessions(store)

        assert (report.new, report.bytes_read) == (1, path.stat().st_size)
        assert said(store.connection) == ["Hello, Codex."]


class TestOnce:
    def test_two_roots_that_are_one_folder(
        self, store: Store, home: Path, transcript: Path
    ) -> None:
        """~/.config/claude as a link to ~/.claude: each transcript is read once."""
        (home / ".config").mkdir()
        (home / ".config" / "claude").symlink_to(home / ".claude")

        report = import_sessions(store)

        assert (report.files, report.lines) == (1, 7)
        assert import_sessions(store).unchanged == 1

    def test_another_way_to_the_same_file(
        self, store: Store, tmp_path: Path, transcript: Path
    ) -> None:
        """By whatever links a file is reached, it is known from the time before."""
        import_sessions(store)
        (tmp_path / "link").symlink_to(transcript.parent.parent)

        report = import_sessions(store, path=tmp_path / "link")

        assert (report.files, report.unchanged) == (1, 1)

    def test_two_names_of_one_file(self, store: Store, transcript: Path) -> None:
        """Hard and symbolic links to a transcript beside it."""
        transcript.with_name("again.jsonl").symlink_to(transcript)
        os.link(transcript, transcript.with_name("twin.jsonl"))

        report = import_sessions(store)

        assert (report.files, report.lines) == (1, 7)

    def test_a_relative_path(
        self, store: Store, transcript: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file is the same from whichever folder it is named."""
        import_sessions(store)
        monkeypatch.chdir(transcript.parent)

        assert import_sessions(store, path=transcript.name).unchanged == 1
        assert import_sessions(store, path=".").unchanged == 1


class TestNamesThatAreNoText:
    def test_a_folder(self, store: Store, projects: Path) -> None:
        """A folder's name may be any bytes; the transcript in it is imported once."""
        folder = os.fsencode(projects) + b"/caf\xe9"
        try:
            os.mkdir(folder)
        except OSError:
            pytest.skip("this file system takes only names that are text")
        with open(folder + f"/{SESSION}.jsonl".encode(), "w", encoding="utf-8") as file:
            file.write(prompt("Hello."))

        report = import_sessions(store)

        assert (report.failures, report.imported) == ([], 1)
        path = store.connection.execute("SELECT path FROM import_sources").get
        assert path == f"{projects}/caf\\udce9/{SESSION}.jsonl"
        assert import_sessions(store).unchanged == 1

    def test_a_file(self, store: Store, projects: Path) -> None:
        """A session is known by its lines where its file has no name that is text."""
        folder = os.fsencode(projects / "-home-ada-engine")
        try:
            with open(folder + b"/caf\xe9.jsonl", "w", encoding="utf-8") as file:
                file.write(prompt("Hello."))
        except OSError:
            pytest.skip("this file system takes only names that are text")

        report = import_sessions(store)

        assert (report.failures, report.imported) == ([], 1)
        assert store.session(SESSION).message_count == 1

    def test_a_root_in_the_report(self, store: Store, tmp_path: Path) -> None:
        """The report can be printed as JSON, in whatever encoding."""
        folder = os.fsencode(tmp_path) + b"/caf\xe9"
        try:
            os.mkdir(folder)
        except OSError:
            pytest.skip("this file system takes only names that are text")
        with open(folder + b"/a.jsonl", "w", encoding="utf-8") as file:
            file.write(prompt("Hello."))

        report = import_sessions(store, path=Path(os.fsdecode(folder)))

        assert report.to_dict()["sources"][0]["path"] == f"{tmp_path}/caf\\udce9"


def test_since(store: Store, transcript: Path) -> None:
    """Files that were last written before a moment are left alone; the moment itself counts."""
    os.utime(transcript, ns=(0, 1_700_000_000_000_000_000))

    report = import_sessions(store, since=1_700_000_000_001)
    assert (report.files, report.read, report.new) == (1, 0, 0)

    assert import_sessions(store, since=1_700_000_000_000).read == 1


def test_progress(store: Store, home: Path, parrot: Parrot) -> None:
    """It is called after each file that had to be read, with how much of all there is to read."""
    (home / ".parrot").mkdir()
    for name, text in (("a", "polly\n"), ("b", "polly\nwants\n")):
        (home / ".parrot" / f"{name}.parrot").write_text(text, encoding="utf-8")
    seen: list[Progress] = []

    import_sessions(store, on_progress=seen.append)
    import_sessions(store, on_progress=seen.append)

    assert seen == [
        Progress(2, 18, 1, 6, home / ".parrot" / "a.parrot"),
        Progress(2, 18, 2, 18, home / ".parrot" / "b.parrot"),
    ]


def test_no_agent_at_all(store: Store) -> None:
    """A machine without any agent has nothing to report and no error."""
    report = import_sessions(store)

    assert (report.files, report.sources, report.failures) == (0, [], [])


def test_a_moved_file(store: Store, projects: Path, transcript: Path) -> None:
    """The same session under another path gives the same rows once."""
    import_sessions(store)
    (projects / "-home-ada-other").mkdir()
    shutil.move(transcript, projects / "-home-ada-other")

    report = import_sessions(store)

    assert (report.new, report.rows_written) == (1, 0)
    assert len(said(store.connection)) == 3


def test_a_session_in_two_files_belongs_to_the_earlier(store: Store, transcript: Path) -> None:
    """A copy of a session under a new id is a fork, and its responses count once."""
    copy = transcript.with_name(f"{OTHER_SESSION}.jsonl")
    shutil.copy(transcript, copy)

    import_sessions(store)

    query = "SELECT session_id, output_tokens FROM usage"
    assert store.connection.execute(query).fetchall() == [(SESSION, 7)]
