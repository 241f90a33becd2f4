"""`clankers-cli sync`: send what is here to a server, and take in what other devices sent."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from attrs import evolve

from clankers.auth import NoAuth
from clankers.config import SETTINGS
from clankers.errors import AuthError, ConfigError, StoreError, SyncError
from clankers.formats import report_table, visible, write_ndjson, write_report_json
from clankers.store import Store
from clankers.sync import Policy, SyncManager
from clankers_cli import _amounts, _asking, _context, _progress
from clankers_cli import _sync_report as shown

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from pathlib import Path

    from clankers.config import Config, Profile
    from clankers.sync import Progress, Pulled

_LIMIT = 100


def configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    sending = actions.add_parser(
        "now",
        help="send all that waits",
        description="Send all that waits, once, whether or not sync_enabled has the daemon do so.",
    )
    how = sending.add_mutually_exclusive_group()
    how.add_argument("--pull", action="store_true", help="first take in what is new on the server")
    how.add_argument("--dry-run", action="store_true", help="say what would go, send nothing")
    sending.set_defaults(act=_now)

    pulling = actions.add_parser(
        "pull",
        help="take in what other devices sent",
        description="Take in what is new on the server. What is newer here stays, and nothing is\n"
        "destroyed: what was deleted elsewhere goes to the archive. On a new machine, pull before\n"
        "the first import.",
    )
    pulling.set_defaults(act=_pull)

    status = actions.add_parser("status", help="say where sync stands")
    status.add_argument("--offline", action="store_true", help="without asking the server")
    status.set_defaults(act=_status)

    pending = actions.add_parser(
        "pending", help="show what waits to be sent, and what the server refused"
    )
    pending.add_argument(
        "--show",
        action="store_true",
        help="print the next records exactly as they would leave, one JSON object a line",
    )
    pending.add_argument(
        "--limit", metavar="N", type=_count, default=_LIMIT, help=f"show at most N ({_LIMIT})"
    )
    pending.set_defaults(act=_pending)

    resetting = actions.add_parser(
        "reset",
        help="have the next sync send everything once more",
        description="Have the next sync send everything once more, and the next pull take everything\n"
        "in. Nothing is lost by it and nothing comes twice.",
    )
    resetting.add_argument(
        "--move", action="store_true", help="let the database go to another server or tenant"
    )
    resetting.add_argument("--yes", action="store_true", help="do not ask")
    resetting.set_defaults(act=_reset)


def run(args: Namespace) -> int:
    config = _context.config(args)
    code: int = args.act(args, config, config.profile()) or 0
    return code


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


# What argparse calls it when it says that a value is invalid.
_count.__name__ = "number of records"


def _now(args: Namespace, config: Config, profile: Profile) -> None:
    if args.dry_run:
        _tell_what_would_go(args, profile)
        return
    _refuse_where_off(config)
    with _store(args, create=args.pull) as store, SyncManager.of_profile(store, profile) as manager:
        pulled = _pulled(manager) if args.pull else None
        sent = _sent(manager)
        left = manager.pending()
    if args.json:
        write_report_json(sys.stdout, shown.sync_document(sent, pulled, left))
        return
    if pulled is not None:
        print(shown.pulled_text(pulled))
    print(shown.sent_text(sent))
    if text := shown.left_text(left):
        print(f"{text}: 'clankers-cli sync pending' shows more")


def _tell_what_would_go(args: Namespace, profile: Profile) -> None:
    with _store(args) as store, _local(store, profile)[0] as manager:
        rows = shown.ready_rows(manager.pending(look=True))
    if args.json:
        write_report_json(sys.stdout, {"dry_run": True, "rows": rows})
        return
    if rows:
        print(report_table(("table", "rows"), list(rows.items())) + "\n")
    print(f"would send {_amounts.counted(sum(rows.values()), 'row')}")


def _pull(args: Namespace, config: Config, profile: Profile) -> None:
    _refuse_where_off(config)
    with _store(args, create=True) as store, SyncManager.of_profile(store, profile) as manager:
        pulled = _pulled(manager)
    if args.json:
        write_report_json(sys.stdout, shown.pulled_document(pulled))
    else:
        print(shown.pulled_text(pulled))


def _status(args: Namespace, config: Config, profile: Profile) -> None:
    if profile.endpoint is None:
        _tell_that_sync_is_off(args, profile)
        return
    with _reader(args) as store:
        manager, problem = _local(store, profile)
        with manager:
            is_kept_off = _is_off(config)
            asks = not (args.offline or is_kept_off or problem)
            status = shown.in_effect(profile, manager.status(ask_server=asks))
    if problem is not None:
        status = evolve(status, state="unauthorized", server_problem=str(problem))
    if args.json:
        write_report_json(sys.stdout, shown.status_document(profile, status))
        return
    print(shown.status_text(profile, status, _context.zone(args)))
    hint = f"{_variable()} is false, which keeps sync off" if is_kept_off else shown.way_on(status)
    if hint:
        print(f"\n{hint}")


def _tell_that_sync_is_off(args: Namespace, profile: Profile) -> None:
    if args.json:
        write_report_json(sys.stdout, shown.status_document(profile, None))
        return
    print(f"sync is off: the profile {visible(repr(profile.name))} has no endpoint")
    print(shown.HOW_TO_TURN_ON)


def _pending(args: Namespace, config: Config, profile: Profile) -> None:
    del config
    if args.show:
        _show(args, profile)
        return
    with _reader(args) as store, _local(store, profile)[0] as manager:
        pending = manager.pending()
    if args.json:
        write_report_json(sys.stdout, shown.pending_document(pending))
    else:
        print(shown.pending_text(pending))


def _show(args: Namespace, profile: Profile) -> None:
    with _store(args) as store, _local(store, profile)[0] as manager:
        # A record nests, which only JSON can hold.
        records: list[Any] = manager.preview(args.limit)
        waiting = manager.pending().ready
    write_ndjson(sys.stdout, ("table", "record"), records)
    if len(records) < waiting:
        print(f"these are the next {len(records):,} of {waiting:,} that wait", file=sys.stderr)


def _reset(args: Namespace, config: Config, profile: Profile) -> int:
    del config
    with _store(args) as store, _local(store, profile)[0] as manager:
        status = manager.status(ask_server=False)
        rows = _amounts.counted(sum(status.local.values()), "row")
        meaning = (
            f"the next sync sends all {rows} once more, and the next pull takes in all that the"
            " server has; nothing is lost by it and nothing comes twice"
        )
        if args.move and status.tenant is not None:
            meaning += (
                f"\nwhat {status.tenant!r} on {status.origin} has stays there; the next sync binds"
                f" this database to the server and tenant it meets, now {profile.endpoint}"
            )
        if not args.yes and not _may_reset(meaning):
            return 1
        manager.reset(move=args.move)
    print("done: 'clankers-cli sync now' sends everything once more")
    return 0


def _may_reset(meaning: str) -> bool:
    if not _asking.is_somebody_there():
        raise SyncError("nothing was changed: nobody is there to say yes", hint="--yes does it")
    print(visible(meaning, keep_newlines=True), file=sys.stderr)
    if _asking.ask("go on? [y/N] ") in ("y", "yes"):
        return True
    print("nothing was changed", file=sys.stderr)
    return False


# What all of them need


def _store(args: Namespace, *, create: bool = False) -> Store:
    path = _context.database_path(args)
    return Store.open(path if create else _existing(path))


def _reader(args: Namespace) -> Store:
    return Store.open(_existing(_context.database_path(args)), read_only=True)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise StoreError(
            f"there is no database at {path}",
            hint="'clankers-cli sync pull' makes one of what the server has,"
            " 'clankers-cli import' one of what is here",
        )
    return path


def _local(store: Store, profile: Profile) -> tuple[SyncManager, AuthError | None]:
    """One that need not sign in, as it asks no server where it cannot; and why it cannot."""
    try:
        return SyncManager.of_profile(store, profile), None
    except AuthError as problem:
        policy = Policy(profile.redaction, profile.metrics_only, profile.exclude)
        return SyncManager(store, NoAuth(), profile.endpoint or "", policy=policy), problem


def _variable() -> str:
    return SETTINGS["sync_enabled"].variable


def _is_off(config: Config) -> bool:
    return config.source("sync_enabled") == "env" and not config.get("sync_enabled")


def _refuse_where_off(config: Config) -> None:
    if _is_off(config):
        raise ConfigError(
            f"{_variable()} is false in the environment, which keeps sync off; nothing was sent",
            hint=f"unset {_variable()} to sync",
        )


def _sent(manager: SyncManager) -> Progress:
    with _progress.Line() as line:

        def show(progress: Progress) -> None:
            total = progress.sent + progress.waiting
            line.draw(
                lambda: (
                    f"{_progress.bar(progress.sent, total)}  {progress.sent:,} of {total:,} rows"
                    f"  {_amounts.size(progress.bytes)}"
                )
            )

        return manager.sync_now(on_progress=show)


def _pulled(manager: SyncManager) -> Pulled:
    with _progress.Line() as line:

        def show(pulled: Pulled) -> None:
            line.draw(lambda: f"looked at {_amounts.counted(pulled.changes, 'change')}")

        return manager.pull(on_progress=show)
