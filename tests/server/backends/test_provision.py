"""Turso's API and its databases, as their documents say they answer."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from clankers.errors import BackendError, BackendUnavailableError, NoSuchTenantError
from clankers.server.backends import Database, Statement
from clankers.server.backends._provision import LibsqlAdmin, TursoPlatform
from clankers.server.backends._turso import TursoBackend, http_client
from server._answering import DROPPED, Answer, Answering, Asked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NAME = "ck-abcdefghijklmnopqrstuvwx"
DATABASES = "/v1/organizations/ada-inc/databases"
TOKENS = f"{DATABASES}/{NAME}/auth/tokens?expiration=14d&authorization=full-access"
HOST = f"{NAME}-ada-inc.turso.io"
FOUND = Answer(200, {"database": {"DbId": "0eb771dd", "Hostname": HOST, "Name": NAME}})
EXISTS = Answer(409, {"error": f"database with name [{NAME}] already exists"})
UNKNOWN = Answer(404, {"error": f"could not find database with name [{NAME}]"})
CELL = {"type": "integer", "value": "1"}
NOTHING: dict[str, Any] = {"cols": [], "rows": [], "affected_row_count": 0}
# BEGIN, SELECT 1, COMMIT; ROLLBACK did not have to run.
STEPS = [NOTHING, NOTHING | {"rows": [[CELL]]}, NOTHING, None]
BATCH = {"type": "batch", "result": {"step_results": STEPS, "step_errors": [None] * 4}}
ROWS = Answer(
    200,
    {
        "baton": None,
        "base_url": None,
        "results": [
            {"type": "ok", "response": BATCH},
            {"type": "ok", "response": {"type": "close"}},
        ],
    },
)
ONE = [Statement("SELECT 1")]


def serving(*answers: tuple[str, Answer]) -> Callable[[Asked], Answer]:
    """Answers by method and path; several for one are given in turn, the last for ever."""
    waiting: dict[str, list[Answer]] = {}
    for line, answer in answers:
        waiting.setdefault(line, []).append(answer)

    def give(asked: Asked) -> Answer:
        found = waiting[asked.line]
        return found.pop(0) if len(found) > 1 else found[0]

    return give


def use(server: Answering, act: Callable[[TursoBackend, Database], Awaitable[Any]]) -> Any:
    """Runs something on a backend whose Turso, and whose database, is `server`."""

    async def run() -> Any:
        client = http_client()
        platform = TursoPlatform(
            client, organization="ada-inc", group="eu", api_token="platform-secret", url=server.url
        )
        backend = TursoBackend(client, platform)
        try:
            return await act(backend, Database(NAME, server.url))
        finally:
            await backend.close()

    return asyncio.run(run())


async def create(backend: TursoBackend, _database: Database) -> Database:
    return await backend.create(NAME)


async def drop(backend: TursoBackend, database: Database) -> None:
    await backend.drop(database)


async def ping(backend: TursoBackend, _database: Database) -> None:
    await backend.ping()


async def read(backend: TursoBackend, database: Database) -> Any:
    return await backend.read(database, ONE)


async def write(backend: TursoBackend, database: Database) -> Any:
    return await backend.write(database, ONE)


class TestDatabases:
    def test_create(self) -> None:
        """A database is made in the group, and is reached at the host that Turso named."""
        with Answering(serving((f"POST {DATABASES}", FOUND))) as turso:
            assert use(turso, create) == Database(NAME, f"https://{HOST}")
        (asked,) = turso.asked
        assert asked.json() == {"name": NAME, "group": "eu"}
        assert asked.headers["authorization"] == "Bearer platform-secret"
        assert asked.headers["content-type"] == "application/json"

    def test_create_what_is_there(self) -> None:
        """One that exists already is asked for its host."""
        answers = serving((f"POST {DATABASES}", EXISTS), (f"GET {DATABASES}/{NAME}", FOUND))
        with Answering(answers) as turso:
            assert use(turso, create) == Database(NAME, f"https://{HOST}")
        assert turso.lines == [f"POST {DATABASES}", f"GET {DATABASES}/{NAME}"]
        assert turso.asked[1].headers["authorization"] == "Bearer platform-secret"

    @pytest.mark.parametrize("found", [Answer(200), UNKNOWN])
    def test_drop(self, found: Answer) -> None:
        """Deleting is fine whether or not there is one."""
        with Answering(serving((f"DELETE {DATABASES}/{NAME}", found))) as turso:
            use(turso, drop)
        assert turso.lines == [f"DELETE {DATABASES}/{NAME}"]

    def test_ping(self) -> None:
        """It asks with the key that databases are made with."""
        with Answering(serving((f"GET {DATABASES}", Answer(200, {"databases": []})))) as turso:
            use(turso, ping)
        assert turso.asked[0].headers["authorization"] == "Bearer platform-secret"

    @pytest.mark.parametrize(
        ("status", "is_passing"),
        [(400, False), (401, False), (403, False), (429, True), (500, True), (503, True)],
    )
    @pytest.mark.parametrize("act", [create, ping, drop])
    def test_refusal(
        self,
        act: Callable[[TursoBackend, Database], Awaitable[Any]],
        status: int,
        *,
        is_passing: bool,
    ) -> None:
        """Too many requests and trouble on the other side pass; the rest is for the operator."""
        refused = Answer(status, {"error": "group not found"})
        with Answering(lambda _asked: refused) as turso, pytest.raises(BackendError) as found:
            use(turso, act)
        assert isinstance(found.value, BackendUnavailableError) is is_passing
        assert str(found.value) == f'127.0.0.1 answered {status}: {{"error": "group not found"}}'
        assert "secret" not in str(found.value)

    @pytest.mark.parametrize("body", [b"<html>", {}, [], {"database": None}, {"database": {}}])
    def test_answer_without_a_host(self, body: Any) -> None:
        """What names no host is a BackendError."""
        with (
            Answering(serving((f"POST {DATABASES}", Answer(200, body)))) as turso,
            pytest.raises(BackendError),
        ):
            use(turso, create)

    def test_nobody_answers(self) -> None:
        """A Turso that cannot be reached is a BackendUnavailableError."""
        with Answering(serving()) as turso:
            pass
        with pytest.raises(BackendUnavailableError):
            use(turso, create)


class TestTokens:
    def test_one_token_for_many_requests(self) -> None:
        """A token of two weeks is made once, however many ask at the same time."""

        async def many(backend: TursoBackend, database: Database) -> Any:
            return await asyncio.gather(*(backend.read(database, ONE) for _one in range(5)))

        answers = serving(
            (f"POST {TOKENS}", Answer(200, {"jwt": "t1"})), ("POST /v3/pipeline", ROWS)
        )
        with Answering(answers) as turso:
            assert use(turso, many) == [[[(1,)]]] * 5
        assert turso.lines == [f"POST {TOKENS}", *["POST /v3/pipeline"] * 5]
        assert turso.asked[0].headers["authorization"] == "Bearer platform-secret"
        assert {asked.headers["authorization"] for asked in turso.asked[1:]} == {"Bearer t1"}

    @pytest.mark.parametrize("act", [read, write])
    def test_expired(self, act: Callable[[TursoBackend, Database], Awaitable[Any]]) -> None:
        """A token that the database refuses is made anew once, and the request repeated."""
        answers = serving(
            (f"POST {TOKENS}", Answer(200, {"jwt": "old"})),
            (f"POST {TOKENS}", Answer(200, {"jwt": "new"})),
            ("POST /v3/pipeline", Answer(401, {"error": "The JWT has expired"})),
            ("POST /v3/pipeline", ROWS),
        )
        with Answering(answers) as turso:
            assert use(turso, act) == [[(1,)]]
        assert turso.lines == [f"POST {TOKENS}", "POST /v3/pipeline"] * 2
        assert turso.asked[1].headers["authorization"] == "Bearer old"
        assert turso.asked[3].headers["authorization"] == "Bearer new"

    def test_refused_for_good(self) -> None:
        """Where the new token is refused as well, that is the end: no third try."""
        answers = serving(
            (f"POST {TOKENS}", Answer(200, {"jwt": "t"})),
            ("POST /v3/pipeline", Answer(401, {"error": "no"})),
        )
        with Answering(answers) as turso, pytest.raises(BackendError) as found:
            use(turso, read)
        assert not isinstance(found.value, BackendUnavailableError)
        assert turso.lines == [f"POST {TOKENS}", "POST /v3/pipeline"] * 2

    def test_unknown_database(self) -> None:
        """A database that Turso does not know is a tenant that is not there."""
        with (
            Answering(serving((f"POST {TOKENS}", UNKNOWN))) as turso,
            pytest.raises(NoSuchTenantError),
        ):
            use(turso, read)

    @pytest.mark.parametrize("body", [b"<html>", {}, [], {"jwt": None}])
    def test_answer_without_a_token(self, body: Any) -> None:
        """What holds no token is a BackendError, and no request is sent without one."""
        answers = serving((f"POST {TOKENS}", Answer(200, body)), ("POST /v3/pipeline", ROWS))
        with Answering(answers) as turso, pytest.raises(BackendError):
            use(turso, read)
        assert "POST /v3/pipeline" not in turso.lines


class TestStatements:
    def test_one_request(self) -> None:
        """A transaction is one request that closes its stream, and begins as a writer or a reader."""
        answers = serving(
            (f"POST {TOKENS}", Answer(200, {"jwt": "t"})), ("POST /v3/pipeline", ROWS)
        )

        async def both(backend: TursoBackend, database: Database) -> None:
            await backend.write(database, [Statement("SELECT ?", (9_007_199_254_740_993,))])
            await backend.read(database, ONE)

        with Answering(answers) as turso:
            use(turso, both)
        written, only_read = (asked.json() for asked in turso.asked[1:])
        assert written == {
            "baton": None,
            "requests": [
                {
                    "type": "batch",
                    "batch": {
                        "steps": [
                            {"stmt": {"sql": "BEGIN IMMEDIATE", "want_rows": False}},
                            {
                                "stmt": {
                                    "sql": "SELECT ?",
                                    "args": [{"type": "integer", "value": "9007199254740993"}],
                                },
                                "condition": {"type": "ok", "step": 0},
                            },
                            {
                                "stmt": {"sql": "COMMIT", "args": []},
                                "condition": {"type": "ok", "step": 1},
                            },
                            {
                                "stmt": {"sql": "ROLLBACK"},
                                "condition": {"type": "not", "cond": {"type": "ok", "step": 2}},
                            },
                        ]
                    },
                },
                {"type": "close"},
            ],
        }
        assert only_read["requests"][0]["batch"]["steps"][0]["stmt"]["sql"] == "BEGIN"

    @pytest.mark.parametrize("failed", [DROPPED, Answer(500, "oops"), Answer(502, "bad gateway")])
    def test_write_is_not_repeated(self, failed: Answer) -> None:
        """A write that may have happened is sent once, and its error says that it is unknown."""
        with answering(failed, ROWS) as turso, pytest.raises(BackendUnavailableError) as found:
            use(turso, write)
        assert found.value.is_unknown
        assert turso.lines == [f"POST {TOKENS}", "POST /v3/pipeline"]

    def test_write_that_never_began(self) -> None:
        """A write that was turned away is sent again."""
        with answering(Answer(429, "slow down"), ROWS) as turso:
            assert use(turso, write) == [[(1,)]]
        assert turso.lines == [f"POST {TOKENS}", *["POST /v3/pipeline"] * 2]

    @pytest.mark.parametrize("failed", [DROPPED, Answer(500, "oops"), Answer(429, "slow down")])
    def test_read_is_repeated(self, failed: Answer) -> None:
        """A read is sent again, whatever became of it."""
        with answering(failed, failed, ROWS) as turso:
            assert use(turso, read) == [[(1,)]]
        assert turso.lines == [f"POST {TOKENS}", *["POST /v3/pipeline"] * 3]

    def test_three_tries(self) -> None:
        """After the third failure a read is a BackendUnavailableError."""
        with answering(DROPPED) as turso, pytest.raises(BackendUnavailableError):
            use(turso, read)
        assert turso.lines == [f"POST {TOKENS}", *["POST /v3/pipeline"] * 3]

    @pytest.mark.parametrize(
        "problem",
        [
            {"code": "SQLITE_BUSY", "message": "database is locked"},
            {"code": "TRANSACTION_TIMEOUT", "message": "interactive transaction timed out"},
        ],
    )
    def test_busy_write_is_repeated(self, problem: dict[str, str]) -> None:
        """A transaction that found no lock has rolled back, and is tried again."""
        found = {"step_results": [None] * 4, "step_errors": [problem, None, None, None]}
        batch = {"type": "ok", "response": {"type": "batch", "result": found}}
        with answering(Answer(200, {"results": [batch]}), ROWS) as turso:
            assert use(turso, write) == [[(1,)]]

    @pytest.mark.parametrize(
        "body",
        [b"<html>", [], {}, {"results": []}, {"results": [{"type": "ok"}]}, {"results": [7]}],
    )
    def test_answer_of_another_form(self, body: Any) -> None:
        """What cannot be understood is a write that may have happened."""
        with answering(Answer(200, body)) as turso, pytest.raises(BackendUnavailableError) as found:
            use(turso, write)
        assert found.value.is_unknown
        assert turso.lines == [f"POST {TOKENS}", "POST /v3/pipeline"]

    def test_redirect_is_not_followed(self) -> None:
        """A database that sends one elsewhere is not obeyed: the token stays with it."""
        with (
            Answering(serving()) as other,
            answering(Answer(307, "", (("location", f"{other.url}/v3/pipeline"),))) as turso,
            pytest.raises(BackendError),
        ):
            use(turso, write)
        assert other.asked == []


def answering(*answers: Answer) -> Answering:
    """A Turso whose database gives these answers in turn."""
    pipeline = [("POST /v3/pipeline", answer) for answer in answers]
    return Answering(serving((f"POST {TOKENS}", Answer(200, {"jwt": "t"})), *pipeline))


def test_proxy_and_netrc_are_left_alone(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the user's proxy nor a password of a netrc file has a part in it."""
    (home / ".netrc").write_text("machine 127.0.0.1 login ada password secret\n")
    with Answering(serving()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        with answering(ROWS) as turso:
            assert use(turso, read) == [[(1,)]]
    assert proxy.asked == []
    assert turso.asked[1].headers["authorization"] == "Bearer t"


def test_libsql_server_that_is_away() -> None:
    """A server of one's own that does not answer: the write certainly never began."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"

        async def run() -> None:
            client = http_client()
            backend = TursoBackend(client, LibsqlAdmin(client, url=url, admin_url=url))
            with pytest.raises(BackendUnavailableError) as found:
                await backend.write(Database(NAME, url), ONE)
            assert not found.value.is_unknown
            for act in (backend.create(NAME), backend.ping()):
                with pytest.raises(BackendUnavailableError):
                    await act
            await backend.close()

        asyncio.run(run())


def test_libsql_server_with_a_wrong_key(sqld: Any) -> None:
    """A key that the server does not take is the operator's to correct."""

    async def run() -> None:
        client = http_client()
        admin = LibsqlAdmin(client, url=sqld.url, admin_url=sqld.admin_url, admin_key="wrong")
        with pytest.raises(BackendError) as found:
            await admin.create(NAME)
        assert not isinstance(found.value, BackendUnavailableError)
        await client.aclose()

    asyncio.run(run())
