"""A service from its start to its end: what it logs, counts and finishes."""

from __future__ import annotations

import json
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import requests

from clankers.server import Operator, Settings
from server._running import Service

if TYPE_CHECKING:
    from pathlib import Path

    import requests


def test_finishes_what_is_in_flight(tmp_path: Path) -> None:
    """SIGTERM lets a batch that is on its way be stored and answered; then it ends well."""
    rows = [
        {"id": f"m{n}", "session_id": "s", "text_content": f"text {n} " * 200} for n in range(4_000)
    ]
    answers: list[requests.Response] = []
    with Service(tmp_path / "served") as service:
        sending = threading.Thread(
            target=lambda: answers.append(service.post("/sync/batch", {"messages": rows}))
        )
        sending.start()
        deadline = time.monotonic() + 20
        while "clankers_requests_in_flight 2.0" not in service.get("/metrics").text:
            assert time.monotonic() < deadline
        service.process.send_signal(signal.SIGTERM)
        sending.join(timeout=30)
        assert service.process.wait(timeout=30) == 0
    assert answers[0].status_code == 200
    assert answers[0].json()["messages_synced"] == 4_000
    with Service(tmp_path / "served") as again:
        assert again.get("/sync/status").json()["total_messages"] == 4_000


def test_the_log_has_no_content(tmp_path: Path) -> None:
    """A line of JSON a request: no token, no id, no text, nothing that was searched for."""
    folder = tmp_path / "served"
    folder.mkdir()
    operator = Operator(Settings(data=folder, auth="token"))
    token, info = operator.create_token("laptop")
    with Service(folder, "--auth", "token") as service:
        headers = {"authorization": f"Bearer {token}", "x-request-id": "mine-1"}
        batch = {"sessions": [{"id": "sessionname", "title": "titletext", "created_at": 5}]}
        answer = service.post("/sync/batch", batch, headers=headers)
        assert answer.headers["x-request-id"] == "mine-1"
        service.get("/query/sessions/sessionname?search=lookedfor", headers=headers)
        service.get("/api/search?q=lookedfor", headers=headers)
        service.get("/api/search?q=lookedfor", headers={"authorization": "Bearer wrongtoken"})
        service.stop()
        log = service.log()
    for secret in (token, "sessionname", "titletext", "lookedfor", "wrongtoken"):
        assert secret not in log
    lines: list[dict[str, Any]] = [json.loads(line) for line in log.splitlines()]
    assert [(one["method"], one["route"], one["status"]) for one in lines] == [
        ("POST", "/sync/batch", 200),
        ("GET", "/query/sessions/{session_id}", 404),
        ("GET", "/api/search", 200),
        ("GET", "/api/search", 401),
    ]
    assert lines[0]["id"] == "mine-1"
    assert lines[0]["tenant"] == info.tenant
    assert set(lines[0]) == {
        *("at", "id", "client", "method", "route", "status", "ms", "bytes", "tenant")
    }


def test_alive_is_not_ready(tmp_path: Path) -> None:
    """A service that lost its folder is not restarted for it, but gets no requests."""
    folder = tmp_path / "served"
    with Service(folder) as service:
        assert service.get("/health").json()["status"] == "healthy"
        assert service.http.head(f"{service.url}/health", timeout=10).status_code == 200
        folder.rename(tmp_path / "away")
        (tmp_path / "served").write_text("no folder")
        time.sleep(2.1)
        gone = service.get("/health")
        assert (gone.status_code, gone.json()["status"]) == (503, "unavailable")
        assert service.get("/health/live").json() == {"status": "alive"}


def test_no_other_page_may_read(tmp_path: Path) -> None:
    """CORS is off unless an origin is allowed; headers keep browsers from guessing."""
    page = "https://dash.example"
    with Service(tmp_path / "closed") as service:
        assert service.get("/health", headers={"origin": page}).status_code == 403
        plain = service.get("/health").headers
        assert "access-control-allow-origin" not in plain
        assert plain["x-content-type-options"] == "nosniff"
        assert plain["content-security-policy"].startswith("default-src 'none'")
        assert plain["cache-control"] == "no-store"
    with Service(tmp_path / "open", "--allow-origin", page) as service:
        allowed = service.get("/health", headers={"origin": page})
        assert allowed.headers["access-control-allow-origin"] == page
        other = service.get("/health", headers={"origin": "https://other.example"})
        assert other.status_code == 403
