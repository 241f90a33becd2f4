"""The agent's own memory of a conversation: a tree of blobs, each named by its hash.

The command line keeps it in `store.db`, the editor beside its conversations. The root is a
protobuf message (`agent.v1.ConversationStateStructure`) whose field 1 lists the messages as
the model saw them, as JSON. Learned from the decoded descriptors that several open-source
tools publish, and from S2thend/cursor-history for older trees.
"""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from clankers.importers._jsonl import decode_value
from clankers.importers._values import milliseconds
from clankers.importers.cursor._wire import fields, first_bytes, first_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Fetch = Callable[[str], bytes | None]

_HASH_BYTES = 32
_DEEPEST = 64
_MESSAGE, _SUBTREE, _TURN, _WORKSPACE, _CHECKOUT = 1, 2, 8, 9, 21
_PROMPT_TIME = 25


class Leaf(NamedTuple):
    """One message of a conversation; `message` is None when it is damaged or missing."""

    native_id: str
    message: dict[str, Any] | None


class State(NamedTuple):
    """What the root of a conversation says besides its messages.

    `prompted_at` has the times of prompts by the id of the request that each one made.
    """

    workspace: str
    folder: str
    branch: str
    prompted_at: dict[str, int]


def described(root: bytes, fetch: Fetch) -> State:
    checkout = first_bytes(root, _CHECKOUT)
    return State(
        _text(first_bytes(root, _WORKSPACE)),
        _text(first_bytes(checkout, 1)),
        _text(first_bytes(checkout, 2)),
        _prompt_times(root, fetch),
    )


def leaves(root: bytes, fetch: Fetch) -> Iterator[Leaf]:
    """The messages in their order; one that is told again has a number behind its id."""
    seen: Counter[str] = Counter()
    for name, written in _written(root, fetch, set(), 0):
        found = _messages(written) or [None]
        for number, message in enumerate(found):
            native_id = name if number == 0 else f"{name}.{number}"
            seen[native_id] += 1
            times = seen[native_id]
            yield Leaf(native_id if times == 1 else f"{native_id}#{times}", message)


def has_messages(root: bytes, fetch: Fetch) -> bool:
    """True when at least one message can be read."""
    return any(leaf.message is not None for leaf in leaves(root, fetch))


def _written(
    node: bytes, fetch: Fetch, seen: set[str], depth: int
) -> Iterator[tuple[str, bytes | None]]:
    """Name and bytes of each message; in older trees nodes have nodes below them.

    A node is gone into where it is first met: each one that names the next one twice would
    double what there is to read.
    """
    for number, value in fields(node):
        if not isinstance(value, bytes) or number not in (_MESSAGE, _SUBTREE):
            continue
        if len(value) != _HASH_BYTES:
            if number == _MESSAGE and value.startswith(b"{"):
                yield sha256(value).hexdigest(), value
            continue
        name = value.hex()
        if number == _MESSAGE:
            yield name, fetch(name)
        elif name not in seen and depth < _DEEPEST:
            seen.add(name)
            yield from _written(fetch(name) or b"", fetch, seen, depth + 1)


def _messages(written: bytes | None) -> list[dict[str, Any] | None]:
    """A blob is a message as JSON, a list of them, or a node with one in its field 4."""
    if not written:
        return []
    plain = written if written[:1] in (b"{", b"[") else first_bytes(written, 4)
    found = decode_value(plain) if plain else None
    if isinstance(found, list):
        return [one if isinstance(one, dict) else None for one in found]
    return [found] if isinstance(found, dict) else []


def _prompt_times(root: bytes, fetch: Fetch) -> dict[str, int]:
    """Each turn names its prompt and its request; the prompt has the time."""
    found = {}
    for number, value in fields(root):
        if number == _TURN and isinstance(value, bytes) and len(value) == _HASH_BYTES:
            turn = first_bytes(fetch(value.hex()) or b"", 1)
            prompt = fetch(first_bytes(turn, 1).hex()) or b""
            at = milliseconds(first_number(prompt, _PROMPT_TIME))
            if at is not None:
                found[_text(first_bytes(turn, 3))] = at
    return found


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
