"""The prompt by prompt_toolkit, with colours by Pygments; both come with the extra `repl`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import Completer, Completion
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer

from clankers.query import history_file
from clankers_cli.repl._session import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document
    from prompt_toolkit.key_binding import KeyPressEvent

    from clankers_cli.repl._session import Session

PROMPT = "clankers> "
_SHOWN_AT_ONCE = frozenset({"table", "value"})


def prompt(session: Session) -> Iterator[str]:
    """What is typed, statement by statement, until the input ends."""
    lines: PromptSession[str] = PromptSession(
        PROMPT,
        multiline=True,
        prompt_continuation=lambda width, _number, _wraps: "-> ".rjust(width),
        lexer=PygmentsLexer(SqlLexer),
        completer=_Completer(session),
        complete_while_typing=True,
        auto_suggest=AutoSuggestFromHistory(),
        history=FileHistory(history_file()),
        key_bindings=_keys(),
        enable_open_in_editor=bool(os.environ.get("EDITOR")),
        reserve_space_for_menu=6,
    )
    while True:
        try:
            text = lines.prompt().strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if text:
            yield text


class _Completer(Completer):
    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        place = document.cursor_position
        before = document.char_before_cursor
        for one in self._session.complete(document.text, place):
            # Where nothing is typed yet almost anything can stand: that is shown by Tab.
            is_near = one.start < place or before == "." or one.kind in _SHOWN_AT_ONCE
            if is_near or complete_event.completion_requested:
                yield Completion(one.text, one.start - place, display_meta=one.kind)


def _keys() -> KeyBindings:
    """Enter runs what is whole, and begins another line where it is not."""
    keys = KeyBindings()

    @Condition
    def is_typed() -> bool:
        return is_whole(get_app().current_buffer.text)

    @keys.add("enter", filter=is_typed)
    def run(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return keys
