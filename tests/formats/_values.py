"""Values to write, and what a terminal must not be given."""

from __future__ import annotations

import io
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from clankers.formats import writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clankers.formats import Value

OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))
TEXT = st.text(alphabet=st.characters(codec="utf-8"))
VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    TEXT,
    st.binary(),
)
CLIPBOARD = "\x1b]52;c;aGVsbG8=\x07"
TITLE = "\x1b]0;owned\x1b\\"
TURNED = "invoice\u202etxt.exe"


def written(
    name: str, columns: Sequence[str], rows: Iterable[Sequence[Value]], **options: Any
) -> str:
    """What the writer of that format makes of the rows."""
    file = io.StringIO(newline="")
    write: Any = writer(name)
    write(file, columns, rows, **options)
    return file.getvalue()


def obeyed(text: str) -> set[str]:
    """The characters of `text` that a terminal may do something about, but for joiners."""
    joined = re.sub("(?<=.)[\u200c\u200d](?=.)", "", text)
    return {character for character in joined if unicodedata.category(character) in OBEYED}
