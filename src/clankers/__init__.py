"""The flight recorder for AI coding agents: their sessions in one SQLite database.

::

    import clankers

    with clankers.Store.open() as store:
        clankers.import_sessions(store)

        for session in store.sessions(source="claude-code", limit=10):
            print(session.created_datetime, session.title)

        answer = clankers.Query(store).query(
            "SELECT model, sum(output_tokens) AS tokens FROM usage GROUP BY model"
        )
        print(answer.to_dicts())

Names are imported when they are first used, so that `import clankers` costs nothing.
"""

from clankers._version import __version__

# A name that type checkers know; `typing` itself would take longer than all the rest here.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from clankers.config import Config, Profile
    from clankers.errors import ClankersError
    from clankers.importing import ImportReport, import_sessions, watch_sessions
    from clankers.models import (
        Attachment,
        Compaction,
        Message,
        Session,
        SessionError,
        ToolCall,
        Usage,
    )
    from clankers.query import Query, Result
    from clankers.store import Store
    from clankers.usage import UsageTotal, total_usage
else:
    # Unseen by type checkers, so that they still catch a misspelt name.
    _HOMES = {
        "Attachment": "models",
        "ClankersError": "errors",
        "Compaction": "models",
        "Config": "config",
        "ImportReport": "importing",
        "Message": "models",
        "Profile": "config",
        "Query": "query",
        "Result": "query",
        "Session": "models",
        "SessionError": "models",
        "Store": "store",
        "ToolCall": "models",
        "Usage": "models",
        "UsageTotal": "usage",
        "import_sessions": "importing",
        "total_usage": "usage",
        "watch_sessions": "importing",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        from importlib import import_module

        found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "Attachment",
    "ClankersError",
    "Compaction",
    "Config",
    "ImportReport",
    "Message",
    "Profile",
    "Query",
    "Result",
    "Session",
    "SessionError",
    "Store",
    "ToolCall",
    "Usage",
    "UsageTotal",
    "__version__",
    "import_sessions",
    "total_usage",
    "watch_sessions",
]
