"""Settings of this installation: profiles in clankers.json, and what the environment overrides.

The environment wins over the active profile, which wins over the defaults. What comes
from the environment is never written to the file.
"""

from __future__ import annotations

from pathlib import Path

from clankers import _config_file, _paths, _settings
from clankers._settings import SETTINGS, Setting, Value
from clankers.errors import ConfigError

TYPE_CHECKING = False  # typing itself is slow to import, and every command starts here

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo
    from typing import Any, Literal

    from clankers._config_file import Document
    from clankers._offer import ProfileOffer, read_offer
    from clankers._profile import Profile

    Source = Literal["env", "profile", "default"]
else:

    def __getattr__(name: str) -> object:
        # Records and downloads: a command that only needs a path loads neither.
        homes = {"Profile": "_profile", "ProfileOffer": "_offer", "read_offer": "_offer"}
        if name not in homes:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"clankers.{homes[name]}"), name)


__all__ = ["SETTINGS", "Config", "Profile", "ProfileOffer", "Setting", "Value", "read_offer"]


class Config:
    """The settings in one file, seen through one of its profiles.

    Changes are made in memory and reach the file with `save`.

    Attributes:
        path: the file, which need not exist.
    """

    def __init__(self, path: Path, document: Document, *, profile: str | None = None) -> None:
        self.path = path
        self._document = document
        self._wanted_profile = profile
        self._edits: list[Callable[[Document], None]] = []

    @classmethod
    def load(cls, path: Path | None = None, *, profile: str | None = None) -> Config:
        """Reads `path`, by default clankers.json in the data directory; no file means defaults.

        A file that is not JSON, or in which a known key has a wrong value, is a
        ConfigError with line and column. `profile` wins over `CLANKERS_PROFILE`, which
        wins over the file's own choice.
        """
        path = path or _paths.config_path()
        return cls(path, _config_file.read(path), profile=profile)

    @property
    def active_profile(self) -> str:
        """The name of the profile in effect; it may not exist yet."""
        return (
            self._wanted_profile
            or _paths.environment().get(_settings.PROFILE_VARIABLE)
            or _chosen_profile(self._document)
        )

    @property
    def profile_names(self) -> list[str]:
        """All profiles in the order of the file; the default one is always there."""
        return list({**self._profiles(), _settings.DEFAULT_PROFILE: None})

    def profile(self, name: str | None = None) -> Profile:
        """All settings of a profile, by default the active one, under what the environment says."""
        from clankers._profile import Profile

        name = name or self.active_profile
        values: dict[str, Any] = {key: self._effective(name, key)[0] for key in SETTINGS}
        values["db"] = self._database(name)
        values["exclude"] = tuple(values["exclude"] or ())
        return Profile(name=name, **values)

    def get(self, key: str) -> Value:
        """The value in effect; None where nothing is set and there is no default."""
        return self._effective(self.active_profile, key)[0]

    def source(self, key: str) -> Source:
        """Where the value in effect comes from."""
        return self._effective(self.active_profile, key)[1]

    def entries(self) -> list[tuple[str, Value, Source]]:
        """Key, value in effect and source of every setting; of a secret only ``(set)`` or None."""
        return [(setting.key, *self._shown(setting)) for setting in SETTINGS.values()]

    def unknown_keys(self) -> list[str]:
        """Keys of the active profile that this version does not know; they are kept on save."""
        return [key for key in self._profile_document() if key not in SETTINGS]

    def database_path(self) -> Path:
        """`CLANKERS_DB_PATH`, else the profile's `db`, else clankers.db in the data directory."""
        return self._database(self.active_profile)

    def zone(self) -> tzinfo:
        """The zone of dates and times: `timezone`, else the system's."""
        from clankers import times

        name, source = self._effective(self.active_profile, "timezone")
        try:
            return times.zone(None if name is None else str(name))
        except ConfigError as problem:
            place = SETTINGS["timezone"].variable if source == "env" else f"{self.path}, timezone"
            raise ConfigError(f"{place}: {problem}", hint=problem.hint) from None

    def shown_zone(self) -> tzinfo | None:
        """As `zone`, but None for the system's, which is not loaded only to print a few times."""
        name, _source = self._effective(self.active_profile, "timezone")
        return None if name is None else self.zone()

    def set(self, key: str, value: Value) -> None:
        """Sets a key of the active profile; a text is read as a command line or variable is.

        A token is bound to the server that the profile names, or, when it names none, to
        the first it will name, and goes to no other. A relative `db` is taken from the
        current directory.
        """
        setting = _settings.setting(key)
        value = _checked(setting, value)
        name = self._existing(self.active_profile)

        def change(document: Document) -> None:
            profile = _made_profile(document, name)
            profile[key] = value
            if key in {"token", "endpoint"}:
                _bind_token(profile, key)

        self._edit(change)

    def unset(self, key: str) -> None:
        """Takes a key out of the active profile; one that this version does not know, too."""
        if key not in self._profile_document():
            _settings.setting(key)
        name = self.active_profile

        def change(document: Document) -> None:
            profile = document.get("profiles", {}).get(name, {})
            profile.pop(key, None)
            if key == "token":
                profile.pop("token_origin", None)

        self._edit(change)

    def set_token(self, token: str) -> None:
        """Sets the token of the active profile and signs in by it from now on."""
        self.set("token", token)
        self.set("auth", "token")

    def add_profile(self, offer: ProfileOffer) -> None:
        """Adds a profile as a server offers it; the active one stays active.

        Only where the server is and how to sign in there comes from the offer: whether to
        sync, and what may leave this machine, is not the server's to say.
        """
        self.create_profile(offer.name)
        given = {
            key: value
            for key in ("endpoint", "auth", "workos_client_id", "token")
            if (value := getattr(offer, key)) is not None
        }

        def change(document: Document) -> None:
            profile = _made_profile(document, offer.name)
            profile.update(given)
            _bind_token(profile, "token")

        self._edit(change)

    def create_profile(self, name: str) -> None:
        """Adds an empty profile; the active one stays active."""
        if not name.isprintable() or name != name.strip() or not name or name.startswith("-"):
            raise ConfigError(
                f"a profile cannot be called {name!r}", hint="use letters, digits and dashes"
            )

        def change(document: Document) -> None:
            if name in document.get("profiles", {}):
                raise ConfigError(
                    f"there is already a profile {name!r}",
                    hint=f"'clankers-cli config profiles use {name}' makes it the active one",
                )
            _made_profile(document, name)

        self._edit(change)

    def delete_profile(self, name: str) -> None:
        """Removes a profile with all its settings; the active one must be left first."""
        self._existing(name)

        def change(document: Document) -> None:
            if name in (_chosen_profile(document), self.active_profile):
                raise ConfigError(
                    f"profile {name!r} is the active one",
                    hint="'clankers-cli config profiles use NAME' makes another one active",
                )
            document.get("profiles", {}).pop(name, None)

        self._edit(change)

    def use_profile(self, name: str) -> None:
        """Makes a profile the active one of later runs."""
        self._existing(name)

        def change(document: Document) -> None:
            document["active_profile"] = name
            _made_profile(document, name)

        self._edit(change)

    def save(self) -> None:
        """Writes what was changed since `load`, and nothing else.

        The changes are made again on what the file says by now, so that two programs
        that save at once both keep theirs. A file that became broken is left as it is.
        """
        if not self._edits:
            return
        with _config_file.edited(self.path) as document:
            for change in self._edits:
                change(document)
        self._document = document
        self._edits = []

    def _edit(self, change: Callable[[Document], None]) -> None:
        change(self._document)
        self._edits.append(change)

    def _profiles(self) -> Document:
        profiles: Document = self._document.get("profiles", {})
        return profiles

    def _profile_document(self) -> Document:
        document: Document = self._profiles().get(self._existing(self.active_profile), {})
        return document

    def _existing(self, name: str) -> str:
        if name in self.profile_names:
            return name
        hint = _settings.nearest(name, self.profile_names)
        raise ConfigError(
            f"there is no profile {name!r} in {self.path}",
            hint=hint or f"'clankers-cli config profiles create {name}' makes one",
        )

    def _effective(self, profile: str, key: str) -> tuple[Value, Source]:
        setting = _settings.setting(key)
        stored: Value = self._profiles().get(self._existing(profile), {}).get(key)
        if (value := _settings.from_environment(setting)) is not None:
            return value, "env"
        return (setting.default, "default") if stored is None else (stored, "profile")

    def _shown(self, setting: Setting) -> tuple[Value, Source]:
        value, source = self._effective(self.active_profile, setting.key)
        return "(set)" if setting.secret and value else value, source

    def _database(self, profile: str) -> Path:
        value, source = self._effective(profile, "db")
        if source != "profile":
            return _paths.database_path()
        # A relative path written by hand means the same from every directory.
        return self.path.parent / Path(str(value)).expanduser()


def _chosen_profile(document: Document) -> str:
    return document.get("active_profile") or _settings.DEFAULT_PROFILE


def _made_profile(document: Document, name: str) -> Document:
    document.setdefault("active_profile", _settings.DEFAULT_PROFILE)
    profile: Document = document.setdefault("profiles", {}).setdefault(name, {})
    return profile


def _checked(setting: Setting, value: Value) -> Value:
    if setting.kept:
        raise ConfigError(f"{setting.key} is written with the token", hint="set token instead")
    try:
        if isinstance(value, str):
            value = _settings.from_text(setting, value)
        else:
            _settings.check(setting, value)
    except ValueError as problem:
        raise ConfigError(f"{setting.key} {problem}") from None
    if setting.kind == "zone":
        from clankers import times

        times.zone(str(value))
    if setting.kind == "path" and not str(value).startswith("~"):
        return str(Path(str(value)).absolute())
    return value


def _bind_token(profile: Document, changed: str) -> None:
    """Notes which server the token is for; a token that has one keeps it."""
    if changed == "token":
        profile.pop("token_origin", None)
    endpoint = profile.get("endpoint")
    if profile.get("token") and endpoint and not profile.get("token_origin"):
        profile["token_origin"] = _settings.origin(endpoint)
