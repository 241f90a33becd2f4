"""A profile that a server offers: what it may say, and nothing beside it.

An offer names a server and how to sign in there. It never decides what leaves this machine,
so whatever else it holds makes it no offer at all.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests
from attrs import field, frozen

from clankers import _http, _settings
from clankers.auth import NoAuth, is_token
from clankers.auth._transport import refuse_insecure
from clankers.errors import ConfigError

_LARGEST = 64 * 1024
_KEYS = ("name", "endpoint", "auth", "workos_client_id", "token")
_NEEDED = ("name", "endpoint", "auth")
_HINT = "ask the operator of the server for another one; nothing was changed"


@frozen
class ProfileOffer:
    """A profile as a server offers it; the token does not show in the repr."""

    name: str
    endpoint: str
    auth: str
    workos_client_id: str | None = None
    token: str | None = field(default=None, repr=False)


def read_offer(source: str | Path) -> ProfileOffer:
    """The offer at an https or loopback address, or in a file.

    Raises:
        ConfigError: it cannot be read, or says anything but name, endpoint, auth,
            workos_client_id and token.
    """
    text = str(source)
    body = _fetched(text) if text.startswith(("http://", "https://")) else _from_file(Path(source))
    try:
        document = json.loads(body)
    except ValueError as problem:
        raise ConfigError(f"{text} is no JSON: {problem}", hint=_HINT) from None
    # The answer of a server that made one has it beside the name of the tenant.
    if isinstance(document, dict) and set(document) <= {"profile", "tenant"}:
        document = document.get("profile")
    return _checked(text, document)


def _fetched(url: str) -> bytes:
    refuse_insecure(url)
    try:
        with _http.session(NoAuth()) as asking:
            return _http.read_small(asking, url, largest=_LARGEST)
    except (requests.RequestException, ValueError) as problem:
        raise ConfigError(f"{url} cannot be read: {problem}", hint=_HINT) from None


def _from_file(path: Path) -> bytes:
    try:
        with path.expanduser().open("rb") as file:
            body = file.read(_LARGEST + 1)
    except OSError as problem:
        raise ConfigError(f"{path} cannot be read: {problem.strerror}") from None
    if len(body) > _LARGEST:
        raise ConfigError(f"{path} is too large for a profile", hint=_HINT)
    return body


def _checked(source: str, document: Any) -> ProfileOffer:
    if not isinstance(document, dict):
        raise ConfigError(f"{source} holds no profile", hint=_HINT)
    if unknown := sorted(set(document) - set(_KEYS)):
        raise ConfigError(f"{source} wants to set {unknown[0]!r}, which no server may", hint=_HINT)
    for key in _NEEDED:
        if not document.get(key):
            raise ConfigError(f"{source} lacks {key!r}", hint=_HINT)
    for key in _KEYS[1:]:
        if document.get(key) is not None:
            try:
                _settings.check(_settings.setting(key), document[key])
            except ValueError as problem:
                raise ConfigError(f"{source}: {key} {problem}", hint=_HINT) from None
    if not isinstance(document["name"], str):
        raise ConfigError(f"{source}: name must be a text", hint=_HINT)
    refuse_insecure(document["endpoint"])
    token = document.get("token")
    if token is not None and not is_token(token):
        raise ConfigError(f"{source}: the token is damaged", hint=_HINT)
    given: dict[str, Any] = {key: document.get(key) for key in _KEYS}
    return ProfileOffer(**given)
