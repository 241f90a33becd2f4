"""The form of a token."""

from __future__ import annotations

import re

import pytest

from clankers.auth import is_token, new_token

# Their checksums were worked out with another program's CRC-32.
GOOD = [
    "clk_0123456789ABCDEFGHIJKLMNOPQRSTUV4SdKNX",
    "clk_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1qqf4Z",
    "clk_Zz9Zz9Zz9Zz9Zz9Zz9Zz9Zz9Zz9Zz9Qq4RoV9U",
]
TOKEN = GOOD[0]


@pytest.mark.parametrize("token", GOOD)
def test_good(token: str) -> None:
    """A token of the right form ends with the CRC-32 of all before it, in base 62."""
    assert is_token(token)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "clk_",
        "0123456789ABCDEFGHIJKLMNOPQRSTUV4SdKNX",
        "clk_0123456789ABCDEFGHIJKLMNOPQRSTUV4SdKN",
        "clk_123456789ABCDEFGHIJKLMNOPQRSTUV4SdKNX",
        "clk_0123456789ABCDEFGHIJKLMNOPQRSTUV4SdKNXX",
        "clk_0123456789ABCDEFGHIJKLMNOPQRSTUV",
        " clk_0123456789ABCDEFGHIJKLMNOPQRSTUV4SdKNX",
        "clk_0123456789ABCDEFGHIJKLMNOPQRSTUV4SdKNX ",
        "clk_0123456789ABCDEFGHIJKLMNOPQRSTUV4SdKNX\n",
        "clk_0123456789ABCDEFG HIJKLMNOPQRSTUV4SdKNX",
        "clk_0123456789abcdefghijklmnopqrstuv4SdKNX",
        "clk_0123456789ABCDEFGHIJKLMNOPQRSTUV4sdknx",
        "CLK_0123456789ABCDEFGHIJKLMNOPQRSTUV4SdKNX",
        "clk-0123456789ABCDEFGHIJKLMNOPQRSTUV4SdKNX",
        "clk_0123456789ABCDEFGHIJKLMNOPQRSTUV4SdKN\u0425",
        "clk_\u0660123456789ABCDEFGHIJKLMNOPQRSTUV4SdKNX",
        "clk_0123456789ABCDEFGHIJKLMNOPQRST\ud800V4SdKNX",
        "clk_" + "a" * 1_000_000,
        "test",
        "hunter2",
    ],
)
def test_bad(text: str) -> None:
    """Cut off, spaced, in another case, with letters of other scripts: no token."""
    assert not is_token(text)


def test_every_typo_is_found() -> None:
    """No exchange of one letter, nor of two neighbours, gives another token."""
    for place in range(4, 42):
        for letter in "0Zaz5":
            if TOKEN[place] != letter:
                assert not is_token(TOKEN[:place] + letter + TOKEN[place + 1 :])
    for place in range(4, 41):
        one, other = TOKEN[place], TOKEN[place + 1]
        assert not is_token(TOKEN[:place] + other + one + TOKEN[place + 2 :])


def test_new() -> None:
    """New tokens have the form, and no two are alike, nor begin or end alike."""
    tokens = [new_token() for _one in range(1_000)]
    assert all(re.fullmatch(r"clk_[0-9A-Za-z]{38}", token) for token in tokens)
    assert all(map(is_token, tokens))
    assert len({token[4:20] for token in tokens}) == 1_000
    assert len({token[20:36] for token in tokens}) == 1_000
    assert len(set("".join(token[4:36] for token in tokens))) == 62
