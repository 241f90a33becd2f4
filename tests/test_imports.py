"""What is imported when, and which way imports point."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import clankers

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).parent.parent / "src"

# Each costs more than a command that answers at once may take.
HEAVY = {
    "asyncio",
    "attr",
    "attrs",
    "cattrs",
    "dataclasses",
    "genai_prices",
    "importlib.metadata",
    "inspect",
    "logging",
    "msgspec",
    "requests",
    "subprocess",
    "tabulate",
    "tempfile",
    "tenacity",
    "zoneinfo",
    "zstandard",
}

LOADED_BY = """
import sys
before = set(sys.modules)
{act}
print(*sorted(set(sys.modules) - before), file=sys.stderr)
"""
RUN = "from clankers_cli.__main__ import main; code = main({argv!r}); assert code == 0, code"


def loaded_by(act: str) -> set[str]:
    """The modules that a fresh interpreter has after `act` and had not before."""
    found = subprocess.run(
        [sys.executable, "-c", LOADED_BY.format(act=act)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return set(found.stderr.splitlines()[-1].split())


class TestStart:
    def test_importing_clankers_imports_nothing(self) -> None:
        """`import clankers` costs its own two files; all names come when they are used."""
        assert loaded_by("import clankers") == {"clankers", "clankers._version"}

    def test_a_name_loads_its_module(self) -> None:
        """An error class brings no records, a record no database."""
        errors = loaded_by("import clankers; clankers.ClankersError")
        assert "clankers.errors" in errors
        assert not errors & {"clankers.models", "attrs", "apsw"}
        models = loaded_by("import clankers; clankers.Session")
        assert "clankers.models" in models
        assert not models & {"clankers.store", "apsw"}

    @pytest.mark.parametrize("argv", [["--version"], ["--help"]])
    def test_the_bare_command(self, argv: list[str]) -> None:
        """Needs argparse and no module of any command, nor settings, JSON or SQLite."""
        loaded = loaded_by(RUN.format(argv=argv))
        assert not loaded & {*HEAVY, "apsw", "json", "pathlib", "shutil", "typing"}
        assert {name for name in loaded if name.startswith("clankers")} == {
            "clankers",
            "clankers._version",
            "clankers_cli",
            "clankers_cli.__main__",
            "clankers_cli._parser",
            "clankers_cli._terminal",
        }

    def test_config_get(self, home: Path) -> None:
        """Reads one value without records; without a file, without JSON."""
        loaded = loaded_by(RUN.format(argv=["config", "get", "endpoint"]))
        assert not loaded & {*HEAVY, "apsw", "clankers.models", "json", "shutil", "typing"}
        file = home / ".local" / "share" / "clankers" / "clankers.json"
        file.parent.mkdir(parents=True)
        file.write_text('{"profiles": {"default": {"endpoint": "https://a.example"}}}')
        loaded = loaded_by(RUN.format(argv=["config", "get", "endpoint"]))
        assert "json" in loaded
        assert not loaded & {*HEAVY, "apsw", "clankers.models", "shutil", "typing"}

    def test_query(self, tmp_path: Path) -> None:
        """An answer needs argparse, apsw and json, and no record."""
        database = tmp_path / "a.db"
        make = f"import clankers; clankers.Store.open({str(database)!r}).close()"
        subprocess.run([sys.executable, "-c", make], check=True)
        loaded = loaded_by(RUN.format(argv=["--db", str(database), "query", "select 1"]))
        assert "apsw" in loaded
        assert not loaded & {*HEAVY, "clankers.models", "clankers.usage", "shutil", "typing"}
        # What only writes, prompts and saved queries need.
        rest = ("_saved", "_statements", "_script", "_writing", "_completion", "_suggest")
        assert not loaded & {f"clankers.query.{module}" for module in rest}

    def test_libraries_wait_for_their_use(self) -> None:
        """Importing every room loads none of the slow libraries that only some calls need."""
        rooms = "config, conversation, doctor, formats, importing, query, store, times, usage"
        act = "; ".join(f"import clankers.{room}" for room in rooms.split(", "))
        lazy = {"genai_prices", "requests", "tabulate", "tenacity", "zoneinfo", "zstandard"}
        lazy |= {"watchfiles", "clankers.importing._watching"}
        assert not loaded_by(act) & lazy


class TestPublicNames:
    def test_all_of_them_exist(self) -> None:
        """Each name of `__all__` can be had, and `dir` shows it before."""
        assert set(clankers.__all__) <= set(dir(clankers))
        for name in clankers.__all__:
            assert getattr(clankers, name) is not None

    def test_are_sorted(self) -> None:
        """A list that people read."""
        assert clankers.__all__ == sorted(clankers.__all__)

    def test_type_checkers_see_the_same_names(self) -> None:
        """What is imported for type checkers is what is looked up at run time."""
        tree = ast.parse((SOURCE / "clankers" / "__init__.py").read_text(encoding="utf-8"))
        for_checkers = {
            alias.name: node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module != "importlib"
            for alias in node.names
        }
        for name in clankers.__all__:
            found = loaded_home(name)
            assert for_checkers[name] == found, name
        assert sorted(for_checkers) == clankers.__all__

    def test_a_misspelt_name_is_an_attribute_error(self) -> None:
        """As in any module."""
        with pytest.raises(AttributeError, match="module 'clankers' has no attribute 'Stoer'"):
            clankers.Stoer  # type: ignore[attr-defined]  # noqa: B018


def loaded_home(name: str) -> str:
    """The module of clankers that the name is looked up in."""
    homes: dict[str, str] = vars(clankers)["_HOMES"]
    return f"clankers.{homes.get(name, '_version')}"


class Import(NamedTuple):
    """One import statement: where it stands, what it names, whether only type checkers see it."""

    file: Path
    room: str
    target: str
    for_checkers: bool

    def __str__(self) -> str:
        return f"{self.file.relative_to(SOURCE)} imports {self.target}"


# Which rooms of clankers a room may import; see docs/explanation/architecture.md. What is
# in no set of its own may be imported by all: it imports nothing but the standard library.
BASE = {"_lazy", "_paths", "_version", "_visible", "errors"}
EVERYTHING = {"*"}
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": EVERYTHING,
    "_visible": set(),
    "_version": set(),
    "_paths": set(),
    "_lazy": set(),
    "_lock": set(),
    "errors": set(),
    "models": set(),
    "_json_position": set(),
    "_settings": BASE,
    "_config_file": {*BASE, "_settings", "_json_position"},
    "_profile": {"_settings"},
    "_system_zone": BASE,
    "times": {*BASE, "_system_zone"},
    "config": {*BASE, "_settings", "_config_file", "_profile", "_offer", "times"},
    # What a server offers is fetched, and its token checked.
    "_offer": {*BASE, "_settings", "_http", "auth"},
    "auth": {*BASE, "_settings"},
    "server": {*BASE, "_settings", "models", "auth", "wire", "store", "query", "usage"},
    # Times may be shown as people write them.
    "formats": {*BASE, "models", "times"},
    "_codec": {*BASE, "models"},
    "wire": {"models", "errors"},
    "_rpc": {*BASE, "models"},
    "_http": BASE,
    # A search may name its time as a person does.
    "store": {*BASE, "models", "times"},
    "importers": {*BASE, "models", "_codec", "times"},
    "query": {*BASE, "models", "store", "times", "formats"},
    "usage": {*BASE, "models", "store", "times", "formats"},
    "importing": {*BASE, "models", "store", "times", "importers", "usage"},
    "conversation": {"models", "store"},
    "sync": {*BASE, "_http", "_lock", "_profile", "_settings", "auth", "models", "store", "wire"},
    "daemon": {*BASE, "_lock", "models", "_rpc", "store", "config", "importing", "hooks", "sync"},
    "hooks": {*BASE, "models", "_rpc", "store", "config"},
    "testing": {"models"},
    "doctor": EVERYTHING,
}
# Libraries that are slow to import or easy to depend on too much, and the rooms they live in.
HOMES = {
    # The doctor says which version it is.
    "apsw": {"store", "query", "usage", "importers", "doctor", "server", "sync"},
    "attr": set(),
    "cattrs": {"_codec"},
    "genai_prices": {"usage"},
    "msgspec": {"importers", "_codec", "daemon", "formats", "server", "sync"},
    # `prices update` downloads, a profile may be at an address.
    "requests": {"_http", "_offer", "auth", "usage"},
    "tabulate": {"formats"},
    "tenacity": {"_http", "server"},
    "watchfiles": {"importing"},
    "litestar": {"server"},
    "uvicorn": {"server"},
    "httpx": {"server"},
    "prometheus_client": {"server"},
    "zstandard": {"importers", "server", "sync"},
}


def imports_of(package: str) -> Iterator[Import]:
    for file in sorted((SOURCE / package).rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        hidden = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for statement in node.body
            for inner in ast.walk(statement)
        }
        room = file.relative_to(SOURCE / package).parts[0].removesuffix(".py")
        for node in ast.walk(tree):
            for target in targets_of(node):
                yield Import(file, room, target, node in hidden)


def targets_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def room_of(target: str) -> str | None:
    """`clankers.store._rows.X` is in the room `store`; None for what is not of clankers."""
    parts = target.split(".")
    if parts[0] != "clankers":
        return None
    rooms = {path.stem for path in (SOURCE / "clankers").iterdir()}
    return parts[1] if len(parts) > 1 and parts[1] in rooms else "__init__"


class TestDirections:
    def test_every_room_has_its_place(self) -> None:
        """A new module or package must say above what it may import."""
        rooms = {
            path.stem
            for path in (SOURCE / "clankers").iterdir()
            if path.suffix == ".py" or (path / "__init__.py").exists()
        }
        assert rooms - set(MAY_IMPORT) == set()

    def test_rooms_import_only_what_they_may(self) -> None:
        """Importers know no store, the store knows no importer, and so on; also in annotations."""
        wrong = [
            str(found)
            for found in imports_of("clankers")
            if (room := room_of(found.target)) not in {None, found.room}
            and not MAY_IMPORT[found.room] & {"*", room}
        ]
        assert wrong == []

    def test_the_library_knows_no_command_line(self) -> None:
        """clankers never imports clankers_cli."""
        assert [str(x) for x in imports_of("clankers") if x.target.startswith("clankers_cli")] == []

    def test_the_command_line_uses_public_names(self) -> None:
        """All that a command does can be done from Python."""
        wrong = [
            str(found)
            for found in imports_of("clankers_cli")
            if found.target.startswith("clankers.")
            and any(part.startswith("_") for part in found.target.split(".")[1:])
            and found.target != "clankers.__version__"
        ]
        assert wrong == []

    def test_libraries_stay_in_their_homes(self) -> None:
        """A heavy library can be replaced, or left out at start, in one place."""
        wrong = [
            str(found)
            for package in ("clankers", "clankers_cli")
            for found in imports_of(package)
            if (homes := HOMES.get(found.target.split(".")[0])) is not None
            and not found.for_checkers
            and (package == "clankers_cli" or found.room not in homes)
        ]
        assert wrong == []
