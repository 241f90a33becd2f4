"""Which names a price is looked up by."""

from __future__ import annotations

import pytest

from clankers.usage._names import lookups, plain


@pytest.mark.parametrize(
    ("model", "bare"),
    [
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5-20250929[1m]", "claude-sonnet-4-5"),
        ("Claude-Opus-4-5-thinking", "claude-opus-4-5"),
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("kimi-k2-thinking", "kimi-k2"),
        ("gpt-5.5", "gpt-5.5"),
    ],
)
def test_plain(model: str, bare: str) -> None:
    """Dates, -thinking and context marks are no part of a model's name."""
    assert plain(model) == bare


def test_as_written_comes_first() -> None:
    """Only a name that nobody knows is looked up without its parts, and last without provider."""
    assert list(lookups("anthropic", "claude-opus-4.5-thinking[1m]")) == [
        ("claude-opus-4.5-thinking", "anthropic"),
        ("claude-opus-4.5", "anthropic"),
        ("claude-opus-4-5-thinking", "anthropic"),
        ("claude-opus-4-5", "anthropic"),
        ("claude-opus-4.5-thinking", None),
        ("claude-opus-4.5", None),
        ("claude-opus-4-5-thinking", None),
        ("claude-opus-4-5", None),
    ]


@pytest.mark.parametrize(
    ("provider", "model", "first"),
    [
        ("amazon-bedrock", "zai.glm-4.6", ("zai.glm-4.6", "aws")),
        ("anthropic", "us.anthropic.claude-x-v1:0", ("us.anthropic.claude-x-v1:0", "aws")),
        ("anthropic", "arn:aws:bedrock:eu:1:p/eu.anthropic.x", ("eu.anthropic.x", "aws")),
        ("zai-coding-plan", "glm-4.6", ("glm-4.6", "zai")),
        ("", "gpt-5.5", ("gpt-5.5", None)),
    ],
)
def test_providers(provider: str, model: str, first: tuple[str, str | None]) -> None:
    """Agents' names of providers are mapped; Bedrock models are Amazon's whoever calls them."""
    assert next(lookups(provider, model)) == first


def test_a_local_model_has_no_hosted_price() -> None:
    """What runs in Ollama is not billed like the model of that name."""
    assert {provider for _name, provider in lookups("ollama", "deepseek-r1")} == {"ollama"}


def test_a_maker_before_a_slash_is_tried() -> None:
    """anthropic/claude-x through an unknown gateway is Anthropic's claude-x."""
    assert ("claude-x", "anthropic") in list(lookups("my-gateway", "anthropic/claude-x"))
