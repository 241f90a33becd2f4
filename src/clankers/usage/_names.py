"""How agents spell models and providers, and under which names a price may stand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# What an agent calls a provider, where genai-prices would not recognise it.
_PROVIDERS = {
    "azure-openai": "azure",
    "azure-cognitive-services": "azure",
    "bedrock": "aws",
    "amazon-bedrock": "aws",
    "chatgpt": "openai",
    "codex": "openai",
    "claude": "anthropic",
    "fireworks-ai": "fireworks",
    "grok": "x-ai",
    "kimi": "moonshotai",
    "kimi-for-coding": "moonshotai",
    "moonshotai-cn": "moonshotai",
    "togetherai": "together",
    "z-ai": "zai",
    "zai-coding-plan": "zai",
    "zhipu": "zhipuai",
    "zhipuai-coding-plan": "zhipuai",
}
# A model on one's own machine has the name of a hosted one and not its price.
_LOCAL = frozenset(
    ("ollama", "oss", "lmstudio", "lm-studio", "llama.cpp", "llamacpp", "localai", "vllm", "mlx")
)
_CONTEXT_MARK = re.compile(r"\[[^\]]*\]$")
_DATE = re.compile(r"[-@]20\d{2}-?\d{2}-?\d{2}$")
_BEDROCK = re.compile(r"(?:[a-z-]+\.)?anthropic\.")


def lookups(provider: str, model: str) -> Iterator[tuple[str, str | None]]:
    """Names to look a price up by, each with its provider, the likeliest first."""
    spellings = _spellings(model)
    home = _home(provider, spellings[0])
    if home:
        yield from ((name, home) for name in spellings)
    if home in _LOCAL:
        return
    for name in spellings:
        yield name, None
        maker, slash, rest = name.partition("/")
        if slash:
            yield rest, maker
            yield rest, None


def plain(model: str) -> str:
    """The name without a context mark, a date and ``-thinking``, in lower case."""
    return _DATE.sub("", _bare(model).removesuffix("-thinking")).removesuffix("-thinking")


def _home(provider: str, model: str) -> str | None:
    if _BEDROCK.match(model):
        return "aws"
    provider = provider.strip().lower()
    return _PROVIDERS.get(provider, provider) or None


def _spellings(model: str) -> list[str]:
    bare = _bare(model)
    # A Bedrock inference profile may be named by its whole resource name.
    bare = bare.rpartition("/")[2] if bare.startswith("arn:") else bare
    names = [bare, bare.removesuffix("-thinking"), plain(bare)]
    if "claude" in bare:
        names += [name.replace(".", "-") for name in names]
    return list(dict.fromkeys(names))


def _bare(model: str) -> str:
    return _CONTEXT_MARK.sub("", model.strip().lower())
