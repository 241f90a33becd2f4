"""Everything clankers raises on purpose.

::

    ClankersError
    ├── ConfigError            clankers.json or a setting is wrong
    ├── StoreError             the database
    │   ├── NotADatabaseError
    │   ├── NewerSchemaError
    │   ├── ReadOnlyError
    │   ├── DatabaseBusyError
    │   ├── DiskFullError
    │   └── UnknownSessionError
    ├── QueryError             a statement could not be run
    │   ├── QueryRefusedError
    │   ├── QueryTimeoutError
    │   ├── ConfirmationError      a destructive script needs a yes
    │   └── WriteConflictError     the data changed between the trial and the run
    ├── ImporterError          a source could not be read
    │   └── UnknownAgentError
    ├── DaemonError            the daemon cannot start, or does not answer
    ├── AuthError              a credential cannot be used
    │   └── InsecureTransportError  it would travel where others can read it
    ├── SyncError              sync cannot go on as it is
    │   ├── SyncBusyError          another process syncs this database
    │   ├── UnreachableError       the server does not answer now; later it may
    │   ├── UnauthorizedError      the server does not let us in
    │   └── PinnedError            the database belongs to another server or tenant
    ├── ServerError            the web service cannot start, or cannot do what it is asked
    │   └── BackendError       a tenant's database
    │       ├── ConstraintError        a statement broke a rule of the schema
    │       ├── NoSuchTenantError
    │       └── BackendUnavailableError  it does not answer now; later it may
    ├── InvalidParamsError     what is reported live is not what it should be
    │   └── MissingFieldError      it lacks what it needs
    └── UsageError             a report or price was asked for in a way that has no answer

Each carries `hint`, one sentence on what to do next, or `""`.
"""

from __future__ import annotations


class ClankersError(Exception):
    """Base of all errors below; `str()` says what was wrong, `hint` what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(ClankersError):
    """A configuration file or a setting cannot be used."""


class StoreError(ClankersError):
    """The database cannot be opened, read or written."""


class NotADatabaseError(StoreError):
    """The file is not a SQLite database, or not one of ours."""


class NewerSchemaError(StoreError):
    """The database was written by a newer clankers; it is left untouched."""


class ReadOnlyError(StoreError):
    """The database or its folder cannot be written."""


class DatabaseBusyError(StoreError):
    """Another process kept the database locked for longer than the busy timeout."""


class DiskFullError(StoreError):
    """No space is left; the transaction was rolled back, nothing was lost."""


class UnknownSessionError(StoreError):
    """No session, or more than one, has the id that was asked for."""


class QueryError(ClankersError):
    """A SQL statement could not be run.

    Attributes:
        offset: where in the SQL the problem stands, in characters; None when SQLite did not say.
    """

    def __init__(self, message: str, *, hint: str = "", offset: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.offset = offset


class QueryRefusedError(QueryError):
    """The statement would do more than it may.

    Attributes:
        operation: what was refused, in SQL's words, such as ``DELETE`` or ``ATTACH``.
    """

    def __init__(
        self, message: str, *, operation: str, hint: str = "", offset: int | None = None
    ) -> None:
        super().__init__(message, hint=hint, offset=offset)
        self.operation = operation


class QueryTimeoutError(QueryError):
    """The statement ran longer than its time limit and was stopped."""


class ConfirmationError(QueryError):
    """A script would destroy something, and nobody said yes; nothing was changed."""


class WriteConflictError(QueryError):
    """A script would no longer change what its trial changed; nothing was changed."""


class ImporterError(ClankersError):
    """A source as a whole cannot be read; a bad line inside one never raises."""


class UnknownAgentError(ImporterError):
    """No importer has that name."""


class UsageError(ClankersError):
    """A usage report or price change was asked for in a way that has no answer."""


class DaemonError(ClankersError):
    """The daemon cannot start, or does not answer as it should.

    Attributes:
        code: the code of a JSON-RPC error that it answered with; None where it did not.
    """

    def __init__(self, message: str, *, hint: str = "", code: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code


class AuthError(ClankersError):
    """A credential cannot be used as it is, or where it is."""


class InsecureTransportError(AuthError):
    """A secret would go over plain http to another machine; nothing was sent."""


class SyncError(ClankersError):
    """Sync cannot go on as it is; all that waits to be sent is kept."""


class SyncBusyError(SyncError):
    """Another process syncs this database; two at once would only be in each other's way."""


class UnreachableError(SyncError):
    """The server does not answer, is busy or not ready; the same may succeed later.

    Attributes:
        retry_after: seconds after which the server wants to be asked again; None where it
            did not say.
    """

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class UnauthorizedError(SyncError):
    """The server does not let us in: there is no credential, or not the right one."""


class PinnedError(SyncError):
    """The database syncs to one server and tenant, and this is another; nothing was sent."""


class ServerError(ClankersError):
    """The web service cannot start, or cannot do what its operator asks."""


class BackendError(ServerError):
    """A tenant's database could not be read or written; nothing of the call was kept."""


class ConstraintError(BackendError):
    """A statement broke a rule of the schema, such as the guard against a second writer."""


class NoSuchTenantError(BackendError):
    """There is no database of that tenant."""


class BackendUnavailableError(BackendError):
    """The database does not answer, is busy or has no room; the same call may succeed later.

    Attributes:
        is_unknown: True when the call may have been carried out all the same.
    """

    def __init__(self, message: str, *, hint: str = "", is_unknown: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.is_unknown = is_unknown


class InvalidParamsError(ClankersError):
    """Something is reported live with a value of the wrong type; the message says which."""


class MissingFieldError(InvalidParamsError):
    """Something is reported live without a field that it needs.

    Attributes:
        field: the first that is missing, as it is called on the wire.
    """

    def __init__(self, payload: str, field: str) -> None:
        super().__init__(f"invalid {payload} payload")
        self.field = field
