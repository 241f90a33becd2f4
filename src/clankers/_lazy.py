"""Public names of a package that load when they are first used (PEP 562)."""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def lazily(package: dict[str, Any], homes: Mapping[str, str]) -> Callable[[str], object]:
    """The `__getattr__` of a package whose globals are given, and the module each name is in.

    It stands where type checkers do not look, so that they still catch a misspelt name.
    """

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package['__name__']!r} has no attribute {name!r}")
        from importlib import import_module

        found: object = getattr(import_module(f"{package['__name__']}.{homes[name]}"), name)
        package[name] = found
        return found

    return find
