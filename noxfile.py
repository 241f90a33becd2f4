"""What CI runs, and what a contributor runs: `nox` alone checks everything."""

from __future__ import annotations

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
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """The wheel, as a user installs it: it runs and shows the sample."""
    folder = session.create_tmp()
    session.install("build==1.6.1")
    session.run("python", "-m", "build", "--outdir", folder, silent=True)
    session.install("--force-reinstall", "--no-deps", "--find-links", folder, "--pre", "clankers-sdk")
    database = f"{folder}/sample.db"
    session.run("clankers-cli", "--db", database, "import", "--sample")
    session.run("clankers-cli", "--db", database, "usage")


@nox.session
def docs(session: nox.Session) -> None:
    """Writes the generated pages of the reference anew."""
    install(session, "test")
    session.run("python", "docs/generate.py")


@nox.session
def crash(session: nox.Session) -> None:
    """The long form of the crash test: an import killed sixty times."""
    install(session, "test")
    session.run("pytest", "tests/importing/test_crash.py", env={"CLANKERS_TEST_KILLS": "60"})


@nox.session
def bench(session: nox.Session) -> None:
    """Measures against peers side by side, see docs/explanation/performance.md."""
    install(session, "bench")
    session.run("python", "-m", "bench", *session.posargs)
