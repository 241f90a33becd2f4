"""Asking other machines over HTTP: one way to make a session, to read an answer, to try again."""

from __future__ import annotations

import random
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

import requests
import tenacity
from urllib3.exceptions import HTTPError

from clankers import errors
from clankers._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests.auth import AuthBase

_TIMEOUT = (5, 20)
# A server under load may take long to store a batch, and stores it all the same.
_LONG_TIMEOUT = (5, 60)
_LARGEST_ANSWER = 256 * 1024 * 1024
_JITTER = 0.2
_LONGEST_WAIT, _LONGEST_NUMBER = 3_600.0, 9


def session(auth: AuthBase) -> requests.Session:
    """A session that shows `auth` and nothing else, whatever a netrc file says."""
    made = requests.Session()
    made.auth = auth
    made.headers["User-Agent"] = f"clankers/{__version__}"
    return made


def session_with(auth: AuthBase, url: str) -> requests.Session:
    """The same for one server that is asked often: what the environment says of the way there is read once."""
    made = session(auth)
    found = made.merge_environment_settings(url, {}, None, None, None)
    made.proxies, made.verify = dict(found["proxies"]), found["verify"]
    made.trust_env = False
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


class Answer(NamedTuple):
    """What a server said; `retry_after` is seconds, None where it named none."""

    status: int
    body: bytes
    retry_after: float | None


def exchange(
    asking: requests.Session,
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Sends a request and reads the whole answer, whatever its status.

    Raises:
        UnreachableError: there was no whole answer; the request may have arrived.
    """
    try:
        with asking.request(
            method,
            url,
            data=body,
            headers=headers,
            timeout=_TIMEOUT if body is None else _LONG_TIMEOUT,
            allow_redirects=False,
            stream=True,
        ) as answer:
            read = answer.raw.read(_LARGEST_ANSWER, decode_content=True)
            expected = answer.headers.get("Content-Length")
            if "Content-Encoding" not in answer.headers and expected not in (None, str(len(read))):
                raise requests.ConnectionError("the answer is cut short")
            return Answer(answer.status_code, bytes(read), _retry_after(answer))
    # Reading a body raises what requests only translates in its own loop.
    except (requests.RequestException, HTTPError, OSError) as problem:
        raise errors.UnreachableError(
            f"{url} does not answer: {_reason(problem)}",
            hint="what waits is kept and sent later",
        ) from problem


def _reason(problem: BaseException) -> str:
    """The end of the chain, which says what happened; the rest are names of classes."""
    while (inner := problem.__cause__ or problem.__context__) is not None:
        problem = inner
    return str(problem) or type(problem).__name__


def _retry_after(answer: requests.Response) -> float | None:
    """Seconds, at most an hour: nobody is asked to wait for years."""
    said = answer.headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdecimal():
        return min(float(said[:_LONGEST_NUMBER]), _LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(said)
    except (TypeError, ValueError):
        return None
    if at.tzinfo is None:
        return None
    return min(max(0.0, at.timestamp() - time.time()), _LONGEST_WAIT)


class Backoff(tenacity.wait.wait_base):
    """Waits that double from `first` to `longest` seconds, a fifth more or less by chance.

    A server that names a time is not asked before.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._doubling = tenacity.wait_exponential(multiplier=first, max=longest)
        self._longest = longest

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        spread = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
        waits = min(self._doubling(retry_state) * spread, self._longest)
        outcome = retry_state.outcome
        problem = outcome.exception() if outcome is not None else None
        return max(waits, getattr(problem, "retry_after", None) or 0.0)


def retrying(
    *,
    first: float,
    longest: float,
    sleep: Callable[[float], None],
    before_sleep: Callable[[BaseException, float], object] | None = None,
    tries: int | None = None,
) -> tenacity.Retrying:
    """The one way to try again what failed with `UnreachableError`: with waits that grow.

    Args:
        first: the first wait, in seconds.
        longest: no wait is longer, unless the server asks for it.
        sleep: how to wait; what it raises ends the trying.
        before_sleep: is told the failure and the seconds before the next try.
        tries: at most so many; None for no end. Then the last failure is raised.
    """

    def is_worth_it(problem: BaseException) -> bool:
        asked = getattr(problem, "retry_after", None) or 0.0
        # Who tries only so often does not wait for ever for it.
        return isinstance(problem, errors.UnreachableError) and (tries is None or asked <= longest)

    def tell(state: tenacity.RetryCallState) -> None:
        problem = state.outcome.exception() if state.outcome is not None else None
        if before_sleep is not None and problem is not None and state.next_action is not None:
            before_sleep(problem, state.next_action.sleep)

    return tenacity.Retrying(
        wait=Backoff(first, longest),
        stop=tenacity.stop_never if tries is None else tenacity.stop_after_attempt(tries),
        retry=tenacity.retry_if_exception(is_worth_it),
        sleep=sleep,
        before_sleep=tell,
        reraise=True,
    )
