"""Asking other machines over HTTP: one way to make a session, one way to read an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from clankers._version import __version__

if TYPE_CHECKING:
    from requests.auth import AuthBase

_TIMEOUT = (5, 20)


def session(auth: AuthBase) -> requests.Session:
    """A session that shows `auth` and nothing else, whatever a netrc file says."""
    made = requests.Session()
    made.auth = auth
    made.headers["User-Agent"] = f"clankers/{__version__}"
    return made


def read_small(asking: requests.Session, url: str, *, largest: int) -> bytes:
    """The body at `url`, which must be small; redirects are not followed.

    Raises:
        requests.RequestException: there is no answer of status 200.
        ValueError: it is too large.
    """
    with asking.get(url, timeout=_TIMEOUT, allow_redirects=False, stream=True) as answer:
        if answer.status_code != requests.codes.ok:
            raise requests.HTTPError(f"it answered {answer.status_code}", response=answer)
        body = answer.raw.read(largest + 1, decode_content=True)
    if len(body) > largest:
        raise ValueError(f"it is larger than {largest:,} bytes")
    return bytes(body)
