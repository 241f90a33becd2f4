"""`clankers-cli doctor`: says what is here, and fails when the database is damaged."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from clankers import _paths
from clankers.auth import NoAuth
from clankers.models import Usage
from clankers.store import Store
from clankers.store._schema import SCHEMA_VERSION
from clankers.store.capture import _marks as marks
from clankers.sync import SyncManager
from clankers.testing import make_session
from clankers.usage._price_list import package_version

if TYPE_CHECKING:
    from pathlib import Path

    from cli.conftest import Cli


def test_an_empty_machine_is_healthy(cli: Cli, home: Path) -> None:
    """Nothing installed yet is no error: exit code 0, and a hint how to begin."""
    done = cli("doctor")

    assert done.code == 0
    assert "does not exist yet" in done.out
    assert "no agent's sessions are on this machine" in done.out


def test_retention_of_claude_code_is_warned_about(cli: Cli, home: Path) -> None:
    """Claude Code deletes transcripts after its cleanupPeriodDays, by default 30."""
    projects = home / ".claude" / "projects" / "p"
    projects.mkdir(parents=True)
    (projects / "x.jsonl").write_text("{}\n")

    assert "claude-code deletes transcripts after 30 days" in cli("doctor").out
    settings = home / ".claude" / "settings.json"
    settings.write_text('{"cleanupPeriodDays": 7}')
    assert "claude-code deletes transcripts after 7 days" in cli("doctor").out
    settings.write_text('{"cleanupPeriodDays": 3650}')
    assert "deletes transcripts" not in cli("doctor").out


def test_retention_of_gemini_is_warned_about(cli: Cli, home: Path) -> None:
    """Gemini CLI deletes after maxAge, by default 30 days, unless its cleaning is off."""
    (home / ".gemini" / "tmp").mkdir(parents=True)
    settings = home / ".gemini" / "settings.json"

    assert "gemini deletes transcripts after 30 days" in cli("doctor").out
    settings.write_text('{"general": {"sessionRetention": {"maxAge": "2w"}}}')
    assert "gemini deletes transcripts after 14 days" in cli("doctor").out
    settings.write_text('{"general": {"sessionRetention": {"maxAge": "120d"}}}')
    assert "deletes transcripts" not in cli("doctor").out
    settings.write_text('{"general": {"sessionRetention": {"enabled": false}}}')
    assert "deletes transcripts" not in cli("doctor").out


def test_size_and_schema(cli: Cli, tmp_path: Path) -> None:
    """How large it is, what takes the room, and what copies there are."""
    database = tmp_path / "clankers.db"
    cli("--db", database, "import", "--sample")
    cli("--db", database, "backup", "create")

    done = cli("--db", database, "doctor")

    assert done.code == 0
    assert f"{database}, schema {SCHEMA_VERSION}, " in done.out
    assert "4 sessions, 23 messages, 11 tools, 16 usage" in done.out
    assert "free on the disk; largest: " in done.out
    assert f"1 copy in {database.parent / 'backups'}" in done.out


def test_room_that_could_be_given_back(cli: Cli, tmp_path: Path) -> None:
    """A file that is mostly empty is told of, with what makes it smaller."""
    database = tmp_path / "clankers.db"
    with Store.open(database) as store:
        store.upsert_many([Usage(f"u:{n}", "s", raw="x" * 1_000_000) for n in range(40)])
        store.connection.execute("DELETE FROM usage")

    assert "of the file hold nothing" in cli("--db", database, "doctor").out
    cli("--db", database, "vacuum")
    assert "of the file hold nothing" not in cli("--db", database, "doctor").out


def test_a_wrong_search_index_fails_a_thorough_look(cli: Cli, tmp_path: Path) -> None:
    """Rows that the index lacks are an error; building it anew mends that."""
    database = tmp_path / "clankers.db"
    cli("--db", database, "import", "--sample")
    cli("--db", database, "reindex")
    assert "the index fits" in cli("--db", database, "doctor", "--thorough").out
    with Store.open(database) as store:
        store.connection.execute("INSERT INTO message_search(message_search) VALUES ('delete-all')")

    done = cli("--db", database, "doctor", "--thorough")

    assert done.code == 1
    assert "FAIL  search" in done.out
    assert "reindex" in done.out
    assert cli("--db", database, "doctor").code == 0
    cli("--db", database, "reindex")
    assert cli("--db", database, "doctor", "--thorough").code == 0


def test_others_rights_to_copies_are_warned_about(cli: Cli, tmp_path: Path) -> None:
    """A copy says as much as the database."""
    database = tmp_path / "clankers.db"
    with Store.open(database) as store:
        copy = store.back_up()
    copy.chmod(0o644)

    assert f"others may read or write {copy} (mode 0644)" in cli("--db", database, "doctor").out


def test_a_damaged_database_fails(cli: Cli, tmp_path: Path) -> None:
    """A page overwritten with rubbish is an error and exit code 1."""
    database = tmp_path / "clankers.db"
    with Store.open(database) as store:
        store.upsert_many([Usage(f"u:{n}", f"s{n}", raw="x" * 200) for n in range(2000)])
    whole = bytearray(database.read_bytes())
    middle = len(whole) // 2 // 16_384 * 16_384
    whole[middle : middle + 16_384] = b"\xa5" * 16_384
    database.write_bytes(whole)

    done = cli("--db", database, "doctor", "--json")

    report = json.loads(done.out)
    assert done.code == 1
    assert report["ok"] is False
    assert "error" in [one["level"] for one in report["findings"]]


def test_models_without_a_price_are_listed(cli: Cli, tmp_path: Path) -> None:
    """An unpriced model is named with the command that gives it a price."""
    database = tmp_path / "clankers.db"
    with Store.open(database) as store:
        store.upsert(Usage("u", "s", provider="acme", model="rocket-1", input_tokens=5))

    out = cli("--db", database, "doctor").out

    assert "no price for rocket-1 (acme): 1 responses" in out
    assert "prices set rocket-1" in out


def test_others_rights_are_warned_about(cli: Cli, tmp_path: Path) -> None:
    """A database that others may read is a warning; opening it for writing takes the right away."""
    database = tmp_path / "clankers.db"
    Store.open(database).close()
    database.chmod(0o644)

    assert "others may read or write it (mode 0644)" in cli("--db", database, "doctor").out


def test_a_broken_config_does_not_stop_the_report(cli: Cli, tmp_path: Path) -> None:
    """The config is one finding among others."""
    config = tmp_path / "clankers.json"
    config.write_text("{")

    done = cli("--config", config, "doctor")

    assert done.code == 1
    assert "FAIL  config" in done.out
    assert "versions" in done.out
    assert "database" in done.out


def test_a_foreign_file_gets_no_advice_about_its_rights(cli: Cli, tmp_path: Path) -> None:
    """Only our own databases are to be closed to others."""
    foreign = tmp_path / "notes.txt"
    foreign.write_text("nothing of ours" * 100)
    foreign.chmod(0o644)

    out = cli("--db", foreign, "doctor").out

    assert "FAIL  database" in out
    assert "chmod" not in out


def test_what_imports_left_out_is_named(cli: Cli, home: Path) -> None:
    """Malformed lines are counted, with the query that shows where they are."""
    projects = home / ".claude" / "projects" / "p"
    projects.mkdir(parents=True)
    (projects / "0b7f7f3e-0000-4000-8000-000000000001.jsonl").write_text("not json\n")
    cli("import")

    assert "1 lines are not JSON" in cli("doctor").out


def test_a_damaged_price_list_is_warned_about(cli: Cli) -> None:
    """Pricing goes on with the package's list, so only doctor tells."""
    fetched = _paths.data_dir() / f"prices-{package_version()}.json"
    fetched.parent.mkdir(parents=True)
    fetched.write_text('[{"id": "anth')

    done = cli("doctor")

    assert done.code == 0
    assert f"{fetched} cannot be read as a price list" in done.out
    assert "prices update" in done.out


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import no_such_module", "does not load"),
        ("class IMPORTER:\n agent = 'magpie'\n def roots(*_): raise KeyError('nest')", "'nest'"),
        (
            (
                "class IMPORTER:\n agent = 'magpie'\n def roots(_, home): return [home]\n def find(_):"
                " raise RuntimeError('the twig broke')"
            ),
            "the twig broke",
        ),
    ],
)
def test_a_broken_importer_does_not_stop_the_report(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, told: str
) -> None:
    """What another package's importer fails with is a warning among the findings."""
    declared = tmp_path / "clankers_magpie-1.0.dist-info"
    declared.mkdir()
    (declared / "METADATA").write_text("Metadata-Version: 2.1\nName: clankers-magpie\nVersion: 1\n")
    (declared / "entry_points.txt").write_text(
        "[clankers.importers]\nmagpie = doctored_magpie:IMPORTER\n"
    )
    (tmp_path / "doctored_magpie.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "doctored_magpie", raising=False)

    done = cli("doctor", "--json")

    assert done.code == 0
    (found,) = [one for one in json.loads(done.out)["findings"] if told in one["message"]]
    assert (found["level"], found["subject"]) == ("warning", "agent")


@pytest.mark.skipif(sys.platform == "win32", reason="other names are refused there")
def test_a_folder_that_cannot_be_looked_at_is_warned_about(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system says of it is told, and the report goes on."""
    monkeypatch.setenv("CODEX_HOME", "/" + "x" * 300)

    done = cli("doctor")

    assert done.code == 0
    assert "File name too long" in done.out


def test_rows_that_would_never_be_sent(cli: Cli, tmp_path: Path) -> None:
    """A row below the mark of which nothing is noted is an error, and a reset mends it."""
    database = tmp_path / "clankers.db"
    with Store.open(database) as store:
        store.upsert(make_session())
        with store.atomic():
            marks.begin(store.connection)
            marks.note_chunk(store.connection)
        store.connection.execute("DELETE FROM sync_sessions")
    assert "1 rows would never be sent" in cli("--db", database, "doctor").out
    with Store.open(database) as store:
        SyncManager(store, NoAuth(), "http://127.0.0.1:9").reset()
        assert store.connection.execute("SELECT count(*) FROM sync_queue").get == 1
    assert "would never be sent" not in cli("--db", database, "doctor").out
