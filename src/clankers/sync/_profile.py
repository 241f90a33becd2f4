"""What a profile says of sync, as objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers import errors
from clankers.auth import NoAuth, TokenAuth
from clankers.sync._policy import Policy

if TYPE_CHECKING:
    from requests.auth import AuthBase

    from clankers._profile import Profile


def policy_of(profile: Profile) -> Policy:
    """What may leave under the settings of a profile."""
    return Policy(profile.redaction, profile.metrics_only, profile.exclude)


def auth_of(profile: Profile) -> AuthBase:
    """How a profile shows its server who it is.

    Raises:
        AuthError: there is no token, or it was set for another server.
    """
    endpoint = profile.endpoint or ""
    if profile.auth == "none":
        return NoAuth()
    if profile.auth != "token":
        raise errors.AuthError(
            f"auth={profile.auth} is not known to this version",
            hint="'clankers-cli config set auth token' uses a token",
        )
    if profile.token is None:
        raise errors.AuthError(
            f"the profile {profile.name!r} has auth=token and no token",
            hint="'clankers-cli token set' sets one",
        )
    token = profile.token_for(endpoint)
    if token is None:
        raise errors.AuthError(
            f"the token of the profile {profile.name!r} is for {profile.token_origin}",
            hint="'clankers-cli token set' sets one for the server it syncs with now",
        )
    return TokenAuth(token, endpoint)
