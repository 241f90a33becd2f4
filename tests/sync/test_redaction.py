"""Secrets are replaced, whatever they stand in; all else stays as it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankers.sync.redaction import RULES_VERSION, redact, redact_all
from sync._secrets import SECRETS, Secret, some

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EACH = pytest.mark.parametrize(
    "secret", [pytest.param(one, id=f"{number}-{one.kind}") for number, one in enumerate(SECRETS)]
)
# How much of a text is looked at in one go is less than this.
LONG = 1_000_000

STAYS = [
    # Code
    "password = get_password()",
    "token: str",
    'secret=os.environ["X"]',
    "api_key = None",
    "self.password = password",
    "password=self.settings.password",
    "def login(user: str, password: str) -> Token:",
    "token = self._tokenizer.next_token()",
    "if token.type == TokenType.NUMBER:",
    "token == expected_token2",
    'cache_key = f"user:{user_id}:v2"',
    "key = lambda item: item[1]",
    'const key = event.key2 || "ArrowLeft1"',
    "const apiKey = process.env.OPENAI_API_KEY;",
    'apiKey: config.get("apiKey2")',
    "def test_password_reset_token_expires_after_24_hours(self):",
    'primary_key: user_id_2024 sort_key = "2024-01-01T00:00:00Z"',
    "asyncio.DatagramTransport and self.assertRaisesRegexWithALongName",
    # What stands for a secret
    "api_key=<your-api-key>",
    'api_key = "your-api-key-1234567890"',
    "TOKEN=${TOKEN}",
    "AWS_SECRET_ACCESS_KEY=${{ secrets.AWS_SECRET_ACCESS_KEY }}",
    "Authorization: Bearer <token>",
    "Authorization: Bearer $TOKEN",
    "postgres://user:${PASSWORD}@db/app",
    "postgres://user:<password>@db/app",
    "password: ********",
    "password: [redacted:password]",
    # Schemas, forms and prose
    '"password": "string"',
    "password: {type: string, minLength: 8}",
    '<input type="password" name="password" placeholder="Password">',
    "The password must be at least 12 characters long.",
    "kubectl create secret generic db-user-pass",
    "secret_name: my-app-database",
    "look for -----BEGIN PRIVATE KEY----- in the file",
    "risk-assessment-for-the-quarterly-report-2024",
    # Counts
    '"max_tokens": 4096',
    '"input_tokens": 1234, "output_tokens": 98765432',
    "token_count=123456789",
    "next_token: null",
    # Names of things
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "123e4567-e89b-12d3-a456-426614174000",
    "task-0123456789abcdef0123456789abcdef",
    "toolu_01AbCdEfGhIjKlMnOpQrStUv",
    "msg_01XFDUDYJgAACzvnptvVoYEL",
    "req_011CSHoEeqs5C35K2UUqR7Fy",
    "call_abc123DEF456ghi789JKL012",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    '"integrity": "sha512-7c7T0Zyi0pN8z2xv1B0xJd3n8n2wHn7pQ2h3v2H6l6U5p3w0yq1xkQ=="',
    '"session_id": "01JC3V9Q8E6N4B2A1Z0Y9X8W7V"',
    # Addresses
    "git@github.com:me/project.git",
    "https://example.com:8080/a@b",
    "npm install @types/node@18.0.0",
    "mail me@example.com or you@example.org",
    # What is public
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDZ8Hx2JqkT me@host",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0B\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKC\n-----END PUBLIC KEY-----",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
]


def assert_gone(secret: Secret, text: str, written: str | None = None) -> None:
    """Nothing of the secret, as it is written in the text, is left; its kind is."""
    written = secret.secret if written is None else written
    assert written in text
    redacted = redact(text)
    assert written not in redacted
    assert f"[redacted:{secret.kind}]" in redacted
    assert redact(redacted) is redacted


def in_json(text: str) -> str:
    """As it is written within a JSON string."""
    return json.dumps(text)[1:-1]


class TestEachKind:
    def test_there_are_many(self) -> None:
        """The table holds at least 75 kinds."""
        assert len({secret.kind for secret in SECRETS}) >= 75

    @EACH
    def test_alone(self, secret: Secret) -> None:
        """A text that is nothing but the secret with the words it needs."""
        assert_gone(secret, secret.text)

    @EACH
    def test_in_prose(self, secret: Secret) -> None:
        """The words around it stay."""
        redacted = redact(f"I ran it with {secret.text} and it worked.")
        assert redacted.startswith("I ran it with ")
        assert redacted.endswith(" and it worked.")
        assert_gone(secret, f"I ran it with {secret.text} and it worked.")

    @EACH
    def test_at_the_ends_of_lines(self, secret: Secret) -> None:
        """At the start and the end of a text and of a line."""
        assert_gone(secret, f"{secret.text}\nis it")
        assert_gone(secret, f"it is\n{secret.text}")
        assert_gone(secret, f"it\n{secret.text}\nis")

    @EACH
    def test_in_json(self, secret: Secret) -> None:
        """In a JSON string, and in JSON that is itself in a JSON string."""
        once = json.dumps({"content": secret.text})
        assert_gone(secret, once, in_json(secret.secret))
        assert isinstance(json.loads(redact(once)), dict)
        twice = json.dumps({"input": once})
        assert_gone(secret, twice, in_json(in_json(secret.secret)))
        assert isinstance(json.loads(json.loads(redact(twice))["input"]), dict)

    @EACH
    @pytest.mark.parametrize("before", ["\\n", "\\t", '\\"', "\\\\n", "\\u0022", "%3D", "     1→"])
    def test_after_an_escape(self, secret: Secret, before: str) -> None:
        """A letter or digit that is part of an escape is none before the secret."""
        assert_gone(secret, f"output:{before}{secret.text}\\nnext")

    @EACH
    def test_in_a_path(self, secret: Secret) -> None:
        """As part of the name of a file."""
        assert_gone(secret, f"/tmp/{secret.text}/notes")

    @EACH
    def test_twice(self, secret: Secret) -> None:
        """Not only the first."""
        assert_gone(secret, f"{secret.text} and again {secret.text}")

    @EACH
    def test_beside_others(self, secret: Secret) -> None:
        """Another secret before it hides none."""
        other = "gh" + "p_" + "a1B2" * 9
        assert_gone(secret, f"{other} {secret.text} {other}")


class TestWhatStays:
    @pytest.mark.parametrize("text", STAYS)
    def test_is_the_same_object(self, text: str) -> None:
        """Code, counts, ids and public keys are returned as they are."""
        assert redact(text) is text

    @pytest.mark.parametrize("text", STAYS)
    def test_in_json(self, text: str) -> None:
        """Nor are they touched within JSON."""
        written = json.dumps({"content": text})
        assert redact(written) is written

    def test_only_the_secret_goes(self) -> None:
        """Name, sign, quotes and what follows stay."""
        key = "9f" * 16
        assert redact(f'{{"api_key": "{key}", "n": 1}}') == (
            '{"api_key": "[redacted:secret]", "n": 1}'
        )
        assert redact("postgres://app:" + "q7Kd4x9" + "@db:5432/app") == (
            "postgres://app:[redacted:url-password]@db:5432/app"
        )


class TestPrivateKeys:
    LINES = (some("ABCDEFGHIJ0123456789", 64), some("ABCDEFGHIJ0123456789", 64))
    BEGIN = "-----BEGIN RSA " + "PRIVATE KEY-----"

    def test_without_an_end(self) -> None:
        """A block that was cut off goes as far as it is there."""
        text = "\n".join(("cat key", self.BEGIN, *self.LINES))
        assert redact(text) == "cat key\n[redacted:private-key]"

    def test_with_line_numbers(self) -> None:
        """As an agent reads files."""
        lines = (self.BEGIN, *self.LINES, "-----END RSA " + "PRIVATE KEY-----", "next")
        text = "\n".join(f"{number:6}→{line}" for number, line in enumerate(lines, 1))
        assert redact(text) == "     1→[redacted:private-key]\n     5→next"

    def test_with_headers(self) -> None:
        """An encrypted one says so between its first line and the key."""
        headers = ("Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC,0123456789ABCDEF", "")
        end = "-----END RSA " + "PRIVATE KEY-----"
        text = "\n".join((self.BEGIN, *headers, *self.LINES, end, "next"))
        assert redact(text) == "[redacted:private-key]\nnext"


class TestMany:
    def test_gives_what_redact_gives(self) -> None:
        """Secrets at the borders of what is looked at together are found too."""
        texts = [text for secret in SECRETS for text in (secret.text, "", "clean", secret.text)]
        texts += STAYS
        assert redact_all(texts) == [redact(text) for text in texts]

    def test_clean_texts_are_the_same_objects(self) -> None:
        """In the order in which they came."""
        texts = ["a plain text", SECRETS[8].text, "another one " * 20_000, "the last"]
        redacted = redact_all(texts)
        assert [one is other for one, other in zip(texts, redacted, strict=True)] == [
            True,
            False,
            True,
            True,
        ]

    def test_nothing(self) -> None:
        """No texts, no result."""
        assert redact_all([]) == []


PIECES = st.one_of(
    st.text(max_size=20),
    st.text(alphabet=st.characters(categories=["Cs", "Lu", "Nd"]), max_size=5),
    st.sampled_from([secret.text for secret in SECRETS]),
    st.sampled_from([secret.text[: len(secret.text) // 2] for secret in SECRETS]),
    st.sampled_from([secret.text[len(secret.text) // 2 :] for secret in SECRETS]),
    st.sampled_from(STAYS),
    st.sampled_from(
        ['"', '\\"', "\\n", "\n", "\\u0022", "%3D", "=", ": ", "://", "@", "password", "token", "-"]
    ),
    st.sampled_from(
        ["[redacted:", "]", "[redacted:password]", "api_key=", "Bearer ", "sk-", "AKIA"]
    ),
)
TEXTS = st.lists(PIECES, max_size=8).map("".join)


class TestProperties:
    @settings(max_examples=400, deadline=None)
    @given(TEXTS)
    def test_a_redacted_text_is_not_changed_again(self, text: str) -> None:
        """Once is as good as twice."""
        redacted = redact(text)
        assert redact(redacted) is redacted

    @settings(max_examples=200, deadline=None)
    @given(TEXTS)
    def test_is_pure(self, text: str) -> None:
        """The same text gives the same, whatever was redacted before."""
        first = redact(text)
        redact(first + text)
        assert redact(text) == first

    @settings(max_examples=200, deadline=None)
    @given(st.lists(TEXTS, max_size=8))
    def test_many_as_one_by_one(self, texts: list[str]) -> None:
        """Texts beside a text change nothing."""
        assert redact_all(texts) == [redact(text) for text in texts]


class TestLongTexts:
    """None takes a time that grows faster than the text; else these would not end."""

    @pytest.mark.parametrize("kind", sorted({secret.kind for secret in SECRETS}))
    def test_beginnings_without_end(self, kind: str) -> None:
        """A megabyte of beginnings of a secret, and then a whole one."""
        secret = next(secret for secret in SECRETS if secret.kind == kind)
        head = secret.text[: max(4, len(secret.text) // 3)]
        text = head * (LONG // len(head))
        redacted = redact(f"{text}\n{secret.text}")
        assert secret.secret not in redacted
        assert "[redacted:" in redacted

    @pytest.mark.parametrize(
        "unit",
        [
            *("a", "A", "-", "_", ".", "/", ":", "@", '"', "\\", '\\"', "\\n", "=", " ", "0", "$"),
            *("%3D", "eyJ", "eyJa.", "://", "://a:", "a@", "$2y$", "password  ", "\\u0022", "sk-"),
            *(":5432:a", "mistral_", "twilio-key", "-----BEGIN ", "Authorization: ", "machine a "),
        ],
    )
    def test_one_thing_again_and_again(self, unit: str) -> None:
        """No secret is in it."""
        text = unit * (LONG // len(unit))
        assert redact(text) is text

    @pytest.mark.parametrize("unit", ["password=", "token:", 'key="', "--token ", "Cookie: a="])
    def test_names_without_values(self, unit: str) -> None:
        """A name follows a name; what comes last is a secret all the same."""
        key = "gh" + "p_" + "a1B2" * 9
        assert key not in redact(unit * (LONG // len(unit)) + f" {key}")


class TestVersion:
    def test_is_a_positive_number(self) -> None:
        """It is kept in an integer column."""
        assert 0 < RULES_VERSION < 2**63


class TestRealTranscripts:
    def test_few_texts_are_touched(self, corpus: Path) -> None:
        """Of a quarter of a million texts at most one in 3,000 has something redacted."""
        texts = list(texts_of(corpus))
        redacted = redact_all(texts)
        touched = sum(one is not other for one, other in zip(texts, redacted, strict=True))
        assert len(texts) > 200_000
        assert 20 <= touched <= len(texts) // 3_000


def texts_of(folder: Path) -> Iterator[str]:
    """Every string in the JSON files; a line that is no JSON as it is."""
    for file in sorted((*folder.rglob("*.json"), *folder.rglob("*.jsonl"))):
        if file.name != "expected.json":
            yield from texts_in(file.read_text(encoding="utf-8", errors="surrogateescape"))


def texts_in(text: str) -> Iterator[str]:
    try:
        yield from leaves(json.loads(text))
    except ValueError:
        for line in text.split("\n"):
            try:
                yield from leaves(json.loads(line))
            except ValueError:
                yield line


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("DB_PASSWORD=secret4Prod99", "DB_PASSWORD=[redacted:password]"),
        ("PGPASSWORD=pass1234word psql", "PGPASSWORD=[redacted:password] psql"),
        ("password=user_password", "password=user_password"),
    ],
)
def test_values_that_look_like_names(text: str, cleaned: str) -> None:
    """In the environment a value with a digit is a password, whatever words are in it; in code a name is none."""
    assert redact(text) == cleaned
