"""What a service is deployed by, and that its reference leaves nothing out."""

from __future__ import annotations

import configparser
import importlib
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clankers.server import Settings, settings_from
from clankers.server._settings import Limits
from server._running import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
PORT = 8750
VARIABLE = re.compile(r"\bCLANKERS_SERVER_[A-Z_]+\b")
ERROR_CODES = [
    "invalid_request",
    "unauthorized",
    "forbidden",
    "not_found",
    "tenant_not_found",
    "conflict",
    "payload_too_large",
    "rate_limited",
    "unavailable",
    "internal_error",
]
REJECTION_CODES = [
    "missing_field",
    "invalid_field",
    "invalid_record",
    "too_large",
    "base_mismatch",
    "unknown_table",
]
REASONS = ["store_changed", "batch_reused", "clock_ahead"]


def read(*path: str) -> str:
    return ROOT.joinpath(*path).read_text("utf-8")


def variables() -> set[str]:
    """Every variable that a service reads."""
    names = {field.name for field in attrs.fields(Settings)} - {"limits"}
    names |= {f"limit_{field.name}" for field in attrs.fields(Limits)}
    return {f"CLANKERS_SERVER_{name.upper()}" for name in names}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile line by line, each with what it is."""
    text = re.sub(r"^#.*\n", "", read("deploy", "Dockerfile"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines if line.strip()]


def last(instruction: str) -> str:
    return [value for name, value in instructions() if name == instruction][-1]


def image_environment() -> dict[str, str]:
    return dict(part.split("=", 1) for part in shlex.split(last("ENV")))


def compose() -> Any:
    return importlib.import_module("yaml").safe_load(read("deploy", "compose.yaml"))


def fly() -> dict[str, Any]:
    return tomllib.loads(read("deploy", "fly.toml"))


def unit() -> dict[str, list[str]]:
    """The section [Service]: a key may stand there several times."""
    found: dict[str, list[str]] = {}
    section = read("deploy", "clankers.service").partition("[Service]")[2].partition("[Install]")[0]
    for line in section.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that is set up as the image sets it up, but for its folder and port."""
    folder = tmp_path_factory.mktemp("deployed") / "data"
    environment = image_environment()
    environment = {name: value for name, value in environment.items() if name != "PATH"}
    environment["CLANKERS_SERVER_PUBLIC_URL"] = fly()["env"]["CLANKERS_SERVER_PUBLIC_URL"]
    with Service(folder, variables=environment) as started:
        yield started


@pytest.mark.parametrize(
    "name", ["Dockerfile", "compose.yaml", "fly.toml", "clankers.service"], ids=str
)
def test_names_only_settings_that_exist(name: str) -> None:
    """A mistyped variable would be ignored without a word."""
    named = set(VARIABLE.findall(read("deploy", name)))
    assert named
    assert named - variables() == set()


class TestImage:
    def test_runs_as_nobody_in_particular(self) -> None:
        """The last user is a number other than 0, which owns the folder of the data."""
        assert last("USER") == "10001:10001"
        made = [value for name, value in instructions() if name == "RUN"][-1]
        assert "useradd --system --uid 10001" in made
        assert "install --directory --owner=10001 --group=10001 --mode=0700 /data" in made

    def test_has_the_user_and_folder_before_the_volume(self) -> None:
        """What is done to a folder after it became a volume is lost."""
        names = [name for name, _value in instructions()]
        assert last("VOLUME") == "/data"
        assert names.index("VOLUME") > len(names) - names[::-1].index("RUN") - 1

    def test_builds_in_another_stage(self) -> None:
        """The checkout and the caches of pip stay behind."""
        stages = [value for name, value in instructions() if name == "FROM"]
        assert stages == ["python:3.13-slim AS build", "python:3.13-slim"]
        copied = [value for name, value in instructions() if name == "COPY"]
        assert copied[-1] == "--from=build /opt/clankers /opt/clankers"
        assert "clankers-sdk[server] @ file://" in read("deploy", "Dockerfile")

    def test_copies_what_is_there(self) -> None:
        """Each file that a wheel is built of stands in the checkout."""
        copied = [value.split()[:-1] for name, value in instructions() if name == "COPY"][:-1]
        assert copied == [["pyproject.toml", "README.md", "LICENSE"], ["src"]]
        assert all((ROOT / one).exists() for names in copied for one in names)

    def test_listens_for_everybody_with_tokens(self) -> None:
        """A container is reached from outside, so it must not run with auth none."""
        environment = image_environment()
        settings = settings_from({}, environment)
        settings.check()
        assert (settings.host, settings.port, settings.auth) == ("0.0.0.0", PORT, "token")
        assert settings.data == Path("/data")
        assert last("EXPOSE") == str(PORT)

    def test_ends_by_the_signal_that_finishes_what_is_in_flight(self) -> None:
        """The program is the first process itself: a shell would swallow the signal."""
        assert last("STOPSIGNAL") == "SIGTERM"
        assert last("CMD") == '["clankers-cli", "serve"]'

    def test_health_check_finds_a_service_alive(self, running: Service) -> None:
        """The program of the check succeeds while the service answers, and fails without it."""
        check = last("HEALTHCHECK").partition(" CMD ")[2]
        _python, _option, program = json.loads(check)
        port = running.url.rpartition(":")[2]
        assert f", {PORT}, " in program
        assert exit_code(program.replace(f", {PORT}, ", f", {port}, ")) == 0
        assert exit_code(program.replace(f", {PORT}, ", ", 1, ")) == 1


def exit_code(program: str) -> int:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    return done.returncode


class TestCompose:
    def test_only_the_service_is_reached_from_outside(self) -> None:
        """The admin API deletes databases: it is on a network that leads nowhere else."""
        services, networks = compose()["services"], compose()["networks"]
        assert services["clankers"]["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
        assert "ports" not in services["libsql"]
        assert services["libsql"]["networks"] == ["databases"]
        assert networks["databases"] == {"internal": True}

    def test_the_service_finds_its_databases(self) -> None:
        """The addresses of the service are those at which the server listens."""
        service = compose()["services"]["clankers"]["environment"]
        server = compose()["services"]["libsql"]["environment"]
        assert service["CLANKERS_SERVER_BACKEND"] == "turso"
        assert service["CLANKERS_SERVER_LIBSQL_URL"] == "http://libsql:8080"
        assert service["CLANKERS_SERVER_LIBSQL_ADMIN_URL"] == "http://libsql:8081"
        assert server["SQLD_HTTP_LISTEN_ADDR"] == "0.0.0.0:8080"
        assert server["SQLD_ADMIN_LISTEN_ADDR"] == "0.0.0.0:8081"
        assert "--enable-namespaces" in compose()["services"]["libsql"]["command"]

    def test_secrets_come_from_the_environment(self) -> None:
        """Both sides have the same key, and without one nothing starts."""
        services = compose()["services"]
        key = services["clankers"]["environment"]["CLANKERS_SERVER_LIBSQL_ADMIN_KEY"]
        assert key == "${CLANKERS_SERVER_LIBSQL_ADMIN_KEY:?a long random text}"
        assert services["libsql"]["environment"]["LIBSQL_ADMIN_AUTH_KEY"] == key

    def test_builds_the_image(self) -> None:
        """The context is the checkout, from where the Dockerfile copies."""
        build = compose()["services"]["clankers"]["build"]
        assert (DEPLOY / build["context"]).resolve() == ROOT.resolve()
        assert (ROOT / build["dockerfile"]) == DEPLOY / "Dockerfile"


class TestFly:
    def test_stays_one_machine_with_its_files(self) -> None:
        """A machine that is stopped, or a second one, would lack the databases."""
        assert fly()["mounts"] == {"source": "clankers_data", "destination": "/data"}
        assert fly()["http_service"]["auto_stop_machines"] == "off"
        assert fly()["http_service"]["min_machines_running"] == 1

    def test_leads_to_the_port_of_the_image(self) -> None:
        """Over https alone: tokens are sent."""
        assert fly()["http_service"]["internal_port"] == PORT
        assert fly()["checks"]["alive"]["port"] == PORT
        assert fly()["http_service"]["force_https"] is True
        assert (DEPLOY / fly()["build"]["dockerfile"]).is_file()

    def test_checks_are_answered(self, running: Service) -> None:
        """Each asks a path that there is, by a host that the service answers to."""
        (ready,) = fly()["http_service"]["checks"]
        alive = fly()["checks"]["alive"]
        assert (ready["path"], alive["path"]) == ("/health", "/health/live")
        for check in (ready, alive):
            answer = running.get(check["path"], headers=check["headers"])
            assert answer.status_code == 200
        assert running.get("/health", headers={"Host": "172.19.0.2:8750"}).status_code == 421

    def test_is_given_time_to_end(self) -> None:
        """Longer than the thirty seconds for what is in flight."""
        assert fly()["kill_signal"] == "SIGTERM"
        assert fly()["kill_timeout"] > 30


class TestUnit:
    def test_runs_as_a_user_of_its_own(self) -> None:
        """What it may write to is the folder of its databases."""
        assert unit()["DynamicUser"] == ["yes"]
        assert unit()["StateDirectory"] == ["clankers"]
        assert unit()["StateDirectoryMode"] == ["0700"]
        assert "CLANKERS_SERVER_DATA=%S/clankers" in unit()["Environment"]
        assert unit()["ProtectSystem"] == ["strict"]
        assert unit()["NoNewPrivileges"] == ["yes"]
        assert unit()["CapabilityBoundingSet"] == [""]

    def test_serves_the_proxy_of_the_same_machine(self) -> None:
        """With tokens, at the port that the how-to's proxies lead to."""
        environment = dict(one.split("=", 1) for one in unit()["Environment"])
        settings = settings_from({}, environment)
        assert (settings.host, settings.port, settings.auth) == ("127.0.0.1", PORT, "token")
        assert settings.trusted_proxies == ("127.0.0.1",)
        assert unit()["ExecStart"] == ["/opt/clankers/bin/clankers-cli serve"]
        how_to = read("docs", "how-to", "deploy.md")
        assert f"proxy_pass http://127.0.0.1:{PORT};" in how_to
        assert f"reverse_proxy 127.0.0.1:{PORT}" in how_to

    def test_is_read_by_systemd(self) -> None:
        """Every line belongs to a section, and is a key with its value."""
        parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
        parser.optionxform = str  # type: ignore[method-assign,assignment]
        parser.read_string(read("deploy", "clankers.service"))
        assert parser.sections() == ["Unit", "Service", "Install"]
        assert parser["Install"]["WantedBy"] == "multi-user.target"

    def test_is_given_time_to_end(self) -> None:
        """Longer than the thirty seconds for what is in flight."""
        assert unit()["KillSignal"] == ["SIGTERM"]
        assert int(unit()["TimeoutStopSec"][0]) > 30


class TestReference:
    def test_has_every_setting_and_no_other(self) -> None:
        """Whoever adds a setting says what it means."""
        named = set(VARIABLE.findall(read("docs", "reference", "web-service.md")))
        assert named == variables()

    def test_has_the_option_of_every_setting(self) -> None:
        """All that `serve` takes, but for what every command takes."""
        done = subprocess.run(
            [sys.executable, "-m", "clankers_cli", "serve", "--help"],
            capture_output=True,
            text=True,
            check=True,
        )
        everybodys = {"--help", "--version"}
        offered = set(re.findall(r"^  (--[a-z-]+)", done.stdout, re.MULTILINE)) - everybodys
        assert "--libsql-url" in offered
        page = read("docs", "reference", "web-service.md")
        assert [one for one in sorted(offered - global_options()) if f"`{one}`" not in page] == []

    def test_has_every_route(self, running: Service) -> None:
        """Each route of the OpenAPI document stands with its method."""
        page = read("docs", "reference", "web-service.md")
        paths = running.get("/docs/openapi.json").json()["paths"]
        routes = [f"`{method.upper()} {path}`" for path in paths for method in paths[path]]
        assert "`POST /sync/batch`" in routes
        assert [route for route in routes if route not in page] == []

    def test_has_every_parameter(self, running: Service) -> None:
        """What can be asked for in an address is named on one of the two pages."""
        page = read("docs", "reference", "web-service.md")
        page += read("docs", "reference", "sync-protocol.md")
        paths = running.get("/docs/openapi.json").json()["paths"]
        names = {
            parameter["name"]
            for operations in paths.values()
            for operation in operations.values()
            for parameter in operation.get("parameters", [])
        }
        assert "everything" in names
        missing = [
            name for name in sorted(names) if f"`{name}`" not in page and f"{{{name}}}" not in page
        ]
        assert missing == []

    @pytest.mark.parametrize("code", ERROR_CODES)
    def test_has_every_error_code(self, code: str) -> None:
        """A program that handles errors finds each with its status."""
        page = read("docs", "reference", "web-service.md")
        assert re.search(rf"^\| `{code}` \| [45]\d\d \| [`\w]", page, re.MULTILINE)

    def test_has_every_status(self, running: Service) -> None:
        """Each status that a route may answer stands beside a code."""
        page = read("docs", "reference", "web-service.md")
        paths = running.get("/docs/openapi.json").json()["paths"]
        statuses = {
            status
            for operations in paths.values()
            for operation in operations.values()
            for status in operation["responses"]
            if status >= "4"
        }
        assert "421" in statuses
        assert statuses == set(re.findall(r"^\| `\w+` \| ([45]\d\d) \|", page, re.MULTILINE))

    @pytest.mark.parametrize("code", [*REJECTION_CODES, *REASONS])
    def test_the_protocol_has_every_code(self, code: str) -> None:
        """A device that was refused finds why."""
        page = read("docs", "reference", "sync-protocol.md")
        assert re.search(rf"^\| `{code}` \| [`\w]", page, re.MULTILINE)

    def test_knows_every_code_of_the_source(self) -> None:
        """The lists above are those of the program."""
        source = "".join(
            path.read_text("utf-8")
            for folder in ("server", "wire")
            for path in sorted((ROOT / "src" / "clankers" / folder).rglob("*.py"))
        )
        statuses = r"\b(?:[45]\d\d|status)(?:,|:) \"([a-z_]+)\""
        assert set(re.findall(statuses, source)) == set(ERROR_CODES)
        assert set(re.findall(r"reason=\"(\w+)\"", source)) == set(REASONS)
        refused = r"(?:_RefusedError\(\s*|Rejection\([^()]*|_reject\(change, )\"([a-z]+_[a-z]+)\""
        assert set(re.findall(refused, source)) - set(REJECTION_CODES) == set()


def global_options() -> set[str]:
    return set(re.findall(r"^\| `(?:-\w, )?(--[a-z-]+)", _part_for_all(), re.MULTILINE))


def _part_for_all() -> str:
    page = read("docs", "reference", "cli.md")
    found = re.search(r"<!-- generated: global options -->(.*?)<!-- /generated", page, re.DOTALL)
    assert found
    return found[1]
