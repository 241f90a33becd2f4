"""The protocol between devices and the service: docs/reference/sync-protocol.md."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import Parameter

from clankers import wire
from clankers.server import _changes, _queries
from clankers.server._answers import ChangesPage, SyncAnswer, SyncStatus
from clankers.server._batches import read_batch
from clankers.server._bodies import read_body
from clankers.server._callers import let_in, tenant_of
from clankers.server._problems import Problem
from clankers.server._service import Service
from clankers.server.routes._requests import (
    SECURED,
    failing,
    reader,
    refuse_other_types,
    take,
    with_body,
)

# Reading so much JSON takes longer than handing it to a thread.
_IN_THREAD_FROM = 128 * 1024
# What every reader of JSON keeps exactly.
_LARGEST = 2**53 - 1
_MARK = r'\[(0|[1-9][0-9]{0,14}), ?"[^"\\\x00-\x1f]{0,128}"\]'


def _body() -> Schema:
    """The body of a batch; what a record must be is found out record by record."""
    records = {
        table: Schema(
            type=[OpenAPIType.ARRAY, OpenAPIType.NULL],
            items=Schema(description=f"a record of {table}; what is wrong with it is answered"),
        )
        for table in (*wire.TABLES, "deletes")
    }
    text = Schema(type=[OpenAPIType.STRING, OpenAPIType.NULL], min_length=1, max_length=128)
    mark = Schema(
        type=OpenAPIType.ARRAY,
        prefix_items=[
            Schema(type=OpenAPIType.INTEGER, minimum=0, maximum=_LARGEST),
            Schema(type=OpenAPIType.STRING, max_length=128),
        ],
        min_items=2,
        max_items=2,
    )
    return Schema(
        type=OpenAPIType.OBJECT,
        description="Every member is optional, unknown ones are ignored; 5,000 records in all.",
        properties={
            **records,
            "batch_id": text,
            "device_id": text,
            "store": text,
            "marks": Schema(type=[OpenAPIType.ARRAY, OpenAPIType.NULL], items=mark),
            "sync_timestamp": Schema(description="ignored"),
        },
        example={
            "sessions": [{"id": "s1", "title": "A first session"}],
            "messages": [{"id": "m1", "session_id": "s1", "role": "user", "text_content": "Hi"}],
        },
    )


@post(
    "/sync/batch",
    status_code=200,
    # It has limits of its own, for the packed body and for what comes out of it.
    request_max_body_size=None,
    tags=["sync"],
    operation_class=with_body(_body()),
    operation_id="sync_batch",
    responses=failing(409, 413, 415),
    security=[{"token": []}],
)
async def sync_batch(request: Request[Any, Any, Any], service: Service) -> Response[SyncAnswer]:
    """Stores a batch; once it is answered it is on disk. A bad record is rejected alone."""
    caller = await let_in(request, service, "write")
    refuse_other_types(request.headers)
    service.batch_rows.check(caller.tenant)
    service.batch_bytes.check(caller.tenant)
    ready = await tenant_of(caller, service)
    with service.room.held() as take_room:
        body = await read_body(
            request.stream(),
            encoding=request.headers.get("content-encoding", "identity").strip().lower(),
            length=request.headers.get("content-length"),
            take=take_room,
        )
        service.batch_bytes.take(caller.tenant, len(body))
        if len(body) < _IN_THREAD_FROM:
            batch = read_batch(body)
        else:
            # Decoded a body takes several times its size: not all at once.
            async with service.reading:
                batch = await asyncio.to_thread(read_batch, body)
        take(request, service.batch_rows, caller.tenant, batch.received)
        found = await ready.writer.store(batch)
    metrics = service.metrics
    metrics.batch_bytes.inc(len(body))
    metrics.records.inc(batch.received)
    return Response(found, media_type=MediaType.JSON)  # type: ignore[arg-type]


@get(
    "/sync/changes",
    tags=["sync"],
    operation_id="sync_changes",
    responses=failing(409),
    security=[{"token": []}],
)
async def sync_changes(
    request: Request[Any, Any, Any],
    service: Service,
    after: Annotated[int, Parameter(ge=0, le=_LARGEST)] = 0,
    limit: Annotated[int, Parameter(ge=1, le=_changes.MOST_CHANGES)] = _changes.DEFAULT_LIMIT,
    store: Annotated[str | None, Parameter(max_length=128)] = None,
    marks: Annotated[
        str | None,
        Parameter(
            pattern=rf"^(\[({_MARK}(, ?{_MARK})*)?\])?$",
            description="the marks that are known, a JSON list",
        ),
    ] = None,
) -> Response[ChangesPage]:
    """Records that changed after a revision, the oldest change first; deleted ones too."""
    ready = await reader(request, service, service.pulls)
    found = await _changes.changes(
        service.backend,
        ready.database,
        after=after,
        limit=limit,
        store=store or None,
        marks=_marks(marks),
    )
    return Response(found, media_type=MediaType.JSON)  # type: ignore[arg-type]


@get(
    "/sync/status",
    tags=["sync"],
    operation_id="sync_status",
    **SECURED,
)
async def sync_status(request: Request[Any, Any, Any], service: Service) -> SyncStatus:
    """What the tenant has, and which tenant that is."""
    ready = await reader(request, service, service.pulls)
    return await _queries.sync_status(service.backend, ready.database, ready.tenant)


def _marks(text: str | None) -> list[tuple[int, str]]:
    if not text:
        return []
    try:
        found = msgspec.json.decode(text, type=list[Any])
        return [wire.read_mark(one) for one in found]
    except (msgspec.DecodeError, ValueError, RecursionError) as problem:
        raise Problem.invalid(f"marks: {problem}") from None
