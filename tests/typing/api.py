"""The public API as a type checker sees it: mypy reads this file, nothing runs it.

A change here is a change for everybody who uses the library.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, Literal, TextIO, assert_type

import apsw

import clankers
from clankers import (
    auth,
    daemon,
    doctor,
    errors,
    formats,
    hooks,
    importers,
    importing,
    models,
    query,
    server,
    store,
    sync,
    usage,
    wire,
)
from clankers.config import SETTINGS, Config, ProfileOffer, Setting, read_offer
from clankers.conversation import conversation
from clankers.times import parse_when, short_time, zone

Value = None | int | float | str | bytes


def names() -> None:
    assert_type(clankers.__version__, str)
    assert_type(clankers.Store, type[store.Store])
    assert_type(clankers.Query, type[query.Query])
    assert_type(clankers.ClankersError, type[errors.ClankersError])
    clankers.Stoer  # type: ignore[attr-defined]  # noqa: B018  # a misspelt name is caught


def opening(path: Path) -> None:
    with clankers.Store.open() as found:
        assert_type(found, clankers.Store)
        assert_type(found.path, Path)
        assert_type(found.device_id, str)
        assert_type(found.connection, apsw.Connection)
    clankers.Store.open(path, read_only=True).close()
    clankers.Store.open(str(path), busy_timeout_ms=100).close()
    clankers.Store.open(path, True)  # type: ignore[call-arg]  # options are keywords


def searching(kept: clankers.Store, path: Path) -> None:
    found = kept.search(
        "pool", source="codex", since=0, places=["messages"], order="newest", limit=5
    )
    assert_type(found, store.SearchResult)
    assert_type(found.hits, list[store.Hit])
    assert_type(found.unsearched, list[str])
    for hit in found:
        assert_type(hit, store.Hit)
        assert_type(hit.at, int | None)
        assert_type(hit.marks, list[tuple[int, int]])
    assert_type(kept.check_index(), list[str])
    kept.rebuild_index()
    kept.search("pool", order="oldest")  # type: ignore[arg-type]  # best or newest
    kept.search("pool", "codex")  # type: ignore[call-arg]  # filters are keywords
    clankers.Store.open(path, create=False).close()


def reading(store: clankers.Store) -> None:
    assert_type(store.session("5a3c"), clankers.Session)
    assert_type(store.sessions(), Iterator[clankers.Session])
    found = store.sessions(
        source="codex",
        project="tidewatch",
        model="gpt-5",
        since=0,
        until=1,
        title="tides",
        limit=10,
        offset=5,
    )
    assert_type(found, Iterator[clankers.Session])
    assert_type(store.messages("5a3c"), Iterator[clankers.Message])
    assert_type(store.tools(), Iterator[clankers.ToolCall])
    assert_type(store.tools("5a3c", name="Bash", success=False), Iterator[clankers.ToolCall])
    assert_type(store.errors("5a3c"), Iterator[clankers.SessionError])
    assert_type(store.compactions("5a3c"), Iterator[clankers.Compaction])
    assert_type(store.usage("5a3c"), Iterator[clankers.Usage])
    assert_type(store.attachment("00ff"), clankers.Attachment | None)


def writing(store: clankers.Store) -> None:
    with store.atomic() as nothing:
        assert_type(nothing, None)
        assert_type(store.upsert(clankers.Session("s")), bool)
        assert_type(store.upsert(clankers.Usage("u", "s")), bool)
    changed = store.upsert_many(
        [
            clankers.Message("s:m", "s"),
            clankers.ToolCall("s:t", "s", 0),
            clankers.SessionError("s:e", "s", 0),
            clankers.Compaction("s:c", "s", 0),
            clankers.Attachment("00ff", "image/png", b""),
        ]
    )
    assert_type(changed, int)
    store.refresh(["s"])
    store.upsert("s")  # type: ignore[arg-type]


def keeping(kept: clankers.Store, path: Path) -> None:
    assert_type(kept.back_up(), Path)
    assert_type(kept.back_up(path), Path)
    for copy in kept.backups():
        assert_type(copy, store.Backup)
        assert_type((copy.path, copy.bytes, copy.made_at), tuple[Path, int, int])
    size = kept.size(largest=3)
    assert_type(size, store.Size)
    assert_type(size.parts, list[store.Part])
    assert_type(size.sessions, list[store.Share])
    assert_type(size.tables(), list[tuple[str, int, int]])
    done = kept.vacuum()
    assert_type(done, store.Vacuumed)
    assert_type((done.before, done.after, done.is_complete), tuple[int, int, bool])
    removal = kept.prune(
        source="codex", project="tidewatch", model="gpt-5", before=0, empty=True, dry_run=True
    )
    assert_type(removal, store.Removal)
    assert_type(removal.sessions, list[store.RemovedSession])
    assert_type(removal.rows, dict[str, int])
    assert_type(kept.delete(["5a3c"], purge=True, dry_run=True), store.Removal)
    assert_type(kept.forget_pruned("5a3c"), list[str])
    archived = kept.archive(before=0, session_ids=["5a3c"], dry_run=True)
    assert_type(archived, store.Archived)
    assert_type(archived.sessions, list[store.RemovedSession])
    assert_type((archived.rows, archived.bytes), tuple[dict[str, int], int])
    for session in kept.archived_sessions(source="codex", limit=3):
        assert_type(session, clankers.Session)
    assert_type(kept.bring_back(["5a3c"]), list[str])
    assert_type(kept.has_archive, bool)
    assert_type(store.archive_path(kept.path), Path)
    kept.prune("codex")  # type: ignore[call-arg]  # filters are keywords


def records(
    session: clankers.Session,
    message: clankers.Message,
    call: clankers.ToolCall,
    used: clankers.Usage,
) -> None:
    assert_type(session.id, str)
    assert_type(session.title, str | None)
    assert_type(session.cost, float | None)
    assert_type(session.created_at, int | None)
    assert_type(session.created_datetime, datetime | None)
    assert_type(session.updated_datetime, datetime | None)
    assert_type(message.seq, int | None)
    assert_type(message.is_sidechain, bool | None)
    assert_type(message.created_datetime, datetime | None)
    assert_type(call.tool_name, str)
    assert_type(call.created_at, int)
    assert_type(call.success, bool | None)
    assert_type(used.input_tokens, int)
    assert_type(used.cost, int | None)
    assert_type(used.occurred_datetime, datetime | None)
    kind: models.Relationship = "fork"
    assert_type(kind, Literal["subagent", "fork", "continuation"])
    clankers.Session()  # type: ignore[call-arg]


def bringing_in(store: clankers.Store, path: Path) -> None:
    def show(progress: importing.Progress) -> None:
        assert_type(progress.bytes_done, int)
        assert_type(progress.path, Path | None)

    report = clankers.import_sessions(store)
    assert_type(report, clankers.ImportReport)
    clankers.import_sessions(store, path=importing.SAMPLE_SESSIONS)
    clankers.import_sessions(
        store, ["codex"], path=path, since=0, full=True, dry_run=True, on_progress=show
    )
    stop = threading.Event()
    clankers.watch_sessions(store)
    clankers.watch_sessions(
        store,
        ["codex"],
        on_import=lambda report: assert_type(report, clankers.ImportReport),
        on_progress=show,
        stop=stop.is_set,
        scan_every=60,
    )
    clankers.watch_sessions(store, stop=stop)  # type: ignore[arg-type]  # what is asked is a call
    assert_type(importing.has_file_events(), bool)
    assert_type(report.files, int)
    assert_type(report.lines, int)
    assert_type(report.messages, int)
    assert_type(report.sources, list[importing.SourceReport])
    assert_type(report.failures, list[importing.Failure])
    assert_type(report.to_dict(), dict[str, Any])
    for source in report.sources:
        assert_type(source.agent, str)
        assert_type(source.rows_written, int)
        assert_type(source.sessions, set[str])
    for failure in report.failures:
        assert_type(failure.path, Path | str)


def asking(store: clankers.Store, path: Path) -> None:
    clankers.Query(path).close()
    clankers.Query(str(path)).close()
    with clankers.Query(store) as asked:
        assert_type(asked, clankers.Query)
        result = asked.query("SELECT ?", [1], limit=10, timeout=1.5)
        asked.query("SELECT :a", {"a": "b"})
        assert_type(result, clankers.Result)
        assert_type(result.columns, tuple[str, ...])
        assert_type(result.declared_types, tuple[str | None, ...])
        assert_type(result.to_dicts(), list[dict[str, Value]])
        assert_type(result.truncated, bool)
        for row in result:
            assert_type(row, tuple[Value, ...])


def writing_results(result: clankers.Result, file: TextIO, path: Path) -> None:
    result.write(file)
    result.write(path, "csv")
    result.write(str(path), partial(formats.write_csv, escape_formulas=True))
    assert_type(result.to_csv(), str)
    assert_type(result.to_json(), str)
    assert_type(result.to_html(), str)
    assert_type(result.to_markdown(), str)
    assert_type(result.to_text("ndjson"), str)
    result.write(path, 7)  # type: ignore[arg-type]  # a name or a writer
    formats.writer("sql")(file, ["a"], [(1,)])
    formats.write_sql(file, ["a"], [(1,)], table="t")
    formats.write_table(file, ["a"], [(1,)], width=80, full=True)
    with formats.whole_file(path) as whole:
        assert_type(whole, TextIO)
    list(formats.human_times(["created_at"], [(1,)], None))


def changing(asked: clankers.Query, path: Path) -> None:
    def confirm(changes: query.Changes) -> bool:
        return not changes.dangers

    changes = asked.execute("DELETE FROM tools", write=True, confirm=confirm, backup=False)
    asked.execute("SELECT ?", [1], dry_run=True, unsafe=True, timeout=1.5)
    assert_type(changes, query.Changes)
    assert_type(changes.statements, tuple[query.Statement, ...])
    assert_type(changes.statements[0].affected, int | None)
    assert_type(changes.statements[0].rows, list[tuple[Value, ...]])
    assert_type(changes.tables, Mapping[str, query.TableChange])
    assert_type(changes.dangers, tuple[str, ...])
    assert_type(changes.committed, bool)
    assert_type(changes.backup, Path | None)
    assert_type(asked.complete("SELECT ", 7), list[query.Completion])
    assert_type(query.split_script("SELECT 1; SELECT 2"), list[str])
    assert_type(query.is_complete("SELECT"), bool)
    assert_type(query.saved_queries(), list[query.SavedQuery])
    assert_type(query.saved_query("tool-errors").bind({"min": "3"}), dict[str, Value])
    assert_type(query.saved_query("tool-errors").parameters, tuple[query.Parameter, ...])


def recording(path: Path) -> None:
    with daemon.Client(path, timeout=1.5) as client:
        assert_type(client, daemon.Client)
        client.call("upsertSession", session={"id": "s"})
    found = daemon.options(socket=path, log_level="debug", watch=False)
    assert_type(found, daemon.Options)
    assert_type(daemon.start(found), int)
    assert_type(daemon.running(path), int | None)
    assert_type(daemon.stop(path), bool)
    assert_type(daemon.unit_file(["clankers-cli", "daemon"]), tuple[Path, str])
    assert_type(hooks.plan("claude-code", remove=True), hooks.Installation)
    assert_type(hooks.deliver(hooks.requests_of("claude-code", {})), str)
    assert_type(hooks.INSTALLABLE, tuple[str, ...])


def restoring(path: Path) -> None:
    assert_type(store.backups(path), list[store.Backup])
    assert_type(store.restore(path, path), store.Restored)


def summing_up(store: clankers.Store, path: Path, here: tzinfo) -> None:
    totals = clankers.total_usage(
        store, by="model", since=0, until=1, zone=here, source="codex", project="tidewatch"
    )
    assert_type(totals, list[clankers.UsageTotal])
    assert_type(totals[0].key, str)
    assert_type(totals[0].output_tokens, int)
    assert_type(totals[0].cost, float | None)
    clankers.total_usage(path, by="colour")  # type: ignore[arg-type]
    report = usage.usage_report(path)
    assert_type(report.total, clankers.UsageTotal)
    assert_type(report.unpriced, list[usage.UnpricedModel])
    assert_type(usage.usage_blocks(store, source=None), list[usage.UsageBlock])
    assert_type(usage.unpriced_models(store), list[usage.UnpricedModel])


def pricing(store: clankers.Store) -> None:
    report = usage.set_price(store, "gpt-5-codex", input=1.25, output="10", provider="openai")
    assert_type(report, usage.PriceReport)
    assert_type(usage.unset_price(store, "gpt-5-codex"), usage.PriceReport)
    assert_type(usage.price_usage(store, everything=True), usage.PriceReport)
    assert_type(usage.update_prices(store).repriced, usage.PriceReport)
    for price in usage.list_prices(store):
        assert_type(price, usage.UserPrice)
        assert_type(price.cache_read, float)


def settings(path: Path) -> None:
    config = clankers.Config.load(path, profile="work")
    assert_type(config, Config)
    assert_type(config.get("db"), str | int | list[str] | None)
    assert_type(config.source("db"), Literal["env", "profile", "default"])
    assert_type(config.profile(), clankers.Profile)
    assert_type(config.profile("work").sync_interval, int)
    assert_type(config.profile_names, list[str])
    assert_type(config.database_path(), Path)
    assert_type(config.zone(), tzinfo)
    config.set("sync_interval", 60)
    config.unset("sync_interval")
    config.create_profile("home")
    config.use_profile("home")
    config.delete_profile("work")
    config.save()
    assert_type(SETTINGS, dict[str, Setting])


def reading_on(store: clankers.Store) -> None:
    for turn in conversation(store, "5a3c"):
        match turn:
            case clankers.Message():
                assert_type(turn.text_content, str | None)
            case clankers.ToolCall():
                assert_type(turn.tool_output, str | None)
            case _:
                assert_type(turn, clankers.SessionError | clankers.Compaction)


def examining(config: Config, path: Path) -> None:
    for finding in doctor.examine(database=path, thorough=True):
        assert_type(finding, doctor.Finding)
        assert_type(finding.level, Literal["ok", "note", "warning", "error"])
        assert_type(finding.hint, str)


def times(here: tzinfo) -> None:
    assert_type(zone(), tzinfo)
    assert_type(parse_when("7d", zone=here), int)
    assert_type(short_time(0, here), str)


def failing(problem: clankers.ClankersError) -> None:
    assert_type(problem.hint, str)
    match problem:
        case errors.QueryRefusedError():
            assert_type(problem.operation, str)
        case errors.QueryError():
            assert_type(problem.offset, int | None)
        case _:
            pass


class Parrot:
    """An importer of somebody else's: what the Protocol asks for, and nothing more."""

    agent = "parrot"
    version = 1

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        return [Path(environ.get("PARROT_HOME") or home)]

    def find(self, root: Path) -> Iterator[Path]:
        yield root

    def recognises(self, path: Path) -> bool:
        return path.name == self.agent

    def read(self, path: Path, resume: importers.Resume) -> Iterator[importers.Batch]:
        assert_type(resume.state, bytes | None)
        batch = importers.Batch(resume)
        assert_type(batch.messages, list[clankers.Message])
        assert_type(batch.lines, int)
        yield batch


parrot: importers.Importer = Parrot()
assert_type(importers.agents(), list[str])
assert_type(importers.importer("codex"), importers.Importer)
assert_type(formats.visible("\x1b"), str)


def serving(path: Path) -> None:
    settings = server.settings_from({"port": 0}, {"CLANKERS_SERVER_AUTH": "token"})
    assert_type(settings, server.Settings)
    assert_type(settings.limits, server.Limits)
    operator = server.Operator(settings)
    assert_type(operator.create_token("laptop"), tuple[str, server.TokenInfo])
    assert_type(operator.tokens(), list[server.TokenInfo])
    assert_type(operator.tenants(), list[server.Tenant])
    assert_type(operator.export_tenant("t", path), dict[str, int])
    assert_type(server.serve(settings, listening=print), None)


def signing_in(config: Config) -> None:
    assert_type(auth.new_token(), str)
    assert_type(auth.is_token("clk_"), bool)
    assert_type(auth.TokenAuth("clk_", "https://sync.example.com").endpoint, str)
    assert_type(read_offer("work.json"), ProfileOffer)
    assert_type(config.add_profile(read_offer("work.json")), None)


def on_the_wire(one: wire.Version, other: wire.Version) -> None:
    assert_type(wire.merge("sessions", one, other), wire.Version)
    assert_type(one.newest, wire.Stamp)
    assert_type(wire.record_hash("sessions", "s", one.fields), str)
    assert_type(wire.read_change("sessions", {}), wire.Change | wire.Rejection)
    assert_type(wire.TABLES, tuple[str, ...])


def syncing(kept: clankers.Store, config: Config) -> None:
    policy = sync.Policy(metrics_only=True, exclude=("/srv/*",))
    assert_type(policy.keeps_back("/srv/a"), bool)
    with sync.SyncManager(kept, auth.NoAuth(), "http://127.0.0.1:8750", policy=policy) as manager:
        assert_type(manager.sync_now(on_progress=print), sync.Progress)
        assert_type(manager.pull(stop=threading.Event().is_set), sync.Pulled)
        assert_type(manager.pending(), sync.Pending)
        assert_type(manager.pending().ready, int)
        assert_type(manager.preview(limit=5), list[tuple[str, dict[str, Any]]])
        assert_type(manager.status(ask_server=False), sync.SyncStatus)
        assert_type(manager.status().server, dict[str, int] | None)
        assert_type(manager.reset(move=True), None)
        assert_type(manager.syncing_process, int | None)
    assert_type(sync.SyncManager.of_profile(kept, config.profile()), sync.SyncManager)
    assert_type(sync.redact("text"), str)
