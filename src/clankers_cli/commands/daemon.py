"""`clankers-cli daemon`: record live, in the foreground or as a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clankers import daemon
from clankers.errors import ClankersError
from clankers.formats import visible, write_report_json
from clankers_cli import _context

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_LEVELS = ("debug", "info", "warn", "error")
_SHOWN_LINES = 50


def configure(parser: ArgumentParser) -> None:
    parser.description = (
        "Take what agents report while they work, and import what they write, until Ctrl-C or\n"
        "SIGTERM. Without an action it stays in the foreground."
    )
    parser.add_argument("--socket", metavar="PATH", help="where to listen")
    parser.add_argument("--data-root", metavar="DIR", help="the folder of the data directory")
    parser.add_argument("--db-path", metavar="FILE", help="the database, as --db")
    parser.add_argument("--log-level", choices=_LEVELS, help="what is logged (default: info)")
    parser.add_argument("--no-watch", action="store_true", help="import nothing by itself")
    parser.set_defaults(act=_run)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    actions.add_parser("start", help="start one in the background").set_defaults(act=_start)
    actions.add_parser("stop", help="end it").set_defaults(act=_stop)
    actions.add_parser("status", help="say how it is").set_defaults(act=_status)
    logs = actions.add_parser("logs", help="show the end of its log")
    logs.add_argument("--lines", type=int, default=_SHOWN_LINES, metavar="N", help="so many lines")
    logs.set_defaults(act=_logs)
    installing = actions.add_parser("install", help="have it started at login")
    installing.add_argument("--print", action="store_true", help="show the file, write nothing")
    installing.add_argument("--remove", action="store_true", help="take the file away again")
    installing.set_defaults(act=_install)


def run(args: Namespace) -> int:
    if args.data_root is not None:
        # All paths follow from it, those of a process that is started as well.
        os.environ["CLANKERS_DATA_PATH"] = args.data_root
    code: int = args.act(args)
    return code


def _options(args: Namespace) -> daemon.Options:
    if args.db_path is not None:
        args.db = args.db_path
    return daemon.options(
        socket=_socket(args),
        database=_context.database_path(args).absolute(),
        log_level=args.log_level,
        watch=not args.no_watch,
        config=None if args.config is None else Path(args.config).expanduser(),
        profile=args.profile,
    )


def _socket(args: Namespace) -> Path:
    """Without the configuration, which may be broken."""
    given = None if args.socket is None else Path(args.socket).expanduser()
    return daemon.options(socket=given).socket


def _run(args: Namespace) -> int:
    daemon.run(_options(args))
    return 0


def _start(args: Namespace) -> int:
    options = _options(args)
    before = daemon.running(options.socket)
    owner = daemon.start(options)
    print(f"{'runs already' if before is not None else 'started'}, as process {owner}")
    return 0


def _stop(args: Namespace) -> int:
    print("ended" if daemon.stop(_socket(args)) else "no daemon runs")
    return 0


def _status(args: Namespace) -> int:
    socket = _socket(args)
    found = daemon.status(socket)
    if args.json:
        write_report_json(sys.stdout, {"running": found is not None, **(found or {})})
    elif found is None:
        print(f"no daemon runs at {visible(str(socket))}")
    else:
        for name, value in found.items():
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            print(f"{name:<16}{visible(str(shown))}")
    return 0 if found is not None else 1


def _logs(args: Namespace) -> int:
    folder = daemon.options().logs
    files = sorted(folder.glob("clankers-*.jsonl"))
    if not files:
        raise ClankersError(f"there is no log in {folder}", hint="a daemon writes one")
    lines = files[-1].read_text(encoding="utf-8", errors="replace").splitlines()
    for line in lines[-args.lines :]:
        print(visible(line))
    return 0


def _install(args: Namespace) -> int:
    place, content = daemon.unit_file(_command(args))
    if args.print:
        print(content, end="")
    elif args.remove:
        _check_ours(place)
        print(f"{'removed' if place.exists() else 'there is no'} {visible(str(place))}")
        place.unlink(missing_ok=True)
    else:
        _check_ours(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")
        print(f"wrote {visible(str(place))}")
        if sys.platform != "darwin":
            name = place.stem
            print(f"'systemctl --user enable --now {name}' starts it, now and at each login")
    return 0


def _command(args: Namespace) -> list[str]:
    """A daemon as this one would be, wherever it is started."""
    options = _options(args)
    command = [sys.executable, "-P", "-m", "clankers_cli"]
    if options.config is not None:
        command += ["--config", str(options.config)]
    if options.profile is not None:
        command += ["--profile", options.profile]
    command.append("daemon")
    if args.data_root is not None:
        command += ["--data-root", str(Path(args.data_root).expanduser().absolute())]
    command += ["--socket", str(options.socket), "--db-path", str(options.database)]
    if options.log_level != "info":
        command += ["--log-level", options.log_level]
    return command if options.watch else [*command, "--no-watch"]


def _check_ours(place: Path) -> None:
    try:
        content = place.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    if "clankers_cli" not in content:
        raise ClankersError(
            f"{place} is not ours", hint="it was left as it is; move it away to go on"
        )
