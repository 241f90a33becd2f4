"""Settings: profiles, their values, and what the environment overrides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import fields

from clankers.config import SETTINGS, Config, Profile
from clankers.errors import ConfigError


@pytest.fixture
def path(home: Path) -> Path:
    """Where the file of the default data directory goes; its folder exists."""
    folder = home / ".local" / "share" / "clankers"
    folder.mkdir(parents=True)
    return folder / "clankers.json"


def write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


class TestPrecedence:
    def test_without_a_file_everything_is_default(self, home: Path) -> None:
        """No file is no error: every key has the default that the documents name."""
        assert Config.load().profile() == Profile(
            name="default",
            endpoint=None,
            sync_enabled=False,
            sync_interval=30,
            sync_mode="hybrid",
            sync_batch_size=100,
            sync_pull=False,
            auth="none",
            token=None,
            token_origin=None,
            workos_client_id=None,
            db=home / ".local" / "share" / "clankers" / "clankers.db",
            backup_before_write=True,
            redaction=True,
            metrics_only=False,
            exclude=(),
            archive_after_days=None,
            timezone=None,
        )

    def test_the_record_has_every_setting(self) -> None:
        """A key added to the table is a field of Profile too."""
        assert [field.name for field in fields(Profile)] == ["name", *SETTINGS]

    def test_environment_wins_over_profile_over_default(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each of the three is used exactly where the ones before it are silent."""
        write(path, {"profiles": {"default": {"sync_interval": 60, "sync_batch_size": 7}}})
        monkeypatch.setenv("CLANKERS_SYNC_INTERVAL", "90")
        config = Config.load()
        assert (config.get("sync_interval"), config.source("sync_interval")) == (90, "env")
        assert (config.get("sync_batch_size"), config.source("sync_batch_size")) == (7, "profile")
        assert (config.get("sync_mode"), config.source("sync_mode")) == ("hybrid", "default")

    @pytest.mark.parametrize(
        ("variable", "text", "key", "value"),
        [
            ("CLANKERS_ENDPOINT", "https://a.example", "endpoint", "https://a.example"),
            ("CLANKERS_SYNC_ENABLED", "on", "sync_enabled", True),
            ("CLANKERS_SYNC_INTERVAL", "5", "sync_interval", 5),
            ("CLANKERS_SYNC_BATCH_SIZE", "250", "sync_batch_size", 250),
            ("CLANKERS_DB_PATH", "/x/y.db", "db", "/x/y.db"),
            ("CLANKERS_TIMEZONE", "Asia/Tokyo", "timezone", "Asia/Tokyo"),
        ],
    )
    def test_each_variable(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, text: str, key: str, value: object
    ) -> None:
        """The variables of the contract set the keys of the contract, with their types."""
        monkeypatch.setenv(variable, text)
        assert Config.load().get(key) == value

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("1", True),
            ("true", True),
            ("YES", True),
            ("On", True),
            ("0", False),
            ("False", False),
            ("no", False),
            ("OFF", False),
        ],
    )
    def test_words_of_a_switch(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, text: str, *, value: bool
    ) -> None:
        """Eight words in any case; one that says no is a master off-switch."""
        write(path, {"profiles": {"default": {"sync_enabled": not value}}})
        monkeypatch.setenv("CLANKERS_SYNC_ENABLED", text)
        assert Config.load().profile().sync_enabled is value

    @pytest.mark.parametrize("text", ["", "2", "tru", "enabled", " on", "ja", "o\x1bn"])
    def test_any_other_word_is_an_error_that_names_the_variable(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        """Nothing can be read as "on" by mistake: without a profile there is no sync."""
        write(path, {"profiles": {"default": {"sync_enabled": True}}})
        monkeypatch.setenv("CLANKERS_SYNC_ENABLED", text)
        config = Config.load()
        with pytest.raises(ConfigError, match=r"^CLANKERS_SYNC_ENABLED must be one of 1 0 true"):
            config.get("sync_enabled")
        with pytest.raises(ConfigError, match="CLANKERS_SYNC_ENABLED"):
            config.profile()
        assert config.get("sync_interval") == 30

    @pytest.mark.parametrize(
        ("variable", "text"),
        [
            ("CLANKERS_SYNC_INTERVAL", "0"),
            ("CLANKERS_SYNC_INTERVAL", "1.5"),
            ("CLANKERS_SYNC_BATCH_SIZE", "many"),
            ("CLANKERS_ENDPOINT", "ftp://a.example"),
        ],
    )
    def test_wrong_variables_are_named(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, text: str
    ) -> None:
        """A wrong variable is an error that names it, whatever its type."""
        monkeypatch.setenv(variable, text)
        with pytest.raises(ConfigError, match=f"^{variable} must be .*, not '?{text}'?"):
            Config.load().profile()

    def test_an_empty_variable_is_unset(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """`CLANKERS_ENDPOINT= command` means what leaving it out means."""
        write(path, {"profiles": {"default": {"endpoint": "https://a.example"}}})
        for name in ("CLANKERS_ENDPOINT", "CLANKERS_PROFILE", "CLANKERS_DB_PATH"):
            monkeypatch.setenv(name, "")
        config = Config.load()
        assert (config.get("endpoint"), config.active_profile) == ("https://a.example", "default")
        assert config.database_path() == path.with_name("clankers.db")

    def test_values_of_the_environment_are_never_written(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A run under variables writes what it was told to write and nothing else."""
        monkeypatch.setenv("CLANKERS_ENDPOINT", "https://env.example")
        monkeypatch.setenv("CLANKERS_SYNC_ENABLED", "yes")
        monkeypatch.setenv("CLANKERS_SYNC_INTERVAL", "77")
        monkeypatch.setenv("CLANKERS_SYNC_BATCH_SIZE", "78")
        monkeypatch.setenv("CLANKERS_DB_PATH", "/env/db")
        monkeypatch.setenv("CLANKERS_TIMEZONE", "Asia/Tokyo")
        config = Config.load()
        config.profile()
        config.set("sync_mode", "polling")
        config.set("token", "t0k")
        config.save()
        assert read(path) == {
            "active_profile": "default",
            "profiles": {"default": {"sync_mode": "polling", "token": "t0k"}},
        }

    def test_a_null_is_unset(self, path: Path) -> None:
        """null in the file leaves the default in effect, and is no error."""
        write(path, {"profiles": {"default": {"sync_interval": None, "endpoint": None}}})
        assert Config.load().get("sync_interval") == 30


class TestProfiles:
    def test_the_profile_of_a_run(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An argument wins over CLANKERS_PROFILE, which wins over the file's choice."""
        profiles = {name: {"sync_interval": n} for n, name in enumerate(["a", "b", "c"], 1)}
        write(path, {"active_profile": "a", "profiles": profiles})
        assert Config.load().get("sync_interval") == 1
        monkeypatch.setenv("CLANKERS_PROFILE", "b")
        assert Config.load().get("sync_interval") == 2
        assert Config.load(profile="c").get("sync_interval") == 3
        assert Config.load(profile="c").profile("a").sync_interval == 1

    def test_changes_go_to_the_profile_of_the_run(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """CLANKERS_PROFILE decides where `set` writes, and is itself not written."""
        write(path, {"active_profile": "a", "profiles": {"a": {}, "b": {}}})
        monkeypatch.setenv("CLANKERS_PROFILE", "b")
        config = Config.load()
        config.set("sync_interval", 5)
        config.save()
        assert read(path) == {
            "active_profile": "a",
            "profiles": {"a": {}, "b": {"sync_interval": 5}},
        }

    def test_create_use_delete(self, path: Path) -> None:
        """A new profile is empty and not active until it is used; a deleted one is gone."""
        config = Config.load()
        config.create_profile("work")
        assert config.active_profile == "default"
        config.use_profile("work")
        config.set("sync_interval", 5)
        config.save()
        config = Config.load()
        assert (config.profile_names, config.active_profile) == (["work", "default"], "work")
        config.use_profile("default")
        config.delete_profile("work")
        config.save()
        assert read(path) == {"active_profile": "default", "profiles": {"default": {}}}

    def test_the_active_profile_is_not_deleted(self, path: Path) -> None:
        """Neither the file's choice nor that of the run can be taken away from under it."""
        write(path, {"active_profile": "a", "profiles": {"a": {}, "b": {}}})
        with pytest.raises(ConfigError, match="'a' is the active one"):
            Config.load().delete_profile("a")
        for name in ("a", "b"):
            with pytest.raises(ConfigError, match=f"'{name}' is the active one"):
                Config.load(profile="b").delete_profile(name)

    def test_an_unknown_profile_is_an_error_with_the_nearest_name(self, path: Path) -> None:
        """A misspelt profile never means the defaults."""
        write(path, {"profiles": {"office": {}}})
        config = Config.load(profile="ofice")
        with pytest.raises(ConfigError, match="there is no profile 'ofice'") as raised:
            config.get("endpoint")
        assert raised.value.hint == "did you mean 'office'?"
        with pytest.raises(ConfigError, match="there is no profile 'ofice'"):
            config.set("sync_interval", 5)
        with pytest.raises(ConfigError, match="there is no profile 'x'"):
            config.use_profile("x")
        with pytest.raises(ConfigError, match="there is no profile 'x'"):
            config.delete_profile("x")

    def test_a_name_is_taken_once(self, path: Path) -> None:
        """Creating never empties a profile that exists, even one made since the file was read."""
        write(path, {"profiles": {"a": {"sync_interval": 5}}})
        with pytest.raises(ConfigError, match="already a profile 'a'"):
            Config.load().create_profile("a")
        late = Config.load()
        late.create_profile("b")
        write(path, {"profiles": {"b": {"sync_interval": 6}}})
        with pytest.raises(ConfigError, match="already a profile 'b'"):
            late.save()
        assert read(path) == {"profiles": {"b": {"sync_interval": 6}}}

    @pytest.mark.parametrize("name", ["", " a", "a\n", "-x", "a\x1b[0m"])
    def test_names_that_cannot_be_typed(self, home: Path, name: str) -> None:
        """A profile's name can be given on a command line and shown in a list."""
        with pytest.raises(ConfigError, match="a profile cannot be called"):
            Config.load().create_profile(name)


class TestSet:
    @pytest.mark.parametrize(
        ("key", "given", "stored"),
        [
            ("endpoint", "https://a.example:8443/base", "https://a.example:8443/base"),
            ("endpoint", "http://[::1]:9000", "http://[::1]:9000"),
            ("sync_enabled", "Yes", True),
            ("sync_enabled", False, False),
            ("sync_interval", "45", 45),
            ("sync_mode", "triggers", "triggers"),
            ("exclude", "/home/me/private/**", ["/home/me/private/**"]),
            ("exclude", ["/a/*", "/b/*"], ["/a/*", "/b/*"]),
            ("archive_after_days", 90, 90),
            ("db", "~/other.db", "~/other.db"),
            ("timezone", "Europe/Berlin", "Europe/Berlin"),
        ],
    )
    def test_a_value_is_stored_with_its_type(
        self, path: Path, key: str, given: Any, stored: object
    ) -> None:
        """Text, as it comes from a command line, becomes the JSON type of its key."""
        config = Config.load()
        config.set(key, given)
        config.save()
        assert read(path)["profiles"]["default"] == {key: stored}
        assert Config.load().get(key) == stored

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("sync_enabled", "maybe", "sync_enabled must be one of 1 0 true false yes no on off"),
            ("sync_enabled", 1, "sync_enabled must be true or false, not 1"),
            ("sync_interval", "-5", "sync_interval must be a whole number above 0, not '-5'"),
            ("sync_interval", True, "sync_interval must be a whole number above 0, not True"),
            ("sync_interval", "٣", "sync_interval must be a whole number above 0"),
            ("sync_mode", "poling", "sync_mode must be one of polling, triggers, hybrid"),
            ("auth", "Token", "auth must be one of none, token, workos"),
            ("exclude", ["/a", ""], "exclude must be a list of path globs"),
            ("db", "", "db must be a path"),
            ("db", "~nobody_of_that_name/x.db", "db must be a path"),
            ("endpoint", "a.example", "endpoint must be an http:// or https:// address"),
            ("endpoint", "javascript:alert(1)", "endpoint must be an http"),
            ("endpoint", "https://", "endpoint must be an http"),
            ("endpoint", "https://me:pw@a.example", "endpoint must be an http"),
            ("endpoint", "https://a.example:99999", "endpoint must be an http"),
            ("endpoint", "https://a.example/\n", "endpoint must be an http"),
            ("endpoint", "https://a.example?x=1", "endpoint must be an http"),
            ("timezone", "Europe/Berlni", "there is no time zone 'Europe/Berlni'"),
            ("token_origin", "https://a.example:443", "token_origin is written with the token"),
        ],
    )
    def test_a_wrong_value_is_refused(self, path: Path, key: str, value: Any, message: str) -> None:
        """What the program could not use later never enters the file."""
        config = Config.load()
        with pytest.raises(ConfigError) as raised:
            config.set(key, value)
        assert str(raised.value).startswith(message)
        config.save()
        assert not path.exists()

    def test_an_unknown_key_is_an_error_with_the_nearest_name(self, home: Path) -> None:
        """A misspelt key is never stored where nobody would read it."""
        for act in (Config.get, Config.unset, lambda config, key: config.set(key, "1")):
            with pytest.raises(ConfigError, match="there is no setting 'sync_intervall'") as raised:
                act(Config.load(), "sync_intervall")
            assert raised.value.hint == "did you mean 'sync_interval'?"

    def test_unset_returns_to_the_default(self, path: Path) -> None:
        """Also for a key that is not set, and for one that this version does not know."""
        write(path, {"profiles": {"default": {"sync_interval": 5, "from_the_future": 1}}})
        config = Config.load()
        for key in ("sync_interval", "from_the_future", "endpoint"):
            config.unset(key)
        config.save()
        assert read(path) == {"profiles": {"default": {}}}

    def test_a_relative_database_is_where_it_was_named(
        self, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The next run may start in another directory and must open the same file."""
        monkeypatch.chdir(tmp_path)
        config = Config.load()
        config.set("db", "mine.db")
        config.save()
        assert read(path)["profiles"]["default"]["db"] == str(tmp_path / "mine.db")


class TestToken:
    def test_a_token_is_bound_to_the_server_it_was_set_for(self, path: Path) -> None:
        """It goes to that scheme, host and port, and stays bound when the endpoint changes."""
        config = Config.load()
        config.set("endpoint", "https://A.example/base")
        config.set("token", "t0k")
        config.set("endpoint", "https://b.example")
        config.save()
        profile = Config.load().profile()
        assert read(path)["profiles"]["default"]["token_origin"] == "https://a.example:443"
        assert profile.token_for("https://a.example:443/sync/batch") == "t0k"
        for other in (
            "https://b.example",
            "http://a.example",
            "https://a.example:8443",
            "https://a.example.evil.example",
        ):
            assert profile.token_for(other) is None

    def test_a_token_without_server_belongs_to_the_first_one(self, path: Path) -> None:
        """Token first, endpoint second is the same as the other way round."""
        config = Config.load()
        config.set("token", "t0k")
        assert config.profile().token_for("https://a.example") is None
        config.set("endpoint", "https://a.example")
        assert config.profile().token_for("https://a.example") == "t0k"

    def test_a_new_token_is_bound_anew(self, home: Path) -> None:
        """Setting the token again, for the endpoint of now, is the way on after a move."""
        config = Config.load()
        config.set("endpoint", "https://a.example")
        config.set("token", "old")
        config.set("endpoint", "https://b.example")
        config.set("token", "new")
        assert config.profile().token_for("https://b.example") == "new"
        assert config.profile().token_for("https://a.example") is None

    def test_unset_takes_the_binding_too(self, path: Path) -> None:
        """The next token must not inherit the last one's server."""
        config = Config.load()
        config.set("endpoint", "https://a.example")
        config.set("token", "old")
        config.unset("token")
        config.save()
        assert read(path)["profiles"]["default"] == {"endpoint": "https://a.example"}

    def test_a_token_shows_nowhere(self, path: Path) -> None:
        """Not in a list, not in a record's repr, not in an error about it."""
        config = Config.load()
        config.set("token", "s3cret")
        assert ("token", "(set)", "profile") in config.entries()
        assert "s3cret" not in repr(config.profile()) + repr(config)
        with pytest.raises(ConfigError) as raised:
            config.set("token", "s3cret\n")
        assert str(raised.value) == "token must be a text without control characters"
        write(path, {"profiles": {"default": {"token": ["s3cret"]}}})
        with pytest.raises(ConfigError) as raised:
            Config.load()
        assert "s3cret" not in str(raised.value)


class TestDatabasePath:
    def test_precedence(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """CLANKERS_DB_PATH, then the profile's db, then the data directory."""
        assert Config.load().database_path() == path.with_name("clankers.db")
        write(path, {"profiles": {"default": {"db": "/profile/p.db"}}})
        assert Config.load().database_path() == Path("/profile/p.db")
        monkeypatch.setenv("CLANKERS_DB_PATH", "/env/e.db")
        assert Config.load().database_path() == Path("/env/e.db")
        assert Config.load().profile().db == Path("/env/e.db")

    def test_paths_written_by_hand(self, path: Path, home: Path) -> None:
        """~ is the home directory; a relative path is beside the file it stands in."""
        write(path, {"profiles": {"default": {"db": "~/a.db"}, "b": {"db": "b.db"}}})
        assert Config.load().database_path() == home / "a.db"
        assert Config.load(profile="b").database_path() == path.with_name("b.db")


class TestZone:
    def test_the_key_names_the_zone(self, path: Path) -> None:
        """Dates are read in the zone of the settings."""
        write(path, {"profiles": {"default": {"timezone": "Asia/Tokyo"}}})
        assert str(Config.load().zone()) == "Asia/Tokyo"

    def test_a_wrong_zone_is_named_with_its_place(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is an error where dates are needed and not before: other commands go on."""
        write(path, {"profiles": {"default": {"timezone": "Mars/Olympus"}}})
        with pytest.raises(ConfigError) as raised:
            Config.load().zone()
        assert str(raised.value) == f"{path}, timezone: there is no time zone 'Mars/Olympus'"
        monkeypatch.setenv("CLANKERS_TIMEZONE", "Europe/Berln")
        with pytest.raises(ConfigError) as raised:
            Config.load().zone()
        assert str(raised.value) == "CLANKERS_TIMEZONE: there is no time zone 'Europe/Berln'"
        assert raised.value.hint == "did you mean 'Europe/Berlin'?"
