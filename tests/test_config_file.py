"""clankers.json on disk: broken files, other writers, rights, full disks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clankers.config import SETTINGS, Config
from clankers.errors import ConfigError

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX file modes")


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


BROKEN = [
    ("", 1, 1, "not JSON"),
    ('{\n  "profiles": {,\n', 2, 16, "not JSON"),
    ('{"profiles": {}\n} trailing', 2, 3, "not JSON"),
    ("[]", 1, 1, "the file must be a JSON object"),
    ('{"active_profile": 3}', 1, 20, "active_profile must be the name of a profile"),
    ('{\n "profiles": []}', 2, 14, "profiles must be a JSON object"),
    ('{"profiles": {"a":\n\t"x"}}', 2, 2, "profiles.a must be a JSON object"),
    (
        '{"odd": {"profiles": "{"}, "profiles": {"default": {"x": [1],\n "sync_interval": "30"}}}',
        2,
        19,
        "profiles.default.sync_interval must be a whole number above 0, not '30'",
    ),
    (
        '{"profiles": {"a": {}, "ä": {"sync_enabled": "true"}}}',
        1,
        46,
        "profiles.ä.sync_enabled must be true or false, not 'true'",
    ),
    ('{"profiles": {"a": {"endpoint": "ftp://x"}}}', 1, 33, "profiles.a.endpoint must be an http"),
    ('{"a": 1,\n  "b": \udcff}', 2, 8, "not UTF-8 text"),
]


class TestBrokenFile:
    @pytest.mark.parametrize(("text", "line", "column", "reason"), BROKEN)
    def test_is_reported_with_line_and_column(
        self, path: Path, text: str, line: int, column: int, reason: str
    ) -> None:
        """Broken JSON and a value of the wrong type are both found where they stand."""
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        with pytest.raises(ConfigError) as raised:
            Config.load()
        assert str(raised.value).startswith(f"{path}, line {line}, column {column}: {reason}")
        assert raised.value.hint == "mend the file or move it away; it was left as it is"

    @pytest.mark.parametrize("text", [case[0] for case in BROKEN])
    def test_is_never_overwritten(self, path: Path, text: str) -> None:
        """One that broke after it was read is left byte for byte."""
        config = Config.load()
        config.set("sync_interval", 5)
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        before = path.read_bytes()
        with pytest.raises(ConfigError, match="line"):
            config.save()
        assert path.read_bytes() == before

    @pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
    def test_json_that_python_cannot_hold(self, path: Path, text: str) -> None:
        """Too deep or too long a number is an error of ours, not a crash."""
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match="is not usable JSON"):
            Config.load()

    def test_a_folder_in_its_place(self, path: Path) -> None:
        """What cannot be read at all is named with the reason."""
        path.mkdir()
        with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
            Config.load()

    def test_a_byte_order_mark_is_no_fault(self, path: Path) -> None:
        """Some editors begin UTF-8 files with one."""
        path.write_text('\ufeff{"profiles": {"default": {"sync_interval": 5}}}', encoding="utf-8")
        assert Config.load().get("sync_interval") == 5


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
unknown = st.dictionaries(
    st.text(max_size=8).filter(lambda key: key not in {*SETTINGS, "active_profile", "profiles"}),
    json_values,
    max_size=4,
)


class TestSave:
    def test_what_is_not_known_is_kept_in_order(self, path: Path) -> None:
        """Unknown keys of every level stay where they were; only the change is new."""
        path.write_text(
            '{"z": 1, "profiles": {"b": {"y": [1, {"q": null}]}, "default":'
            ' {"new_key": "ü", "sync_interval": 5, "old_key": 1.5}}, "a": {}}',
            encoding="utf-8",
        )
        config = Config.load()
        config.set("sync_interval", 6)
        config.set("sync_mode", "polling")
        config.save()
        assert config.unknown_keys() == ["new_key", "old_key"]
        expected = """\
{
  "z": 1,
  "profiles": {
    "b": {
      "y": [
        1,
        {
          "q": null
        }
      ]
    },
    "default": {
      "new_key": "ü",
      "sync_interval": 6,
      "old_key": 1.5,
      "sync_mode": "polling"
    }
  },
  "a": {},
  "active_profile": "default"
}
"""
        assert path.read_text(encoding="utf-8") == expected

    @given(top=unknown, other=unknown, own=unknown)
    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_unknown_json_survives(
        self, path: Path, top: dict[str, Any], other: dict[str, Any], own: dict[str, Any]
    ) -> None:
        """Setting one key leaves every other as it was, whatever a newer version put there."""
        write(path, {**top, "profiles": {"other": other, "default": own}})
        config = Config.load(path)
        config.set("sync_interval", 6)
        config.save()
        after = read(path)
        assert after.pop("active_profile") == "default"
        assert after["profiles"]["default"].pop("sync_interval") == 6
        expected = {**top, "profiles": {"other": other, "default": own}}
        assert json.dumps(after) == json.dumps(expected)

    def test_a_new_file_has_its_names_first(self, path: Path) -> None:
        """The form that the documents show."""
        config = Config.load()
        config.set("sync_interval", 5)
        config.save()
        expected = """\
{
  "active_profile": "default",
  "profiles": {
    "default": {
      "sync_interval": 5
    }
  }
}
"""
        assert path.read_text(encoding="utf-8") == expected

    @posix_only
    def test_the_file_is_private_whatever_the_umask(self, home: Path) -> None:
        """A token may stand in it: 0600, its folder 0700."""
        before = os.umask(0)
        try:
            config = Config.load()
            config.set("token", "t0k")
            config.save()
        finally:
            os.umask(before)
        assert config.path.stat().st_mode & 0o777 == 0o600
        assert config.path.parent.stat().st_mode & 0o777 == 0o700

    @posix_only
    def test_a_looser_file_is_tightened_when_it_is_read(self, path: Path) -> None:
        """Also one that is only read, and one that was already stricter stays so."""
        write(path, {})
        path.chmod(0o644)
        Config.load()
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o400)
        Config.load()
        assert path.stat().st_mode & 0o777 == 0o400

    @posix_only
    def test_another_folder_keeps_its_rights(self, tmp_path: Path) -> None:
        """Only the data directory is ours to close; --config may point anywhere."""
        folder = tmp_path / "shared"
        folder.mkdir(mode=0o755)
        config = Config.load(folder / "c.json")
        config.set("sync_interval", 5)
        config.save()
        assert folder.stat().st_mode & 0o777 == 0o755
        assert (folder / "c.json").stat().st_mode & 0o777 == 0o600

    @posix_only
    def test_a_link_stays_a_link(self, path: Path, tmp_path: Path) -> None:
        """The file that a link points to is replaced, as people who keep dotfiles expect."""
        real = tmp_path / "dotfiles" / "clankers.json"
        real.parent.mkdir()
        write(real, {"kept": 1})
        path.symlink_to(real)
        config = Config.load()
        config.set("sync_interval", 5)
        config.save()
        assert path.is_symlink()
        assert (read(real)["kept"], read(real)["profiles"]["default"]) == (1, {"sync_interval": 5})

    def test_two_that_save_keep_both_changes(self, path: Path) -> None:
        """A change is made on what the file says when it is saved, not when it was read."""
        one, two = Config.load(), Config.load()
        one.set("sync_interval", 5)
        two.set("sync_mode", "polling")
        one.save()
        two.save()
        assert read(path)["profiles"]["default"] == {"sync_interval": 5, "sync_mode": "polling"}
        assert two.get("sync_interval") == 5

    def test_what_a_killed_writer_left_is_no_obstacle(self, path: Path) -> None:
        """Its temporary file and its lock are taken over."""
        path.with_name("clankers.json.tmp").write_text("{", encoding="utf-8")
        path.with_name("clankers.json.lock").touch()
        config = Config.load()
        config.set("sync_interval", 5)
        config.save()
        left = sorted(file.name for file in path.parent.iterdir())
        assert left == ["clankers.json", "clankers.json.lock"]

    def test_a_path_that_is_not_utf8(self, path: Path) -> None:
        """File names are bytes; one that is no text comes back the same."""
        config = Config.load()
        config.set("db", "/data/\udcff.db")
        config.save()
        assert Config.load().database_path() == Path("/data/\udcff.db")

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        """The error names the file and the reason, and what was in the way is untouched."""
        (tmp_path / "in_the_way").write_text("x", encoding="utf-8")
        config = Config(tmp_path / "in_the_way" / "c.json", {})
        config.set("sync_interval", 5)
        with pytest.raises(ConfigError, match=r"c\.json cannot be written: "):
            config.save()

    @posix_only
    def test_a_full_disk_leaves_the_old_file(self, path: Path) -> None:
        """A write that fails half-way changes nothing and leaves nothing behind."""
        write(path, {"kept": "x" * 5000})
        before = path.read_bytes()
        found = subprocess.run(
            [sys.executable, "-c", WRITE_WITHOUT_ROOM], capture_output=True, text=True, check=True
        )
        assert found.stdout.startswith(f"{path} cannot be written: ")
        assert path.read_bytes() == before
        left = sorted(file.name for file in path.parent.iterdir())
        assert left == ["clankers.json", "clankers.json.lock"]

    def test_many_writers_at_once_lose_nothing(self, path: Path) -> None:
        """Of processes that all write, each change arrives; a reader never sees half a file."""
        writers = [
            subprocess.Popen([sys.executable, "-c", CREATE_PROFILES, str(number)])
            for number in range(4)
        ]
        while any(writer.poll() is None for writer in writers):
            Config.load()
        assert [writer.returncode for writer in writers] == [0] * 4
        expected = {f"p{number}-{turn}" for number in range(4) for turn in range(15)}
        assert set(Config.load().profile_names) == {*expected, "default"}


WRITE_WITHOUT_ROOM = """
import resource
from clankers.config import Config
from clankers.errors import ConfigError
config = Config.load()
config.set("sync_interval", 5)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    config.save()
except ConfigError as problem:
    print(problem)
"""

CREATE_PROFILES = """
import sys
from clankers.config import Config
for turn in range(15):
    config = Config.load()
    config.create_profile(f"p{sys.argv[1]}-{turn}")
    config.save()
"""
