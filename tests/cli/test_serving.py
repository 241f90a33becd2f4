"""The commands of whoever runs a web service, and of whoever uses one."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from server._answering import Answer, Answering
from server._running import Service
from server.conftest import sqld  # noqa: F401 - a fixture

from clankers.errors import ServerError
from clankers.server import Operator, Settings
from cli._person import answered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from server._running import Sqld

    from cli.conftest import Cli, Outcome

TOKEN = "clk_0123456789ABCDEFGHIJKLMNOPQRSTUV4SdKNX"
OFFER = {
    "name": "team",
    "endpoint": "https://sync.example.com",
    "auth": "token",
    "token": TOKEN,
}
BATCH = {
    "batch_id": "b1",
    "device_id": "laptop",
    "sessions": [
        {"id": "s1", "title": "A first session", "changed_at": 1_760_000_000_000},
        {"id": "s2", "title": "Zweite Sitzung", "changed_at": 1_760_000_000_001},
        {"id": "s3", "title": "Gone", "changed_at": 1_760_000_000_002},
    ],
    "messages": [
        {
            "id": f"m{number}",
            "session_id": "s1",
            "role": "user",
            "text_content": text,
            "changed_at": 1_760_000_000_010 + number,
        }
        for number, text in enumerate(["the kingfisher dives", "Müller misst Café", "plain words"])
    ],
}
DELETES = {
    "batch_id": "b2",
    "device_id": "laptop",
    "deletes": [
        {
            "table": "sessions",
            "id": "s3",
            "changed_at": 1_760_000_000_100,
            "device_id": "laptop",
            "edition": 0,
            "purge": False,
        }
    ],
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


@pytest.fixture
def on(cli: Cli, data: Path) -> Callable[..., Outcome]:
    """Runs a command on the databases in `data`."""

    def run(*argv: str | Path) -> Outcome:
        return cli(*argv, "--data", data)

    return run


def run_program(*argv: str | Path, given: str = "", code: str = "") -> Outcome:
    """Runs the program in a process of its own, with something in a pipe."""
    program = ["-c", code] if code else ["-m", "clankers_cli"]
    done = subprocess.run(
        [sys.executable, *program, *map(str, argv)],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)  # type: ignore[return-value]


class Done(NamedTuple):
    code: int
    out: str
    err: str


class TestTokens:
    def test_create(self, on: Callable[..., Outcome]) -> None:
        """The token alone is on stdout; what it is for is told beside it, without the secret."""
        made = on("tokens", "create", "--name", "laptop")
        token = made.out.rstrip("\n")
        tenant = hashlib.sha256(token.encode()).hexdigest()[:16]
        assert (made.code, len(token)) == (0, 42)
        assert f"for tenant {tenant}: read write; the token is shown only now\n" in made.err
        assert token not in made.err

    def test_create_with_all(self, on: Callable[..., Outcome]) -> None:
        """Tenant, scopes and end are as they were asked for."""
        made = on(
            *("tokens", "create", "--json", "--name", "ci", "--tenant", "team"),
            *("--scope", "write", "--scope", "read", "--expires", "90d"),
        )
        found = json.loads(made.out)
        assert found["token"].startswith("clk_")
        assert (found["tenant"], found["name"], found["scopes"]) == (
            "team",
            "ci",
            ["read", "write"],
        )
        assert found["expires_at"] - found["created_at"] == pytest.approx(7_776_000_000, abs=1_000)

    @pytest.mark.parametrize("expires", ["0d", "0h", "90", "-1d", "1y", "d"])
    def test_end_that_is_none(self, on: Callable[..., Outcome], expires: str) -> None:
        """An end that is none, or now, is refused, and no token is made."""
        made = on("tokens", "create", "--name", "x", f"--expires={expires}")
        assert (made.code, made.out) == (1, "")
        assert on("tokens", "list", "--json").out == "[]\n"

    def test_list(self, on: Callable[..., Outcome]) -> None:
        """All tokens or those of one tenant, in a table or as JSON, and never the secrets."""
        assert on("tokens", "list").out == "no tokens; 'tokens create' issues one\n"
        secrets = [
            on("tokens", "create", "--name", name, "--tenant", tenant).out.strip()
            for name, tenant in (("laptop", "one"), ("desktop", "two"))
        ]
        listed = on("tokens", "list", "--json").out
        assert [(one["name"], one["tenant"]) for one in json.loads(listed)] == [
            ("laptop", "one"),
            ("desktop", "two"),
        ]
        table = on("tokens", "list", "--tenant", "two").out
        assert "desktop" in table
        assert "laptop" not in table
        assert not [one for one in secrets if one in listed + on("tokens", "list").out]

    def test_revoke(self, on: Callable[..., Outcome]) -> None:
        """A token is revoked by its id, once, and is listed as revoked from then on."""
        on("tokens", "create", "--name", "laptop")
        (listed,) = json.loads(on("tokens", "list", "--json").out)
        assert on("tokens", "revoke", listed["id"]).out == f"revoked {listed['id']}, laptop\n"
        assert "revoked" in on("tokens", "list").out
        again = on("tokens", "revoke", listed["id"])
        assert (again.code, again.out) == (1, "")
        assert f"there is no token '{listed['id']}' in use" in again.err

    def test_rotate(self, on: Callable[..., Outcome]) -> None:
        """A new token takes the old one's place, which ends after the grace."""
        on("tokens", "create", "--name", "laptop")
        (old,) = json.loads(on("tokens", "list", "--json").out)
        new = json.loads(on("tokens", "rotate", old["id"], "--grace", "1h", "--json").out)
        assert (new["tenant"], new["name"]) == (old["tenant"], "laptop")
        listed = {one["id"]: one for one in json.loads(on("tokens", "list", "--json").out)}
        assert listed[old["id"]]["revoked_at"] - new["created_at"] == pytest.approx(
            3_600_000, abs=2_000
        )
        assert listed[new["id"]]["revoked_at"] is None


class TestTenants:
    def test_create_and_list(self, on: Callable[..., Outcome]) -> None:
        """A tenant is made once, with a database whose name is its hash."""
        assert on("tenants", "list").out == "no tenants yet\n"
        made = on("tenants", "create", "default", "--name", "The first")
        assert made == (0, "made default as ck-g6uo5qoodfuh2ezp4kifdxfg\n", "")
        again = on("tenants", "create", "default")
        assert again.code == 1
        assert "there is a tenant 'default' already" in again.err
        (listed,) = json.loads(on("tenants", "list", "--json").out)
        assert listed["created_at"] > 1_760_000_000_000
        del listed["created_at"]
        assert listed == {
            "tenant": "default",
            "name": "The first",
            "database": "ck-g6uo5qoodfuh2ezp4kifdxfg",
            "retired_at": None,
        }

    def test_drop(self, on: Callable[..., Outcome], data: Path) -> None:
        """A tenant goes with its database and its tokens, but not where nobody can say yes."""
        on("tokens", "create", "--name", "laptop", "--tenant", "default")
        file = data / "tenants" / "g6" / "ck-g6uo5qoodfuh2ezp4kifdxfg.db"
        refused = on("tenants", "drop", "default")
        assert refused.code == 1
        assert "nothing was changed: nobody is there to say yes" in refused.err
        assert file.exists()
        assert on("tenants", "drop", "default", "--yes") == (0, "dropped default\n", "")
        assert not file.exists()
        assert on("tenants", "list", "--json").out == "[]\n"
        (token,) = json.loads(on("tokens", "list", "--json").out)
        assert token["revoked_at"] is not None
        assert on("tenants", "drop", "default", "--yes").code == 1

    @pytest.mark.parametrize(("answer", "code", "left"), [("yes", 0, 0), ("no", 1, 1), ("", 1, 1)])
    def test_drop_asks(
        self, on: Callable[..., Outcome], data: Path, answer: str, code: int, left: int
    ) -> None:
        """Only the whole word yes drops a tenant."""
        on("tenants", "create", "default")
        found, shown = answered(answer, "tenants", "drop", "default", "--data", data)
        assert found == code
        assert "delete all data of default, for good? type yes: " in shown
        assert len(json.loads(on("tenants", "list", "--json").out)) == left

    @pytest.mark.parametrize("action", ["restore", "export", "drop"])
    def test_unknown(self, on: Callable[..., Outcome], tmp_path: Path, action: str) -> None:
        """There is nothing to restore, export or drop of a tenant that never was."""
        options: dict[str, list[str | Path]] = {
            "export": [tmp_path / "x.db"],
            "drop": ["--yes"],
            "restore": [],
        }
        more = options[action]
        found = on("tenants", action, "nobody", *more)
        assert (found.code, found.out) == (1, "")
        assert "there is no tenant 'nobody'" in found.err
        assert not (tmp_path / "x.db").exists()

    def test_restore(self, on: Callable[..., Outcome], data: Path) -> None:
        """A tenant that its operator retired over HTTP is in use again, with its sessions."""
        boss = on("tokens", "create", "--name", "b", "--tenant", "t", "--scope", "operator").out
        token = on("tokens", "create", "--name", "l", "--tenant", "team").out.strip()
        with Service(data, "--auth", "token") as service:
            assert service.post("/sync/batch", BATCH, headers=bearer(token)).status_code == 200
            address = f"{service.url}/api/profiles/team"
            gone = service.http.delete(address, headers=bearer(boss.strip()), timeout=30)
            assert gone.status_code == 200
        assert "retired" in on("tenants", "list").out
        assert on("tenants", "restore", "team") == (0, "team is in use again\n", "")
        assert "retired" not in on("tenants", "list").out
        with Service(data, "--auth", "token") as service:
            assert held(service, token)["total_sessions"] == 3


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def held(service: Service, token: str) -> Any:
    found = service.get("/sync/status", headers=bearer(token)).json()
    del found["tenant"]
    return found


def changes(service: Service, token: str, path: str = "/sync/changes") -> Any:
    found = service.get(path, headers=bearer(token)).json()
    assert found.pop("clock") > 1_760_000_000_000
    return found


def searched(service: Service, token: str, words: str) -> list[str]:
    found = service.get("/api/search", params={"q": words}, headers=bearer(token)).json()
    return sorted(hit["id"] for hit in found["hits"])


class Filled(NamedTuple):
    """A tenant as a service showed it before its data went elsewhere."""

    token: str
    status: Any
    changes: Any


def fill(data: Path, on: Callable[..., Outcome], tenant: str) -> Filled:
    """Has a service store sessions, messages and a deleted session for a tenant."""
    token = on("tokens", "create", "--name", "laptop", "--tenant", tenant).out.strip()
    with Service(data, "--auth", "token") as service:
        for batch in (BATCH, DELETES):
            answer = service.post("/sync/batch", batch, headers=bearer(token))
            assert answer.status_code == 200
            assert answer.json()["rejected"] == []
        return Filled(token, held(service, token), changes(service, token))


def is_all_there(service: Service, token: str, filled: Filled) -> None:
    """Rows, revisions, tombstones, the store's name, its marks and the index are as they were."""
    assert held(service, token) == filled.status
    assert filled.status["counts"]["sessions"] == 2
    assert changes(service, token) == filled.changes
    assert searched(service, token, "kingfisher") == ["m0"]
    assert searched(service, token, "cafe") == ["m1"]
    assert searched(service, token, "muller") == ["m1"]
    marks = json.dumps([filled.changes["mark"]], separators=(",", ":"))
    path = f"/sync/changes?after=0&store={filled.changes['store']}&marks={marks}"
    assert changes(service, token, path) == filled.changes
    again = service.post("/sync/batch", BATCH, headers=bearer(token))
    assert again.json()["mark"][0] < filled.changes["mark"][0], "the stored answer was lost"


class TestMoving:
    def test_export_and_import(
        self, on: Callable[..., Outcome], cli: Cli, data: Path, tmp_path: Path
    ) -> None:
        """A tenant in a file, taken in by another service, is the one that it was."""
        filled = fill(data, on, "team")
        file = tmp_path / "team.db"
        written = on("tenants", "export", "team", file)
        assert (written.code, written.out) == (0, "team: 7 rows\n")
        assert file.stat().st_mode & 0o777 == 0o600
        assert sorted(path.name for path in tmp_path.glob("team.db*")) == ["team.db"]

        other = tmp_path / "other"
        taken = cli("tenants", "import", "crew", file, "--data", other)
        assert (taken.code, taken.out) == (0, "crew: 7 rows\n")
        made = cli("tokens", "create", "--name", "laptop", "--tenant", "crew", "--data", other)
        with Service(other, "--auth", "token") as service:
            is_all_there(service, made.out.strip(), filled)

    def test_export_never_overwrites(self, on: Callable[..., Outcome], tmp_path: Path) -> None:
        """A file that is there stays as it is."""
        on("tenants", "create", "team")
        file = tmp_path / "team.db"
        file.write_text("precious")
        found = on("tenants", "export", "team", file)
        assert found.code == 1
        assert f"{file} is there already" in found.err
        assert file.read_text() == "precious"

    def test_import_into_what_is_there(
        self, on: Callable[..., Outcome], data: Path, tmp_path: Path
    ) -> None:
        """A tenant with rows is not mixed with those of a file."""
        filled = fill(data, on, "team")
        on("tenants", "export", "team", tmp_path / "team.db")
        found = on("tenants", "import", "team", tmp_path / "team.db")
        assert found.code == 1
        assert "there is a tenant 'team' already" in found.err
        with Service(data, "--auth", "token") as service:
            is_all_there(service, filled.token, filled)

    @pytest.mark.parametrize(
        "content", [None, b"", b"no database", b"SQLite format 3\0" + b"x" * 99]
    )
    def test_import_of_something_else(
        self, on: Callable[..., Outcome], tmp_path: Path, content: bytes | None
    ) -> None:
        """What is no such file is refused and left as it is, and no tenant is made."""
        file = tmp_path / "team.db"
        if content is not None:
            file.write_bytes(content)
        found = on("tenants", "import", "team", file)
        assert (found.code, found.out) == (1, "")
        assert "unexpected" not in found.err
        assert (file.read_bytes() if file.exists() else None) == content
        assert on("tenants", "list", "--json").out == "[]\n"

    def test_migrate(
        self,
        on: Callable[..., Outcome],
        data: Path,
        tmp_path: Path,
        request: pytest.FixtureRequest,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """All tenants and tokens move to a libSQL server; once more, nothing is left to do."""
        server: Sqld = request.getfixturevalue("sqld")
        filled = fill(data, on, "moved")
        on("tenants", "create", "empty")
        monkeypatch.setenv("CLANKERS_SERVER_LIBSQL_ADMIN_KEY", server.key)
        where = ("--libsql-url", server.url, "--libsql-admin-url", server.admin_url)
        moved = on("tenants", "migrate", "--to", "turso", *where)
        assert moved == (
            0,
            "moved: 7 rows\nempty: 0 rows\n",
            "copied moved\ncopied empty\n",
        )
        assert on("tenants", "migrate", "--to", "turso", *where).out == "nothing was left to copy\n"
        elsewhere = tmp_path / "elsewhere"
        options = ("--auth", "token", *server.options)
        with Service(elsewhere, *options, variables=server.variables) as service:
            is_all_there(service, filled.token, filled)
        with Service(data, "--auth", "token") as service:
            is_all_there(service, filled.token, filled)


class TestToken:
    def test_set_from_a_pipe(self, cli: Cli) -> None:
        """The token is read from a pipe, and the profile signs in by it; it is not repeated."""
        cli("config", "set", "endpoint", "https://sync.example.com")
        done = run_program("token", "set", given=f"  {TOKEN}\n")
        assert done == (0, "", "kept for https://sync.example.com\n")
        assert cli("config", "get", "token").out == f"{TOKEN}\n"
        assert cli("config", "get", "auth").out == "token\n"

    def test_set_without_an_endpoint(self, cli: Cli) -> None:
        """Without an endpoint the token waits for the first one that is set."""
        done = run_program("token", "set", given=TOKEN)
        assert done.code == 0
        assert "it will go to the first endpoint that is set, and to no other" in done.err
        assert cli("config", "get", "token").out == f"{TOKEN}\n"

    def test_never_on_the_command_line(self, cli: Cli) -> None:
        """Other users could see it there: it is refused."""
        done = run_program("token", "set", TOKEN)
        assert done.code == 2
        assert cli("config", "get", "token").out == "\n"

    @pytest.mark.parametrize(
        "given", ["hunter2", TOKEN[:-1], TOKEN[:-1] + "Y", TOKEN.lower(), TOKEN + TOKEN]
    )
    def test_mistyped(self, cli: Cli, given: str) -> None:
        """A mistyped token changes nothing, and is not repeated in the error."""
        done = run_program("token", "set", given=given)
        assert (done.code, done.out) == (1, "")
        assert "this is no token, or one that was mistyped" in done.err
        assert given not in done.err
        assert cli("config", "get", "auth").out == "none\n"
        assert cli("config", "get", "token").out == "\n"

    @pytest.mark.parametrize("given", ["", "\n"])
    def test_none(self, cli: Cli, given: str) -> None:
        """Whoever gives nothing changes nothing."""
        done = run_program("token", "set", given=given)
        assert (done.code, done.out) == (1, "")
        assert "no token was given" in done.err
        assert cli("config", "get", "auth").out == "none\n"

    def test_generate(self, cli: Cli) -> None:
        """A new token each time, which can be set; nothing is kept."""
        one, other = (cli("token", "generate").out for _time in range(2))
        assert one != other
        assert cli("config", "get", "token").out == "\n"
        assert run_program("token", "set", given=one).code == 0


class TestProfiles:
    def test_from_a_file(self, cli: Cli, tmp_path: Path) -> None:
        """A profile is added as it stands, the active one stays, and the token is not shown."""
        added = cli("config", "profiles", "add", offer(tmp_path, OFFER), "--yes")
        assert added.code == 0
        assert TOKEN not in added.out + added.err
        assert "https://sync.example.com" in added.err
        listed = json.loads(cli("config", "profiles", "list", "--json").out)
        assert {one["name"]: one["active"] for one in listed} == {"default": True, "team": False}
        assert cli("config", "get", "endpoint").out == "\n"
        cli("config", "profiles", "use", "team")
        assert cli("config", "get", "endpoint").out == "https://sync.example.com\n"
        assert cli("config", "get", "token").out == f"{TOKEN}\n"
        assert cli("config", "get", "sync_enabled").out == "false\n"

    def test_from_an_address(self, cli: Cli, home: Path) -> None:
        """A service on this machine is asked, as it answers /api/profiles, without any password."""
        (home / ".netrc").write_text("default login ada password secret\n")
        answer = Answer(200, {"profile": OFFER, "tenant": "0123456789abcdef"})
        with Answering(lambda _asked: answer) as server:
            added = cli("config", "profiles", "add", f"{server.url}/offer.json", "--yes")
        assert added.code == 0
        assert server.lines == ["GET /offer.json"]
        assert "authorization" not in server.asked[0].headers
        cli("config", "profiles", "use", "team")
        assert cli("config", "get", "auth").out == "token\n"

    def test_redirect(self, cli: Cli) -> None:
        """An address that leads elsewhere is not followed."""
        with (
            Answering(lambda _asked: Answer(200, OFFER)) as other,
            Answering(lambda _asked: Answer(302, "", (("location", other.url),))) as server,
        ):
            refused = cli("config", "profiles", "add", server.url, "--yes")
        assert refused.code == 1
        assert other.asked == []

    @pytest.mark.parametrize(
        ("document", "said"),
        [
            ({**OFFER, "sync_enabled": True}, "wants to set 'sync_enabled'"),
            ({**OFFER, "db": "/tmp/x.db"}, "wants to set 'db'"),
            ({**OFFER, "redaction": False}, "wants to set 'redaction'"),
            ({**OFFER, "token_origin": "https://x.example"}, "wants to set 'token_origin'"),
            ({**OFFER, "endpoint": "http://sync.example.com"}, "a secret does not go over http"),
            ({**OFFER, "endpoint": "ftp://sync.example.com"}, "endpoint must be"),
            ({**OFFER, "endpoint": "https://a:b@sync.example.com"}, "endpoint must be"),
            ({**OFFER, "auth": "magic"}, "auth must be"),
            ({**OFFER, "token": TOKEN[:-1]}, "the token is damaged"),
            ({**OFFER, "name": ""}, "lacks 'name'"),
            ({**OFFER, "name": 7}, "name must be a text"),
            ({"name": "x", "endpoint": "https://x.example"}, "lacks 'auth'"),
            ({"profile": OFFER, "tenant": "t", "db": "x"}, "wants to set 'db'"),
            ([OFFER], "holds no profile"),
            ("{", "is no JSON"),
        ],
    )
    def test_refused(self, cli: Cli, tmp_path: Path, document: Any, said: str) -> None:
        """What says anything but where the server is and how to sign in is no profile at all."""
        refused = cli("config", "profiles", "add", offer(tmp_path, document), "--yes")
        assert refused.code == 1
        assert said in refused.err
        assert TOKEN not in refused.err
        listed = json.loads(cli("config", "profiles", "list", "--json").out)
        assert listed == [{"name": "default", "active": True}]

    def test_plain_http_to_another_machine(self, cli: Cli) -> None:
        """An offer is not even fetched over plain http from elsewhere."""
        refused = cli("config", "profiles", "add", "http://sync.example.com/offer.json", "--yes")
        assert refused.code == 1
        assert "a secret does not go over http to sync.example.com" in refused.err

    def test_nobody_to_ask(self, cli: Cli, tmp_path: Path) -> None:
        """Without a person and without --yes nothing is added."""
        refused = cli("config", "profiles", "add", offer(tmp_path, OFFER))
        assert refused.code == 1
        assert "nobody is there to say yes" in refused.err
        assert "team" not in cli("config", "profiles", "list").out

    @pytest.mark.parametrize(("answer", "code"), [("yes", 0), ("no", 1), ("y", 1)])
    def test_asks(self, cli: Cli, tmp_path: Path, answer: str, code: int) -> None:
        """What is offered is shown before the question, and only yes adds it."""
        found, shown = answered(answer, "config", "profiles", "add", offer(tmp_path, OFFER))
        assert found == code
        assert shown.index("https://sync.example.com") < shown.index("type yes: ")
        assert TOKEN not in shown
        assert ("team" in cli("config", "profiles", "list").out) is (code == 0)

    def test_name_that_is_taken(self, cli: Cli, tmp_path: Path) -> None:
        """A profile of that name is not changed."""
        cli("config", "profiles", "create", "team")
        refused = cli("config", "profiles", "add", offer(tmp_path, OFFER), "--yes")
        assert refused.code == 1
        cli("config", "profiles", "use", "team")
        assert cli("config", "get", "endpoint").out == "\n"


def offer(folder: Path, document: Any) -> Path:
    path = folder / "offer.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


class TestServe:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--auth", "workos"], "this version cannot check WorkOS sign-ins yet"),
            (["--host", "0.0.0.0"], "with auth none anybody who reaches 0.0.0.0 could read"),
            (["--host", "::"], "with auth none anybody who reaches :: could read"),
            (["--host", "sync.example.com"], "with auth none anybody who reaches sync.example.com"),
            (["--backend", "turso"], "the backend turso needs a database server"),
        ],
    )
    def test_refused(self, on: Callable[..., Outcome], options: list[str], said: str) -> None:
        """A setup that must not or cannot be run is refused with the reason, and a way out."""
        refused = on("serve", "--port", "0", *options)
        assert (refused.code, refused.out) == (1, "")
        assert said in refused.err
        assert "hint: " in refused.err

    def test_insecure(self, data: Path) -> None:
        """Who insists may listen on every address with auth none."""
        with Service(data, "--host", "0.0.0.0", "--insecure") as service:
            port = service.url.rpartition(":")[2]
            service.url = f"http://127.0.0.1:{port}"
            assert service.get("/health").json()["auth_mode"] == "none"

    @pytest.mark.parametrize(
        ("variable", "value", "rule"),
        [
            ("CLANKERS_SERVER_PORT", "http", "a number from 1 to 65,535"),
            ("CLANKERS_SERVER_PORT", "65536", "a number from 1 to 65,535"),
            ("CLANKERS_SERVER_AUTH", "basic", "one of none, token, workos"),
            ("CLANKERS_SERVER_BACKEND", "postgres", "one of sqlite, turso"),
            ("CLANKERS_SERVER_INSECURE", "maybe", "one of 1 true yes on 0 false no off"),
            ("CLANKERS_SERVER_OPEN_DATABASES", "0", "a number from 1 to 1,000,000"),
            ("CLANKERS_SERVER_LIMIT_API", "-1", "a number from 1 to 1,000,000,000,000"),
            ("CLANKERS_SERVER_LIMIT_BATCH_ROWS", "\u0661", "a number from 1 to 1,000,000,000,000"),
        ],
    )
    def test_wrong_variable(
        self,
        on: Callable[..., Outcome],
        monkeypatch: pytest.MonkeyPatch,
        variable: str,
        value: str,
        rule: str,
    ) -> None:
        """A variable that cannot be read is named, with what it may be."""
        monkeypatch.setenv(variable, value)
        refused = on("serve")
        assert refused.code == 1
        assert f"{variable} must be {rule}, not '{value}'" in refused.err
        assert f"hint: correct or unset {variable}" in refused.err

    def test_variables(self, data: Path) -> None:
        """Options win over variables, and variables over defaults."""
        variables = {
            "CLANKERS_SERVER_AUTH": "token",
            "CLANKERS_SERVER_DATA": "/nowhere/at/all",
            "CLANKERS_SERVER_PORT": "1",
        }
        with Service(data, variables=variables) as service:
            assert service.get("/health").json()["auth_mode"] == "token"

    @pytest.mark.parametrize("option", ["--turso-api-token", "--libsql-admin-key", "--token"])
    def test_no_secret_on_the_command_line(self, on: Callable[..., Outcome], option: str) -> None:
        """There is no option for a secret: other users could see it."""
        refused = on("serve", option, "secret")
        assert refused.code == 2

    @pytest.mark.parametrize(
        "command", [("serve",), ("tokens", "list"), ("tenants", "list")], ids=" ".join
    )
    @pytest.mark.parametrize("missing", ["litestar", "uvicorn", "httpx"])
    def test_without_the_extra(self, command: tuple[str, ...], missing: str) -> None:
        """Where the extra is not installed, that is said, with how to install it."""
        code = f"""
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == {missing!r} else found(name, *more)
from clankers_cli.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
        done = run_program(*command, code=code)
        assert (done.code, done.out) == (1, "")
        assert f"the web service needs {missing}, which is not installed" in done.err
        assert "hint: pip install 'clankers-sdk[server]'" in done.err


class TestStart:
    """What keeps a service from starting is one sentence, and what to do."""

    def test_a_port_that_is_taken(self, data: Path) -> None:
        with Service(data) as running:
            port = running.url.rpartition(":")[2]
            done = run_program("serve", "--data", data, "--port", port)
        assert (done.code, done.out) == (1, "")
        assert f"127.0.0.1 port {port} cannot be listened at: Address already in use" in done.err
        assert "hint: --port names another port" in done.err

    def test_a_database_server_that_is_not_there(self, data: Path) -> None:
        options = ("--backend", "turso", "--libsql-url", "http://127.0.0.1:9")
        done = run_program("serve", "--data", data, "--auth", "token", *options)
        assert done.code == 1
        assert "the databases cannot be reached: 127.0.0.1 cannot be reached" in done.err
        assert "Traceback" not in done.err

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--port", "70000"), "there is no port 70000"),
            (("--public-url", "nonsense"), "public_url must be an http:// or https:// address"),
            (("--allow-origin", "dash.example"), "allowed_origins must be an http://"),
            (("--allow-origin", "https://dash.example/"), "an origin has no path"),
            (("--trusted-proxy", "*"), "a trusted proxy is an address or a network, not '*'"),
        ],
    )
    def test_what_cannot_be_right(self, data: Path, options: tuple[str, str], said: str) -> None:
        done = run_program("serve", "--data", data, *options)
        assert (done.code, done.out) == (1, "")
        assert said in done.err


class TestOddities:
    def test_a_folder_that_is_not_there(self, cli: Cli, tmp_path: Path) -> None:
        """A mistyped folder is no empty service, and is not made."""
        for command in (("tokens", "list"), ("tenants", "list"), ("tenants", "export", "t", "f")):
            done = cli(*command, "--data", tmp_path / "typo")
            assert done.code == 1
            assert "there is no folder" in done.err
        assert not (tmp_path / "typo").exists()

    @pytest.mark.parametrize("name", ["", "a/../b", "Bad Name!", "-x", "x" * 101])
    def test_what_no_tenant_is_called(self, on: Callable[..., Outcome], name: str) -> None:
        done = on("tenants", "create", "--name=x", "--", name)
        assert done.code in (1, 2)
        assert on("tenants", "list", "--json").out == "[]\n"

    def test_a_tenants_file_is_no_archive(
        self, cli: Cli, on: Callable[..., Outcome], tmp_path: Path
    ) -> None:
        """It says what it is, and is left as it is."""
        on("tenants", "create", "team")
        on("tenants", "export", "team", tmp_path / "team.db")
        for command in (("usage",), ("import", "--sample")):
            done = cli("--db", tmp_path / "team.db", *command)
            assert done.code == 1
            assert "is a tenant of a web service" in done.err

    def test_moved_tenants_that_went_on(
        self, data: Path, on: Callable[..., Outcome], tmp_path: Path
    ) -> None:
        """What is at the target in another state is not passed over in silence."""
        fill(data, on, "team")
        other = tmp_path / "other"
        settings = Settings(data=data, auth="token")
        target = Settings(data=other, auth="token")
        assert set(Operator(settings).migrate(target)) == {"team"}
        assert Operator(settings).migrate(target) == {}
        token, _info = Operator(target).create_token("laptop", tenant="team")
        with Service(other, "--auth", "token") as service:
            headers = {"authorization": f"Bearer {token}"}
            batch = {"sessions": [{"id": "later", "title": "T"}]}
            assert service.post("/sync/batch", batch, headers=headers).status_code == 200
        with pytest.raises(ServerError, match="'team' is there already, in another state"):
            Operator(settings).migrate(target)
