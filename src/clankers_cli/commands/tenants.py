"""`clankers-cli tenants`: the tenants of a web service, and moving them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from clankers.errors import ServerError
from clankers.formats import report_table, visible, write_report_json
from clankers.times import short_time
from clankers_cli import _amounts, _asking, _context, _serving

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping


def configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="show all tenants, retired ones too")
    listing.set_defaults(act=_list)

    creating = actions.add_parser("create", help="make a tenant with an empty database")
    creating.add_argument("tenant", metavar="TENANT")
    creating.add_argument("--name", default="", metavar="NAME", help="what people call it")
    creating.set_defaults(act=_create)

    restoring = actions.add_parser("restore", help="take a retired tenant back into use")
    restoring.add_argument("tenant", metavar="TENANT")
    restoring.set_defaults(act=_restore)

    dropping = actions.add_parser("drop", help="delete a tenant with all its data, for good")
    dropping.add_argument("tenant", metavar="TENANT")
    dropping.add_argument("--yes", action="store_true", help="do not ask")
    dropping.set_defaults(act=_drop)

    exporting = actions.add_parser("export", help="write a tenant into a new SQLite file")
    exporting.add_argument("tenant", metavar="TENANT")
    exporting.add_argument("path", metavar="FILE")
    exporting.set_defaults(act=_export)

    importing = actions.add_parser("import", help="make a tenant of such a file")
    importing.add_argument("tenant", metavar="TENANT")
    importing.add_argument("path", metavar="FILE")
    importing.set_defaults(act=_import)

    migrating = actions.add_parser(
        "migrate",
        help="copy all tenants and tokens to another backend",
        description="Copy all tenants and tokens to another backend. Stop the service first; what is here\n"
        "stays as it is. Called again it goes on with what was not copied yet.",
    )
    migrating.add_argument("--to", required=True, choices=("sqlite", "turso"))
    migrating.add_argument("--to-data", metavar="DIR", help="the folder, where it goes to sqlite")
    migrating.set_defaults(act=_migrate)
    for action in (listing, creating, restoring, dropping, exporting, importing, migrating):
        _serving.add_backend_options(action)


def run(args: Namespace) -> int:
    code: int = args.act(args) or 0
    return code


def _list(args: Namespace) -> None:
    found = _serving.operator(args).tenants()
    if args.json:
        rows = [
            {
                "tenant": one.tenant,
                "name": one.name,
                "database": one.database.name,
                "created_at": one.created_at,
                "retired_at": one.retired_at,
            }
            for one in found
        ]
        write_report_json(sys.stdout, rows)
        return
    zone = _context.zone(args)
    shown = [
        (
            one.tenant,
            one.name,
            one.database.name,
            short_time(one.created_at, zone),
            "" if one.retired_at is None else f"retired {short_time(one.retired_at, zone)}",
        )
        for one in found
    ]
    names = ("tenant", "name", "database", "created", "state")
    print(report_table(names, shown) if shown else "no tenants yet")


def _create(args: Namespace) -> None:
    made = _serving.operator(args).create_tenant(args.tenant, args.name)
    print(f"made {visible(made.tenant)} as {made.database.name}")


def _restore(args: Namespace) -> None:
    _serving.operator(args).restore_tenant(args.tenant)
    print(f"{visible(args.tenant)} is in use again")


def _drop(args: Namespace) -> int:
    if not (args.yes or _may_drop(args.tenant)):
        print("nothing was changed", file=sys.stderr)
        return 1
    _serving.operator(args).drop_tenant(args.tenant)
    print(f"dropped {visible(args.tenant)}")
    return 0


def _may_drop(tenant: str) -> bool:
    if not _asking.is_somebody_there():
        raise ServerError(
            "nothing was changed: nobody is there to say yes", hint="--yes drops at once"
        )
    return _asking.ask(f"delete all data of {visible(tenant)}, for good? type yes: ") == "yes"


def _export(args: Namespace) -> None:
    counts = _serving.operator(args).export_tenant(args.tenant, Path(args.path).expanduser())
    _tell(args, {args.tenant: counts})


def _import(args: Namespace) -> None:
    counts = _serving.operator(args).import_tenant(args.tenant, Path(args.path).expanduser())
    _tell(args, {args.tenant: counts})


def _migrate(args: Namespace) -> None:
    here = _serving.settings(args)
    data = here.data if args.to_data is None else Path(args.to_data).expanduser().absolute()
    source = evolve(here, backend="turso" if args.to == "sqlite" else "sqlite")
    moved = (
        _serving.library()
        .Operator(source)
        .migrate(
            evolve(here, backend=args.to, auth="token", data=data),
            progress=lambda tenant: print(f"copied {visible(tenant)}", file=sys.stderr),
        )
    )
    _tell(args, moved)


def _tell(args: Namespace, moved: Mapping[str, Mapping[str, int]]) -> None:
    if args.json:
        write_report_json(sys.stdout, moved)
        return
    for tenant, counts in moved.items():
        rows = sum(count for table, count in counts.items() if table not in ("marks", "batches"))
        print(f"{visible(tenant)}: {_amounts.counted(rows, 'row')}")
    if not moved:
        print("nothing was left to copy")
