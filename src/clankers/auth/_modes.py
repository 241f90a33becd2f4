"""The ways to show who one is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen
from requests.auth import AuthBase

if TYPE_CHECKING:
    from requests.models import PreparedRequest

from clankers import errors
from clankers._settings import origin
from clankers.auth._transport import refuse_insecure


@frozen
class NoAuth(AuthBase):
    """Shows nothing, and keeps requests from sending what a netrc file says."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        return request


@frozen
class TokenAuth(AuthBase):
    """Sends a token as ``Authorization: Bearer``.

    Attributes:
        token: the secret; never part of `repr`.
        endpoint: the only server it goes to, by scheme, host and port.

    Raises:
        AuthError: on a request to another server.
        InsecureTransportError: on plain http to another machine.
    """

    token: str = field(repr=False)
    endpoint: str

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        url = request.url or ""
        if origin(url) != origin(self.endpoint):
            raise errors.AuthError(
                f"the token is for {origin(self.endpoint)} and was not sent to {origin(url)}",
                hint="'clankers-cli token set' sets a token for another server",
            )
        refuse_insecure(url)
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request
