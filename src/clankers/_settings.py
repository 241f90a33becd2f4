"""The table of settings and what each may hold.

Reading, setting, listing, checking and documenting all go by this one table. It imports
no records, so that a command which only needs a path starts without them.
"""

from __future__ import annotations

from clankers._paths import environment
from clankers.errors import ConfigError

TYPE_CHECKING = False  # typing itself is slow to import, and every command starts here

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    Kind = Literal["choice", "globs", "number", "path", "switch", "text", "url", "zone"]

Value = str | int | list[str] | None  # a switch's bool is an int

PROFILE_VARIABLE = "CLANKERS_PROFILE"
DEFAULT_PROFILE = "default"

_SWITCHES = {
    "1": True,
    "0": False,
    "true": True,
    "false": False,
    "yes": True,
    "no": False,
    "on": True,
    "off": False,
}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST_SHOWN = 80


class Setting:
    """One key of a profile.

    Attributes:
        about: what it is, for lists and help.
        variable: the environment variable that wins over every profile, or "".
        choices: what a "choice" may be.
        secret: its value is never listed nor repeated in an error.
        kept: written by clankers itself beside another key, never set by hand.
    """

    def __init__(
        self,
        key: str,
        kind: Kind,
        default: Value,
        about: str,
        variable: str = "",
        *,
        choices: tuple[str, ...] = (),
        secret: bool = False,
        kept: bool = False,
    ) -> None:
        self.key = key
        self.kind = kind
        self.default = default
        self.about = about
        self.variable = variable
        self.choices = choices
        self.secret = secret
        self.kept = kept


SETTINGS = {
    setting.key: setting
    for setting in (
        Setting("endpoint", "url", None, "server to sync with", "CLANKERS_ENDPOINT"),
        Setting(
            "sync_enabled",
            "switch",
            False,
            "sync in the background while the daemon runs",
            "CLANKERS_SYNC_ENABLED",
        ),
        Setting(
            "sync_interval", "number", 30, "seconds between two syncs", "CLANKERS_SYNC_INTERVAL"
        ),
        Setting(
            "sync_mode",
            "choice",
            "hybrid",
            "what wakes a sync",
            choices=("polling", "triggers", "hybrid"),
        ),
        Setting(
            "sync_batch_size",
            "number",
            100,
            "waiting rows that start a sync before its interval ends",
            "CLANKERS_SYNC_BATCH_SIZE",
        ),
        Setting(
            "sync_pull",
            "switch",
            False,
            "take in what other devices sent, too, while sync runs in the background",
        ),
        Setting(
            "auth",
            "choice",
            "none",
            "how the server knows you",
            choices=("none", "token", "workos"),
        ),
        Setting("token", "text", None, "secret for auth=token", secret=True),
        Setting("token_origin", "text", None, "the only server the token goes to", kept=True),
        Setting("workos_client_id", "text", None, "client id for auth=workos"),
        Setting("db", "path", None, "database file", "CLANKERS_DB_PATH"),
        Setting(
            "backup_before_write",
            "switch",
            True,
            "copy the database before destructive work; set to true, before any write",
        ),
        Setting("redaction", "switch", True, "replace secrets before anything leaves the machine"),
        Setting("metrics_only", "switch", False, "sync usage and counts, and no text"),
        Setting("exclude", "globs", None, "projects that never leave, as path globs"),
        Setting("archive_after_days", "number", None, "days until a session moves to the archive"),
        Setting(
            "timezone",
            "zone",
            None,
            "zone of dates and times, such as Europe/Berlin; the system's by default",
            "CLANKERS_TIMEZONE",
        ),
    )
}


def setting(key: str) -> Setting:
    """The setting called `key`; a ConfigError names the nearest one that exists."""
    if found := SETTINGS.get(key):
        return found
    raise ConfigError(
        f"there is no setting {key!r}",
        hint=nearest(key, SETTINGS) or "'clankers-cli config list' shows all settings",
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """A question that suggests what `name` was meant to be, or ""."""
    from difflib import get_close_matches  # only errors need it

    matches = get_close_matches(name, list(known), n=1)
    return f"did you mean {matches[0]!r}?" if matches else ""


def from_environment(wanted: Setting) -> Value:
    """What the setting's variable says; None where it is unset.

    An empty variable is unset, but not for a switch: there it is as wrong as any other
    word, so that a slip in a script never turns sync on.
    """
    text = environment().get(wanted.variable) if wanted.variable else None
    if text is None or (not text and wanted.kind != "switch"):
        return None
    try:
        return from_text(wanted, text)
    except ValueError as problem:
        raise ConfigError(
            f"{wanted.variable} {problem}", hint=f"correct or unset {wanted.variable}"
        ) from None


def from_text(wanted: Setting, text: str) -> Value:
    """The value that `text` spells; a ValueError says what it must be instead."""
    value: Value
    match wanted.kind:
        case "switch":
            return _switch(text)
        case "number":
            value = int(text) if text.isascii() and text.isdecimal() else text
        case "globs":
            value = [text]
        case _:
            value = text
    check(wanted, value)
    return value


def _switch(text: str) -> bool:
    try:
        return _SWITCHES[text.lower()]
    except KeyError:
        raise ValueError(f"must be one of {' '.join(_SWITCHES)}, not {_shown(text)}") from None


def check(wanted: Setting, value: object) -> None:
    """Raises ValueError with the end of a sentence: "must be ..., not ..."."""
    if rule := _broken_rule(wanted, value):
        raise ValueError(f"must be {rule}" + ("" if wanted.secret else f", not {_shown(value)}"))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


def _broken_rule(wanted: Setting, value: object) -> str:
    """What the value must be and is not; "" when all is well."""
    rule = "a text without control characters"
    fits = isinstance(value, str) and value != ""
    match wanted.kind:
        case "switch":
            rule, fits = "true or false", isinstance(value, bool)
        case "number":
            rule = "a whole number above 0"
            fits = isinstance(value, int) and not isinstance(value, bool) and value > 0
        case "choice":
            rule, fits = "one of " + ", ".join(wanted.choices), value in wanted.choices
        case "globs":
            rule = "a list of path globs"
            fits = isinstance(value, list) and all(isinstance(x, str) and x for x in value)
        case "url":
            rule, fits = _SERVER_RULE, isinstance(value, str) and _is_server(value)
        case "path":
            rule, fits = "a path", fits and _is_path(str(value))
        case "text" | "zone":
            fits = fits and str(value).isprintable()
    return "" if fits else rule


def _is_path(text: str) -> bool:
    from pathlib import Path

    try:
        Path(text).expanduser()
    except RuntimeError:  # the home of a user who is not there
        return False
    return "\0" not in text


_SERVER_RULE = "an http:// or https:// address without user, password, query or fragment"


def _is_server(text: str) -> bool:
    from urllib.parse import urlsplit  # pathlib has loaded it on most roads

    # urlsplit drops tabs and line ends in silence.
    if not text.isprintable() or " " in text or "?" in text or "#" in text:
        return False
    try:
        parts = urlsplit(text)
        port_fits = parts.port != 0
    except ValueError:
        return False
    return (
        parts.scheme in _DEFAULT_PORTS
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and port_fits
    )


def origin(endpoint: str) -> str:
    """Scheme, host and port of a server, spelled one way: ``https://example.com:443``."""
    from urllib.parse import urlsplit

    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}:{parts.port or _DEFAULT_PORTS[parts.scheme]}"
