"""`clankers-cli sync`, with a real web service and real databases."""

from __future__ import annotations

import json
import re
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from server._answering import Answer, Answering
from server._running import Service
from server.conftest import sqld  # noqa: F401 - a fixture
from sync._devices import Device, server_rows, tenant_database

from clankers.models import Message, Session
from cli._person import answered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from server._running import Sqld

    from cli.conftest import Cli

AT = 1_767_603_600_000
SECONDS = 1_767_603_600  # which a server refuses, as no time is that long ago
SECRET = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
OFF = "CLANKERS_SYNC_ENABLED is false"


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Device:
    """A machine with one session, in two projects' worth of rows; the commands run on it."""
    made = Device(tmp_path / "laptop")
    use(made, monkeypatch)
    with made.store() as store:
        store.upsert_many(
            [
                Session("s1", created_at=AT, title="Tide tables", project_path="/home/ada/tide"),
                Message("m1", "s1", created_at=AT, role="user", text_content="grüße 🚀"),
                Message("m2", "s1", created_at=AT, role="user", text_content=f"use {SECRET}!"),
            ]
        )
    return made


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service as it starts without any option: auth none, files."""
    with Service(tmp_path / "served") as running:
        yield running


def use(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run on this machine from now on."""
    monkeypatch.setenv("CLANKERS_DATA_PATH", str(device.folder / "data"))


def write(device: Device, *records: Session | Message) -> None:
    with device.store() as store:
        store.upsert_many(records)


def stored(service: Service, table: str, tenant: str = "default") -> dict[str, dict[str, Any]]:
    """The rows of a service, without what is null."""
    rows = server_rows(tenant_database(service.folder, tenant), table)
    return {
        one: {name: value for name, value in fields.items() if value is not None}
        for one, fields in rows.items()
    }


def total(service: Service) -> int:
    return sum(service.get("/sync/status").json()["counts"].values())


def seen(cli: Cli, *options: str) -> Any:
    """The status as JSON."""
    outcome = cli("sync", "status", "--json", *options)
    assert outcome.code == 0
    return json.loads(outcome.out)


def timeless(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME", text)


@contextmanager
def hanging(device: Device, *command: str) -> Iterator[int]:
    """A process that syncs with a server which takes a connection and says nothing."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        device.variables["CLANKERS_ENDPOINT"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = device.start(*command)
        try:
            lock = device.database.with_name("clankers.db.sync-lock")
            deadline = time.monotonic() + 20
            while not (lock.exists() and lock.read_bytes()) and time.monotonic() < deadline:
                time.sleep(0.01)
            yield process.pid
        finally:
            process.kill()
            process.wait(30)
            del device.variables["CLANKERS_ENDPOINT"]


class TestNow:
    def test_sends_what_waits(self, cli: Cli, laptop: Device, service: Service) -> None:
        """By hand it works where sync_enabled is false, and secrets stay here."""
        cli("config", "set", "endpoint", service.url)
        sent = cli("sync", "now")
        assert (sent.code, sent.err) == (0, "")
        assert re.fullmatch(r"sent 3 rows in 1 batch \(\d+ bytes\)\n", sent.out)
        assert stored(service, "messages")["m2"]["text_content"] == "use [redacted:github-token]!"
        assert stored(service, "sessions")["s1"]["title"] == "Tide tables"
        assert cli("sync", "now") == (0, "nothing was waiting to be sent\n", "")

    def test_many(self, cli: Cli, laptop: Device, service: Service) -> None:
        """Rows and batches are counted over all tables."""
        laptop.fill(2_397, 1)
        cli("config", "set", "endpoint", service.url)
        sent = cli("sync", "now")
        assert re.fullmatch(r"sent 2,400 rows in \d batches \(\d\.\d MB\)\n", sent.out)
        assert total(service) == 2_400

    def test_json(self, cli: Cli, laptop: Device, service: Service) -> None:
        """A script reads the same numbers."""
        cli("config", "set", "endpoint", service.url)
        found = json.loads(cli("sync", "now", "--json").out)
        assert 300 < found.pop("bytes") < 2_000
        assert found == {
            "sent": 3,
            "batches": 1,
            "pulled": None,
            "pending": 0,
            "held": 0,
            "refused": 0,
        }

    def test_dry_run(self, cli: Cli, laptop: Device, service: Service) -> None:
        """Rows are counted by table, nothing is sent, and the server is not even asked."""
        cli("config", "set", "endpoint", service.url)
        would = cli("sync", "now", "--dry-run")
        assert would == (
            0,
            (
                "table       rows\n--------  ------\nsessions       1\nmessages       2\n"
                "\nwould send 3 rows\n"
            ),
            "",
        )
        assert json.loads(cli("sync", "now", "--dry-run", "--json").out) == {
            "dry_run": True,
            "rows": {"sessions": 1, "messages": 2},
        }
        assert total(service) == 0
        # The service writes its log behind its answer; what came before ours stands before it.
        deadline = time.monotonic() + 10
        while "/sync/status" not in service.log() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert service.log().count("/sync/status") == 1  # ours
        cli("sync", "now")
        assert cli("sync", "now", "--dry-run").out == "would send 0 rows\n"

    def test_dry_run_with_exclusions(self, cli: Cli, laptop: Device) -> None:
        """What is excluded does not count."""
        cli("config", "set", "endpoint", "http://127.0.0.1:9")
        cli("config", "set", "exclude", "/home/ada/*")
        would = cli("sync", "now", "--dry-run").out
        assert would == "would send 0 rows\n"

    def test_refused_and_held(self, cli: Cli, laptop: Device, service: Service) -> None:
        """What does not go by itself is named, and all else goes."""
        write(
            laptop,
            Session("s2", created_at=AT, project_path="/home/ada/secret"),
            Message("m3", "s1", created_at=SECONDS, role="user"),
        )
        cli("config", "set", "endpoint", service.url)
        cli("config", "set", "exclude", "/home/ada/secret")
        sent = cli("sync", "now")
        assert sent.code == 0
        assert sent.out.splitlines()[0].startswith("sent 3 rows in ")
        assert sent.out.splitlines()[1] == (
            "1 row held back by the rules of the profile and 1 row refused by the server:"
            " 'clankers-cli sync pending' shows more"
        )
        assert set(stored(service, "sessions")) == {"s1"}
        assert set(stored(service, "messages")) == {"m1", "m2"}
        found = json.loads(cli("sync", "now", "--json").out)
        assert (found["sent"], found["held"], found["refused"]) == (0, 1, 1)

    def test_progress(self, cli: Cli, laptop: Device, service: Service) -> None:
        """Whoever looks at a terminal sees how far it is; the line is gone at the end."""
        cli("config", "set", "endpoint", service.url)
        code, screen = answered("", "sync", "now")
        assert code == 0
        assert re.search(
            r"\r\[#{24}\] 100%  3 of 3 rows  \d+ bytes\x1b\[K.*\r\x1b\[Ksent 3", screen, re.DOTALL
        )

    def test_server_is_gone(self, cli: Cli, laptop: Device, service: Service) -> None:
        """It is said which address does not answer, and all goes on waiting."""
        cli("config", "set", "endpoint", service.url)
        service.stop()
        failed = cli("sync", "now")
        assert (failed.code, failed.out) == (1, "")
        assert f"{service.url}/sync/status does not answer" in failed.err
        assert failed.err.endswith("hint: what waits is kept and sent later\n")
        service.start()
        assert cli("sync", "now").out.startswith("sent 3 rows")

    @pytest.mark.parametrize("action", [["now"], ["pull"], ["pending"], ["reset", "--yes"]])
    def test_without_an_endpoint(self, cli: Cli, laptop: Device, action: list[str]) -> None:
        """The error says how to name a server."""
        failed = cli("sync", *action)
        assert (failed.code, failed.out) == (1, "")
        assert "the profile 'default' has no endpoint to sync with" in failed.err
        assert "hint: 'clankers-cli config set endpoint https://...' names a server" in failed.err

    @pytest.mark.parametrize("action", ["now", "pending", "status"])
    def test_without_a_database(
        self, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str
    ) -> None:
        """None is made, and a new machine is told to pull first."""
        empty = Device(tmp_path / "empty")
        use(empty, monkeypatch)
        cli("config", "set", "endpoint", "http://127.0.0.1:9")
        failed = cli("sync", action)
        assert failed.code == 1
        assert "hint: 'clankers-cli sync pull' makes one of what the server has" in failed.err
        assert not empty.database.exists()


class TestPull:
    def test_second_machine(
        self,
        cli: Cli,
        laptop: Device,
        service: Service,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A pull makes the database of a new machine, and later takes in what is new."""
        cli("config", "set", "endpoint", service.url)
        cli("sync", "now")
        desktop = Device(tmp_path / "desktop")
        use(desktop, monkeypatch)
        cli("config", "set", "endpoint", service.url)
        pulled = cli("sync", "pull")
        assert pulled == (0, "looked at 3 changes: 3 rows new, 0 changed, 0 removed\n", "")
        assert desktop.rows("sessions") == laptop.rows("sessions")
        assert set(desktop.rows("messages")) == {"m1", "m2"}
        assert cli("sync", "pull").out == "nothing was new on the server\n"

        write(desktop, Message("m3", "s1", created_at=AT, role="user", text_content="from there"))
        assert cli("sync", "now").out.startswith("sent 1 row ")
        use(laptop, monkeypatch)
        write(laptop, Message("m4", "s1", created_at=AT, role="user", text_content="from here"))
        both = cli("sync", "now", "--pull").out.splitlines()
        assert both[0].startswith("looked at 4 changes: 1 row new, 0 changed, ")
        assert both[1].startswith("sent ")
        assert set(laptop.rows("messages")) == {"m1", "m2", "m3", "m4"}
        assert set(stored(service, "messages")) == {"m1", "m2", "m3", "m4"}

    def test_json(self, cli: Cli, laptop: Device, service: Service) -> None:
        """What came, in numbers; one's own changes are looked at, and change nothing."""
        cli("config", "set", "endpoint", service.url)
        cli("sync", "now")
        report = {"changes": 3, "added": 0, "changed": 0, "removed": 0}
        assert json.loads(cli("sync", "pull", "--json").out) == report
        report["changes"] = 0
        found = json.loads(cli("sync", "now", "--pull", "--json").out)
        assert (found["pulled"], found["sent"]) == (report, 0)

    def test_not_with_a_dry_run(self, cli: Cli, laptop: Device) -> None:
        """A pull has no dry run, and none is pretended."""
        assert cli("sync", "now", "--pull", "--dry-run").code == 2


class TestMasterSwitch:
    @pytest.mark.parametrize("action", [["now"], ["now", "--pull"], ["pull"]])
    def test_off(
        self,
        cli: Cli,
        laptop: Device,
        service: Service,
        monkeypatch: pytest.MonkeyPatch,
        action: list[str],
    ) -> None:
        """CLANKERS_SYNC_ENABLED=false wins over everything, by hand too, and is named."""
        cli("config", "set", "endpoint", service.url)
        cli("config", "set", "sync_enabled", "true")
        monkeypatch.setenv("CLANKERS_SYNC_ENABLED", "off")
        failed = cli("sync", *action)
        assert (failed.code, failed.out) == (1, "")
        assert OFF in failed.err
        assert "hint: unset CLANKERS_SYNC_ENABLED to sync" in failed.err
        assert "/sync/" not in service.log()

    def test_status(
        self,
        cli: Cli,
        laptop: Device,
        service: Service,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The status says what keeps sync off, and asks no server."""
        cli("config", "set", "endpoint", service.url)
        cli("config", "set", "sync_enabled", "true")
        monkeypatch.setenv("CLANKERS_SYNC_ENABLED", "0")
        found = seen(cli)
        assert (found["state"], found["enabled"], found["server"]) == ("disabled", False, None)
        assert cli("sync", "status").out.endswith(f"\n{OFF}, which keeps sync off\n")
        assert "/sync/" not in service.log()

    def test_on(
        self,
        cli: Cli,
        laptop: Device,
        service: Service,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Set to true it is no hindrance."""
        cli("config", "set", "endpoint", service.url)
        monkeypatch.setenv("CLANKERS_SYNC_ENABLED", "yes")
        assert cli("sync", "now").out.startswith("sent 3 rows")

    @pytest.mark.parametrize("action", [["now"], ["pull"], ["status"], ["pending"]])
    def test_neither(
        self, cli: Cli, laptop: Device, monkeypatch: pytest.MonkeyPatch, action: list[str]
    ) -> None:
        """A word that is neither is an error that names the variable, and sync stays off."""
        monkeypatch.setenv("CLANKERS_SYNC_ENABLED", "maybe")
        failed = cli("sync", *action)
        assert failed.code == 1
        assert "CLANKERS_SYNC_ENABLED must be one of" in failed.err


class TestStatus:
    def test_without_an_endpoint(self, cli: Cli) -> None:
        """Sync is off, which is no error, and how to turn it on is said; no database is needed."""
        assert cli("sync", "status") == (
            0,
            (
                "sync is off: the profile 'default' has no endpoint\n"
                "'clankers-cli config set endpoint https://...' names a server,"
                " 'clankers-cli config set sync_enabled true' has the daemon sync with it\n"
            ),
            "",
        )
        found = seen(cli)
        assert (found["state"], found["endpoint"], found["enabled"]) == ("disabled", None, False)

    def test_disabled(self, cli: Cli, laptop: Device, service: Service) -> None:
        """Where only sync_enabled is false, both ways on are shown."""
        cli("config", "set", "endpoint", service.url)
        assert seen(cli)["state"] == "disabled"
        assert cli("sync", "status").out.endswith(
            "\n'clankers-cli config set sync_enabled true' has the daemon sync;"
            " 'clankers-cli sync now' syncs once all the same\n"
        )

    def test_pending_and_idle(self, cli: Cli, laptop: Device, service: Service) -> None:
        """All there is to know: settings, times, and both sides by table."""
        cli("config", "set", "endpoint", service.url)
        cli("config", "set", "sync_enabled", "true")
        before = cli("sync", "status").out
        assert "\nstate       pending\nlast sync   never\nlast pull   never\n" in before
        assert "\nsessions                1         0          1       0          0\n" in before
        cli("sync", "now", "--pull")
        assert timeless(cli("sync", "status").out) == (
            "profile     default\n"
            f"endpoint    {service.url}\n"
            "enabled     yes\n"
            "state       idle\n"
            f"tenant      default on {service.url}\n"
            "last sync   TIME\n"
            "last pull   TIME\n"
            "\n"
            "table                here    server    pending    held    refused\n"
            "-----------------  ------  --------  ---------  ------  ---------\n"
            "sessions                1         1          0       0          0\n"
            "messages                2         2          0       0          0\n"
            "tools                   0         0          0       0          0\n"
            "session_errors          0         0          0       0          0\n"
            "compaction_events       0         0          0       0          0\n"
            "usage                   0         0          0       0          0\n"
            "deletes                 -         -          0       0          0\n"
        )

    @pytest.fixture(params=["sqlite", "turso"])
    def either(
        self,
        cli: Cli,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        request: pytest.FixtureRequest,
    ) -> Iterator[Service]:
        """A service on either backend, with the profile signed in to a tenant of its own."""
        folder = tmp_path / "tokens"
        where: tuple[str, ...] = ("--auth", "token")
        if request.param == "turso":
            server: Sqld = request.getfixturevalue("sqld")
            monkeypatch.setenv("CLANKERS_SERVER_LIBSQL_ADMIN_KEY", server.key)
            where = (*where, *server.options)
        make = ("tokens", "create", "--name", "laptop", "--tenant", "of-sync-status")
        token = cli(*make, "--data", folder, *where).out.strip()
        with Service(folder, *where) as running:
            cli("config", "set", "endpoint", running.url)
            cli("config", "set", "token", token)
            cli("config", "set", "auth", "token")
            yield running

    def test_json(self, cli: Cli, laptop: Device, either: Service) -> None:
        """A script reads the same, whatever the server keeps its tenants in."""
        cli("config", "set", "sync_enabled", "true")
        cli("sync", "now")
        write(laptop, Message("m3", "s1", created_at=AT, role="user"))
        found, url = seen(cli), either.url
        assert found.pop("last_sync") > 1_790_000_000_000
        nothing = {"ready": 0, "held": 0, "aside": 0}
        assert found == {
            "profile": "default",
            "endpoint": url,
            "enabled": True,
            "state": "pending",
            "syncing_process": None,
            "origin": url,
            "tenant": "of-sync-status",
            "last_pull": None,
            "next_try": None,
            "last_error": None,
            "waiting": {
                "sessions": nothing,
                "messages": {"ready": 1, "held": 0, "aside": 0},
                "tools": nothing,
                "session_errors": nothing,
                "compaction_events": nothing,
                "usage": nothing,
                "deletes": nothing,
            },
            "local": {
                "sessions": 1,
                "messages": 3,
                "tools": 0,
                "session_errors": 0,
                "compaction_events": 0,
                "usage": 0,
            },
            "server": {
                "sessions": 1,
                "messages": 2,
                "tools": 0,
                "session_errors": 0,
                "compaction_events": 0,
                "usage": 0,
            },
            "server_problem": None,
        }

    def test_offline(self, cli: Cli, laptop: Device, service: Service) -> None:
        """The server is not asked, and its side is unknown."""
        cli("config", "set", "endpoint", service.url)
        found = seen(cli, "--offline")
        assert (found["server"], found["server_problem"]) == (None, None)
        assert found["local"]["messages"] == 2
        assert "/sync/" not in service.log()

    def test_server_does_not_answer(self, cli: Cli, laptop: Device, service: Service) -> None:
        """What is known here is shown all the same, and that is no error."""
        cli("config", "set", "endpoint", service.url)
        cli("config", "set", "sync_enabled", "true")
        service.stop()
        shown = cli("sync", "status")
        assert (shown.code, shown.err) == (0, "")
        assert "\nstate       pending\n" in shown.out
        assert f"\nserver      {service.url}/sync/status does not answer: " in shown.out
        assert "\nmessages                2  -                 2       0          0\n" in shown.out

    def test_error(self, cli: Cli, laptop: Device, service: Service) -> None:
        """What went wrong last is kept until a sync succeeds."""
        cli("config", "set", "endpoint", service.url)
        service.stop()
        cli("sync", "now")
        found = seen(cli, "--offline")
        assert found["state"] == "error"
        assert found["last_error"].startswith(f"{service.url}/sync/status does not answer")
        service.start()
        cli("config", "set", "sync_enabled", "true")
        cli("sync", "now")
        found = seen(cli, "--offline")
        assert (found["state"], found["last_error"]) == ("idle", None)

    def test_waiting(self, cli: Cli, laptop: Device, service: Service) -> None:
        """While a next try is planned it is said when, and that it can be had now."""
        cli("config", "set", "endpoint", service.url)
        service.stop()
        cli("sync", "now")
        later = (time.time_ns() // 1_000_000) + 240_000
        with laptop.store() as store:
            store.connection.execute("UPDATE sync_core SET next_try = ?", (later,))
        found = seen(cli)
        assert (found["state"], found["next_try"]) == ("waiting", later)
        shown = timeless(cli("sync", "status").out)
        assert "\nstate       waiting until TIME\n" in shown
        assert "\nnext try    TIME\n" in shown
        assert shown.endswith("\n'clankers-cli sync now' tries it now\n")

    def test_syncing(self, cli: Cli, laptop: Device) -> None:
        """Another process that is at it is named; a second one does not get in its way."""
        cli("config", "set", "endpoint", "http://127.0.0.1:9")
        with hanging(laptop, "sync", "now") as process:
            found = seen(cli, "--offline")
            assert (found["state"], found["syncing_process"]) == ("syncing", process)
            shown = cli("sync", "status", "--offline").out
            assert f"\nstate       syncing by process {process}\n" in shown
            busy = cli("sync", "now")
            assert busy.code == 1
            assert f"is being synced by process {process}\n" in busy.err
        assert seen(cli, "--offline")["syncing_process"] is None

    def test_of_a_hostile_server(self, cli: Cli, laptop: Device) -> None:
        """Nothing that a server says is obeyed by the terminal."""
        error = {"code": "x", "message": "\x1b]52;c;AAAA\x07\u202e", "details": {}}
        with Answering(lambda _asked: Answer(401, {"error": error})) as server:
            cli("config", "set", "endpoint", server.url)
            cli("sync", "now")
            shown = cli("sync", "status").out
        assert r"\x1b]52;c;AAAA\x07\u202e" in shown
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)


class TestSigningIn:
    @pytest.fixture
    def token_of(self, cli: Cli, tmp_path: Path) -> Callable[[str], str]:
        def make(tenant: str) -> str:
            made = cli(
                *("tokens", "create", "--name", "x", "--tenant", tenant),
                *("--data", tmp_path / "tokens"),
            )
            return made.out.strip()

        return make

    @pytest.fixture
    def guarded(self, tmp_path: Path) -> Iterator[Service]:
        with Service(tmp_path / "tokens", "--auth", "token") as running:
            yield running

    def sign_in(self, cli: Cli, service: Service, token: str) -> None:
        cli("config", "set", "endpoint", service.url)
        cli("config", "set", "token", token)
        cli("config", "set", "auth", "token")

    def test_unauthorized(
        self, cli: Cli, laptop: Device, guarded: Service, token_of: Callable[[str], str]
    ) -> None:
        """A token that is not known there is said to be that, until another one gets in."""
        unknown = cli("token", "generate").out.strip()
        self.sign_in(cli, guarded, unknown)
        failed = cli("sync", "now")
        assert failed.code == 1
        assert "answers 401 unauthorized" in failed.err
        assert "hint: 'clankers-cli token set' sets another token for this server" in failed.err
        assert unknown not in failed.err
        assert seen(cli)["state"] == "unauthorized"
        shown = cli("sync", "status").out
        assert shown.endswith("\n'clankers-cli token set' sets another token for this server\n")
        assert unknown not in shown
        self.sign_in(cli, guarded, token_of("ada"))
        assert cli("sync", "now").out.startswith("sent 3 rows")
        assert seen(cli)["state"] == "disabled"

    def test_no_token(self, cli: Cli, laptop: Device, guarded: Service) -> None:
        """Without a token the server is not asked, what is here is shown, and waits."""
        cli("config", "set", "endpoint", guarded.url)
        cli("config", "set", "auth", "token")
        assert "has auth=token and no token" in cli("sync", "now").err
        found = seen(cli)
        assert found["state"] == "unauthorized"
        assert found["server_problem"] == "the profile 'default' has auth=token and no token"
        assert found["local"]["messages"] == 2
        assert "\nmessages                   2       0          0\n" in cli("sync", "pending").out
        assert "/sync/" not in guarded.log()

    def test_another_tenant(
        self, cli: Cli, laptop: Device, guarded: Service, token_of: Callable[[str], str]
    ) -> None:
        """A database goes to one tenant only, and to another by an explicit move."""
        self.sign_in(cli, guarded, token_of("ada"))
        cli("sync", "now")
        self.sign_in(cli, guarded, token_of("bob"))
        failed = cli("sync", "now")
        assert failed.code == 1
        assert f"syncs to 'ada' on {guarded.url}, and this is 'bob'" in failed.err
        assert "'clankers-cli sync reset --move'" in failed.err
        found = seen(cli)
        assert (found["state"], found["tenant"]) == ("error", "ada")
        assert set(found["server"].values()) == {0}
        assert cli("sync", "reset", "--move", "--yes").code == 0
        assert cli("sync", "now").out.startswith("sent 3 rows")
        assert seen(cli)["tenant"] == "bob"
        assert set(stored(guarded, "messages", "bob")) == {"m1", "m2"}
        assert set(stored(guarded, "messages", "ada")) == {"m1", "m2"}

    def test_another_server(
        self, cli: Cli, laptop: Device, service: Service, tmp_path: Path
    ) -> None:
        """The same holds for the server: not a row leaves before the move."""
        cli("config", "set", "endpoint", service.url)
        cli("sync", "now")
        with Service(tmp_path / "other") as other:
            cli("config", "set", "endpoint", other.url)
            assert cli("sync", "now").code == 1
            assert seen(cli)["state"] == "error"
            assert total(other) == 0
            assert cli("sync", "reset", "--yes").code == 0
            assert cli("sync", "now").code == 1, "a reset alone is no move"
            cli("sync", "reset", "--move", "--yes")
            assert cli("sync", "now").out.startswith("sent 3 rows")
            assert total(other) == 3


class TestPending:
    def test_counts(self, cli: Cli, laptop: Device, service: Service) -> None:
        """By table what waits, is held back, and was refused; refused rows with the reason."""
        write(
            laptop,
            Session("s2", created_at=AT, project_path="/home/ada/secret"),
            Message("m3", "s1", created_at=SECONDS, role="user"),
        )
        cli("config", "set", "endpoint", service.url)
        cli("config", "set", "exclude", "/home/ada/secret")
        cli("sync", "now")
        write(laptop, Message("m4", "s1", created_at=AT, role="user"))
        assert cli("sync", "pending") == (
            0,
            (
                "table                pending    held    refused\n"
                "-----------------  ---------  ------  ---------\n"
                "sessions                   0       1          0\n"
                "messages                   1       0          1\n"
                "tools                      0       0          0\n"
                "session_errors             0       0          0\n"
                "compaction_events          0       0          0\n"
                "usage                      0       0          0\n"
                "deletes                    0       0          0\n"
                "\n"
                "table     id    code             tries  message\n"
                "--------  ----  -------------  -------  -------------------------------------\n"
                "messages  m3    invalid_field        1  created_at must be epoch milliseconds\n"
            ),
            "",
        )

    def test_json(self, cli: Cli, laptop: Device, service: Service) -> None:
        """A script reads the same."""
        write(laptop, Message("m3", "s1", created_at=SECONDS, role="user"))
        cli("config", "set", "endpoint", service.url)
        cli("sync", "now")
        found = json.loads(cli("sync", "pending", "--json").out)
        (refused,) = found["refused"]
        assert refused.pop("tried_at") > 1_790_000_000_000
        assert refused.pop("message").startswith("created_at ")
        assert refused == {"table": "messages", "id": "m3", "code": "invalid_field", "tries": 1}
        assert found["counts"]["messages"] == {"ready": 0, "held": 0, "aside": 1}

    def test_show_is_what_arrives(self, cli: Cli, laptop: Device, service: Service) -> None:
        """Every field and stamp that is shown is what the server has after the sync, and no other."""
        laptop.fill(60, 1)
        write(laptop, Message("s1m", "s1", created_at=AT, role="user", thinking=f"hm {SECRET}"))
        cli("config", "set", "endpoint", service.url)
        shown = cli("sync", "pending", "--show")
        assert (shown.code, shown.err) == (0, "")
        assert total(service) == 0
        lines = [json.loads(line) for line in shown.out.splitlines()]
        assert len(lines) == 64
        cli("sync", "now")
        arrived = service.get("/sync/changes?after=0&limit=500").json()["changes"]
        assert {(one["table"], one["id"]): (one["fields"], one["at"]) for one in arrived} == {
            (one["table"], one["record"]["id"]): unpacked(one["record"]) for one in lines
        }
        (thought,) = [one["record"] for one in lines if one["record"]["id"] == "s1m"]
        assert thought["thinking"] == "hm [redacted:github-token]"
        assert SECRET not in shown.out

    def test_show_a_change_and_a_delete(self, cli: Cli, laptop: Device, service: Service) -> None:
        """Of a row that is known there, only what changed; of a deleted one, its tombstone."""
        write(laptop, Session("s2", created_at=AT, title="to go"))
        cli("config", "set", "endpoint", service.url)
        cli("sync", "now")
        write(laptop, Session("s1", title="Ebb and flow"))
        cli("delete", "s2", "--yes")
        lines = [json.loads(line) for line in cli("sync", "pending", "--show").out.splitlines()]
        changed, deleted = lines
        assert changed["table"] == "sessions"
        assert changed["record"]["changes"]["title"] == "Ebb and flow"
        assert set(changed["record"]["changes"]) <= {"title", "created_at"}
        assert deleted["table"] == "deletes"
        assert (deleted["record"]["table"], deleted["record"]["id"]) == ("sessions", "s2")
        assert stored(service, "sessions")["s2"]["title"] == "to go"

    def test_limit(self, cli: Cli, laptop: Device) -> None:
        """At most so many are shown, and how many there are is said beside it; no server is asked."""
        cli("config", "set", "endpoint", "http://127.0.0.1:9")
        shown = cli("sync", "pending", "--show", "--limit", "2")
        assert shown.code == 0
        assert len(shown.out.splitlines()) == 2
        assert shown.err == "these are the next 2 of 3 that wait\n"
        assert cli("sync", "pending", "--show", "--limit", "0").code == 2

    def test_show_on_a_terminal(self, cli: Cli, laptop: Device) -> None:
        """What a terminal would obey is escaped, and stays the same JSON."""
        text = "\x1b[2J\x9b2J\u202ekcab"
        write(laptop, Message("m0", "s1", created_at=AT, role="user", text_content=text))
        cli("config", "set", "endpoint", "http://127.0.0.1:9")
        shown = cli("sync", "pending", "--show").out
        assert not {"\x1b", "\x9b", "\u202e"} & set(shown)
        records = [json.loads(line)["record"] for line in shown.splitlines()]
        assert [one["text_content"] for one in records if one["id"] == "m0"] == [text]

    def test_rules_of_the_profile(self, cli: Cli, laptop: Device) -> None:
        """What the rules keep here is not shown as if it left."""
        cli("config", "set", "endpoint", "http://127.0.0.1:9")
        cli("config", "set", "metrics_only", "true")
        shown = cli("sync", "pending", "--show").out
        assert len(shown.splitlines()) == 3
        assert not [word for word in ("Tide", "/home/ada", "grüße", SECRET) if word in shown]
        cli("config", "set", "exclude", "/home/ada")
        assert cli("sync", "pending", "--show").out == ""


def unpacked(record: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a record and the stamp of each, as a page of changes has them."""
    fields = {**record}
    del fields["id"]
    newest = [fields.pop(name) for name in ("changed_at", "device_id", "edition")]
    own = fields.pop("at", {})
    return fields, {name: own.get(name, newest) for name in fields}


class TestReset:
    def test_sends_everything_once_more(self, cli: Cli, laptop: Device, service: Service) -> None:
        """After a reset all rows wait again, and none comes twice."""
        cli("config", "set", "endpoint", service.url)
        cli("sync", "now")
        assert cli("sync", "reset", "--yes") == (
            0,
            "done: 'clankers-cli sync now' sends everything once more\n",
            "",
        )
        assert cli("sync", "now", "--dry-run").out.endswith("would send 3 rows\n")
        assert cli("sync", "now").out.startswith("sent 3 rows")
        assert total(service) == 3

    def test_nobody_to_ask(self, cli: Cli, laptop: Device, service: Service) -> None:
        """Without a person and without --yes nothing is changed."""
        cli("config", "set", "endpoint", service.url)
        cli("sync", "now")
        refused = cli("sync", "reset")
        assert (refused.code, refused.out) == (1, "")
        assert "nothing was changed: nobody is there to say yes" in refused.err
        assert cli("sync", "now", "--dry-run").out == "would send 0 rows\n"

    @pytest.mark.usefixtures("laptop")
    @pytest.mark.parametrize(("answer", "code", "waiting"), [("y", 0, 3), ("n", 1, 0), ("", 1, 0)])
    def test_asks(
        self,
        cli: Cli,
        service: Service,
        answer: str,
        code: int,
        waiting: int,
    ) -> None:
        """What it means is said before; everything but a yes changes nothing."""
        cli("config", "set", "endpoint", service.url)
        cli("sync", "now")
        found, screen = answered(answer, "sync", "reset", "--move")
        assert found == code
        assert "the next sync sends all 3 rows once more" in screen
        assert f"what 'default' on {service.url} has stays there" in screen
        dry = cli("sync", "now", "--dry-run").out
        assert dry.endswith(f"would send {waiting} rows\n")


class TestStricterRules:
    @pytest.fixture
    def sent(self, cli: Cli, laptop: Device, service: Service) -> Service:
        """A service that got all of it, without redaction."""
        cli("config", "set", "endpoint", service.url)
        assert cli("config", "set", "redaction", "false").err == ""
        cli("sync", "now")
        return service

    @pytest.mark.parametrize(
        "setting", [("metrics_only", "true"), ("exclude", "/home/ada/*", "/srv/*")]
    )
    def test_what_was_sent_stays(self, cli: Cli, sent: Service, setting: tuple[str, ...]) -> None:
        """It is said that the server keeps what it has, and how to take it back; so it does."""
        assert cli("config", "set", *setting) == (
            0,
            "",
            (
                "note: what was sent before stays on the server as it was; 'clankers-cli delete ID...'"
                " takes sessions back: with the next sync the server erases them, and they are gone"
                " here, too\n"
            ),
        )
        assert cli("config", "set", *setting).err == ""
        cli("sync", "now")
        assert stored(sent, "messages")["m1"]["text_content"] == "grüße 🚀"
        cli("delete", "s1", "--yes")
        cli("sync", "now")
        assert (stored(sent, "sessions"), stored(sent, "messages")) == ({}, {})

    def test_redaction_replaces(self, cli: Cli, sent: Service) -> None:
        """With redaction turned on, the next sync puts the clean form in the place of the other."""
        assert stored(sent, "messages")["m2"]["text_content"] == f"use {SECRET}!"
        said = cli("config", "set", "redaction", "true").err
        assert "until the next sync, which puts the redacted form in its place" in said
        assert cli("sync", "now").out.startswith("sent 1 row ")
        assert stored(sent, "messages")["m2"]["text_content"] == "use [redacted:github-token]!"

    @pytest.mark.parametrize(
        "setting", [("metrics_only", "false"), ("redaction", "false"), ("sync_interval", "60")]
    )
    def test_nothing_to_say(self, cli: Cli, sent: Service, setting: tuple[str, str]) -> None:
        """Looser rules and other settings need no word."""
        assert cli("config", "set", *setting) == (0, "", "")

    def test_unreadable_database(self, cli: Cli, laptop: Device) -> None:
        """The setting is made all the same."""
        laptop.database.write_bytes(b"no database")
        assert cli("config", "set", "metrics_only", "true") == (0, "", "")
        assert cli("config", "get", "metrics_only").out == "true\n"

    def test_nothing_was_sent(self, cli: Cli, laptop: Device) -> None:
        """Before the first sync there is nothing to take back."""
        cli("config", "set", "endpoint", "https://sync.example.com")
        assert cli("config", "set", "metrics_only", "true") == (0, "", "")
