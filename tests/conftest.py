"""Every test runs in a home of its own: no path of the real one is reachable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CORPUS = Path(__file__).parent.parent.parent / "shared" / "corpus"
TOOLS = CORPUS.parent / "tools"
AGENT_VARIABLES = (
    "GPTME_LOGS_HOME",
    "GROK_HOME",
    "KIMI_CODE_HOME",
    "KIMI_SHARE_DIR",
    "CURSOR_CONFIG_DIR",
    "CURSOR_DATA_DIR",
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
    "GEMINI_CLI_HOME",
    "GEMINI_DIR",
    "QWEN_HOME",
    "QWEN_RUNTIME_DIR",
    "OPENCODE_DATA_DIR",
    "OPENCODE_DB",
    "MIMOCODE_HOME",
    "AMP_DATA_DIR",
    "CLINE_DATA_DIR",
    "CLINE_DIR",
    "CLINE_SESSION_DATA_DIR",
    "DROID_SESSIONS_DIR",
    "GOOSE_PATH_ROOT",
    "COPILOT_DIR",
    "COPILOT_HOME",
    "PI_AGENT_DIR",
    "PI_CODING_AGENT_DIR",
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory; CLANKERS_* and the agents' variables are gone."""
    for name in list(os.environ):
        if name.startswith(("CLANKERS_", "XDG_")) or name in AGENT_VARIABLES:
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    monkeypatch.setenv("APPDATA", str(folder / "AppData"))
    return folder


@pytest.fixture
def agent_variables() -> tuple[str, ...]:
    """What any importer reads of the environment, but for what other programs read as well."""
    return AGENT_VARIABLES


@pytest.fixture
def corpus() -> Path:
    """Real transcripts with an independent count; not part of this repository."""
    if not CORPUS.is_dir():
        if os.environ.get("CI") == "true" and TOOLS.is_dir():
            pytest.fail(f"the corpus is missing at {CORPUS}")
        pytest.skip(f"needs the transcript corpus at {CORPUS}, which is not in this repository")
    return CORPUS
