"""Where a secret may travel: over https, or within this machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from clankers import errors


def refuse_insecure(url: str) -> None:
    """Raises InsecureTransportError for plain http to anything but this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return
    raise errors.InsecureTransportError(
        f"a secret does not go over {parts.scheme or 'an unknown way'} to {parts.hostname}",
        hint="use an https:// address",
    )


def is_loopback(host: str) -> bool:
    """True for this machine: ``localhost`` and the addresses that never leave it."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
