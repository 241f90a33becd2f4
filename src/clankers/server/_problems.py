"""What a request is answered that cannot be served: one form for every error.

``{"error": {"code", "message", "details"}}``. Messages say what was wrong, never what another
tenant has.
"""

from __future__ import annotations

from typing import Any


class Problem(Exception):  # noqa: N818 - what a client is told, not a fault of the service
    """An answer other than 2xx; the error map turns it into a response.

    Attributes:
        status: of the response.
        code: for programs; one of those in the reference.
        details: what a program needs besides, or {}.
        headers: of the response.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = details or {}
        self.headers = headers or {}

    def to_dict(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": str(self), "details": self.details}}

    @classmethod
    def invalid(cls, message: str, *, status: int = 400) -> Problem:
        return cls(status, "invalid_request", message)

    @classmethod
    def too_large(cls, message: str) -> Problem:
        return cls(413, "payload_too_large", message)

    @classmethod
    def not_found(cls, message: str) -> Problem:
        return cls(404, "not_found", message)

    @classmethod
    def no_tenant(cls) -> Problem:
        return cls(404, "tenant_not_found", "there is no such tenant")

    @classmethod
    def conflict(cls, message: str, **details: Any) -> Problem:
        return cls(409, "conflict", message, details=details)

    @classmethod
    def forbidden(cls, message: str) -> Problem:
        return cls(403, "forbidden", message)

    @classmethod
    def unauthorized(cls, message: str) -> Problem:
        # The same for unknown, revoked and expired: RFC 6750, section 3.1.
        challenge = 'Bearer realm="clankers", error="invalid_token"'
        return cls(401, "unauthorized", message, headers={"www-authenticate": challenge})

    @classmethod
    def unavailable(cls, message: str, *, retry_after: int = 5) -> Problem:
        return cls(503, "unavailable", message, headers={"retry-after": str(retry_after)})
