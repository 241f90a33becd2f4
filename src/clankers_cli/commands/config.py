"""`clankers-cli config`: show or change settings and profiles."""

from __future__ import annotations

import sys

from clankers.config import SETTINGS
from clankers.errors import ConfigError
from clankers_cli import _context, _terminal

TYPE_CHECKING = False  # typing itself is slow to import, and `config get` should not be

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from clankers.config import Config, Setting, Value


# What decides on what leaves this machine.
_RULES = ("exclude", "metrics_only", "redaction")


def configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="show all settings and where they come from")
    listing.set_defaults(act=_list)

    getting = actions.add_parser("get", help="print one setting")
    getting.add_argument("key", metavar="KEY")
    getting.set_defaults(act=_get)

    setting = actions.add_parser("set", help="set one setting", epilog=_reference())
    setting.add_argument("key", metavar="KEY")
    setting.add_argument(
        "values", metavar="VALUE", nargs="*", help="several for a list; a secret is asked for"
    )
    setting.set_defaults(act=_set)

    unsetting = actions.add_parser("unset", help="return one setting to its default")
    unsetting.add_argument("key", metavar="KEY")
    unsetting.set_defaults(act=_unset)

    profiles = actions.add_parser("profiles", help="list, create, use or delete profiles")
    _configure_profiles(profiles)


def run(args: Namespace) -> int:
    code: int = args.act(args, _context.config(args, may_be_new=True)) or 0
    return code


def _configure_profiles(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    actions.add_parser("list", help="show all profiles").set_defaults(act=_list_profiles)
    for name, about, act in (
        ("use", "make a profile the active one", _use_profile),
        ("create", "add an empty profile", _create_profile),
        ("delete", "remove a profile with its settings", _delete_profile),
    ):
        action = actions.add_parser(name, help=about)
        action.add_argument("name", metavar="NAME")
        action.set_defaults(act=act)
    adding = actions.add_parser("add", help="take in a profile that a server offers")
    adding.add_argument("source", metavar="URL_OR_FILE")
    adding.add_argument("--yes", action="store_true", help="do not ask")
    adding.set_defaults(act=_add_profile)


def _list(args: Namespace, config: Config) -> None:
    from clankers.formats import report_table, write_report_json  # `get` does without

    entries = config.entries()
    names = ("key", "value", "source")
    if args.json:
        write_report_json(sys.stdout, [dict(zip(names, row, strict=True)) for row in entries])
    else:
        rows = [(key, _text(value) or None, source) for key, value, source in entries]
        print(report_table(names, rows))
    if unknown := config.unknown_keys():
        _note(f"{config.path} also has {', '.join(unknown)}, which this version does not know")


def _get(args: Namespace, config: Config) -> None:
    value = config.get(args.key)
    if args.json:
        from clankers.formats import write_report_json  # the plain form does without

        found = {"key": args.key, "value": value, "source": config.source(args.key)}
        write_report_json(sys.stdout, found)
    else:
        print(_text(value, between="\n"))


def _set(args: Namespace, config: Config) -> None:
    before = config.get(args.key) if args.key in _RULES else None
    config.set(args.key, _given_value(args.key, args.values))
    config.save()
    variable = SETTINGS[args.key].variable
    if config.source(args.key) == "env":
        _note(f"{variable} is set in the environment and wins over the file")
    if args.key in _RULES:
        from clankers_cli._sent_before import meaning  # all others do without the store

        if text := meaning(args, args.key, before, config.get(args.key)):
            _note(text)


def _unset(args: Namespace, config: Config) -> None:
    config.unset(args.key)
    config.save()


def _list_profiles(args: Namespace, config: Config) -> None:
    from clankers.formats import report_table, write_report_json  # `get` does without

    profiles = [(name, name == config.active_profile) for name in config.profile_names]
    if args.json:
        write_report_json(sys.stdout, [{"name": name, "active": on} for name, on in profiles])
    else:
        rows = [(name, "yes" if on else "") for name, on in profiles]
        print(report_table(("profile", "active"), rows))


def _use_profile(args: Namespace, config: Config) -> None:
    config.use_profile(args.name)
    config.save()
    if config.active_profile != args.name:
        _note(f"this run is told to use {config.active_profile!r}, which wins over the file")


def _create_profile(args: Namespace, config: Config) -> None:
    config.create_profile(args.name)
    config.save()


def _delete_profile(args: Namespace, config: Config) -> None:
    config.delete_profile(args.name)
    config.save()


def _add_profile(args: Namespace, config: Config) -> int:
    from clankers.config import read_offer
    from clankers.formats import report_table
    from clankers_cli import _asking

    offer = read_offer(args.source)
    shown = [
        ("name", offer.name),
        ("endpoint", offer.endpoint),
        ("auth", offer.auth),
        ("workos_client_id", offer.workos_client_id),
        ("token", "(set)" if offer.token else None),
    ]
    print(report_table(("key", "value"), shown), file=sys.stderr)
    if not args.yes:
        if not _asking.is_somebody_there():
            raise ConfigError("nobody is there to say yes", hint="--yes adds it at once")
        if _asking.ask("add this profile? type yes: ") != "yes":
            print("nothing was changed", file=sys.stderr)
            return 1
    config.add_profile(offer)
    config.save()
    _note(f"'clankers-cli config profiles use {offer.name}' makes it the active one")
    return 0


def _given_value(key: str, values: list[str]) -> Value:
    known = SETTINGS.get(key)
    is_list = known is not None and known.kind == "globs"
    if values and (is_list or len(values) == 1):
        return values if is_list else values[0]
    if known is not None and known.secret and not values:
        return _asked_for(key)
    takes = "at least one value" if is_list else f"one value, not {len(values)}"
    raise ConfigError(f"{key} takes {takes}", hint=f"'config unset {key}' removes it")


def _asked_for(key: str) -> str:
    """A secret from the keyboard without echo, or the first line of a pipe: no other user sees it."""
    if _terminal.is_terminal(sys.stdin):
        from getpass import getpass  # only here

        try:
            return getpass(f"{key}: ")
        except EOFError:
            return ""
    return sys.stdin.readline().rstrip("\r\n")


def _text(value: Value, *, between: str = ", ") -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return between.join(value) if isinstance(value, list) else str(value)


def _reference() -> str:
    lines = ["settings:"]
    for key, setting in SETTINGS.items():
        if not setting.kept:
            lines.append(f"  {key:<20} {_about(setting)}")
    return "\n".join(lines)


def _about(setting: Setting) -> str:
    choices = ": " + ", ".join(setting.choices) if setting.choices else ""
    default = "" if setting.default is None else f" ({_text(setting.default)})"
    variable = f" [{setting.variable}]" if setting.variable else ""
    return setting.about + choices + default + variable


def _note(message: str) -> None:
    from clankers.formats import visible

    print(f"note: {visible(message)}", file=sys.stderr)
