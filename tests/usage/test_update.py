"""Fetching prices, from a server on this machine."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from clankers import _paths
from clankers.errors import UsageError
from clankers.usage import price_usage, update_prices
from clankers.usage._price_list import package_version
from usage.conftest import used

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clankers.store import Store

LIST = json.dumps(
    [
        {
            "id": "anthropic",
            "name": "Anthropic",
            "api_pattern": "x",
            "models": [
                {
                    "id": "claude",
                    "match": {"contains": "claude"},
                    "prices": {"input_mtok": 7, "output_mtok": 9},
                }
            ],
        }
    ]
).encode()


@contextmanager
def serving(content: bytes, status: int = 200) -> Iterator[str]:
    """The address of a server that answers everything with this."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/data.json"
        finally:
            server.shutdown()
            thread.join()


def test_fetched_prices_are_used_at_once(store: Store) -> None:
    """Responses are priced anew, and the version says by which list."""
    store.upsert(used("a", input_tokens=1_000_000))
    price_usage(store)
    with serving(LIST) as url:
        update = update_prices(store, url=url)
    assert (update.models, update.repriced) == (1, (1, 1, 0))
    row = store.connection.execute("SELECT cost, price_version FROM usage").fetchone()
    assert row == (7_000_000, update.version)
    assert update.version.startswith(f"genai-prices {package_version()} fetched ")


def test_the_file_is_private_and_alone(store: Store) -> None:
    """It is the owner's, and the one that another package version fetched is gone."""
    folder = _paths.data_dir()
    folder.mkdir(parents=True)
    (folder / "prices-0.0.1.json").write_text("[]")
    with serving(LIST) as url:
        update_prices(store, url=url)
    (kept,) = folder.iterdir()
    assert kept.name == f"prices-{package_version()}.json"
    assert kept.read_bytes() == LIST
    if sys.platform != "win32":
        assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [b"<html>", b"{}", b"[]", b'[{"id": 3}]', b'[{"id": "x", "models": [{"prices": "free"}]}]'],
)
def test_what_is_no_price_list(store: Store, content: bytes) -> None:
    """It is refused before it replaces anything."""
    with serving(content) as url, pytest.raises(UsageError, match="is not a price list"):
        update_prices(store, url=url)
    assert not _paths.data_dir().exists()


def test_a_server_that_refuses(store: Store) -> None:
    """The error has the address and the status."""
    with serving(b"", 503) as url, pytest.raises(UsageError, match=r"data\.json: 503"):
        update_prices(store, url=url)


def test_no_network(store: Store) -> None:
    """One line that says what failed, and that nothing was lost."""
    with serving(b"") as url:
        pass
    with pytest.raises(UsageError, match=r"[Cc]onnection refused|actively refused") as caught:
        update_prices(store, url=url)
    assert "\n" not in str(caught.value)
    assert "prices stay as they were" in caught.value.hint
