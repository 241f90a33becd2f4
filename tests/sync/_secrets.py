"""One secret of each kind, none of them real: put together when the tests run.

Written out they would set off the scanners that watch repositories for leaked keys.
"""

from __future__ import annotations

import random
import string
from typing import NamedTuple


class Secret(NamedTuple):
    """A secret as it is met.

    Attributes:
        kind: what stands in its place after redaction.
        text: the words that it needs around it to be known.
        secret: what must not be there afterwards.
    """

    kind: str
    text: str
    secret: str


HEX = "0123456789abcdef"
ALNUM = string.ascii_letters + string.digits
LOWER = string.ascii_lowercase + string.digits
UPPER = string.ascii_uppercase + string.digits
URL = ALNUM + "-_"
B64 = ALNUM + "+/"
_chance = random.Random(20261126)


def some(alphabet: str, length: int) -> str:
    """Random characters with a digit near the beginning, ended by a letter or digit."""
    body = "".join(_chance.choices(alphabet, k=length - 4))
    return "".join((_chance.choice(alphabet[:10]), "7", body, "4", "e"))


def uuid() -> str:
    return "-".join(some(HEX, length) for length in (8, 4, 4, 4, 12))


def token(kind: str, *parts: str) -> Secret:
    whole = "".join(parts)
    return Secret(kind, whole, whole)


def named(kind: str, before: str, secret: str, after: str = "") -> Secret:
    return Secret(kind, f"{before}{secret}{after}", secret)


def pem(name: str) -> Secret:
    body = "\n".join(some(B64, 64) for _line in range(6))
    text = f"-----BEGIN {name}-----\n{body}\n{some(B64, 22)}==\n-----END {name}-----"
    return Secret("private-key", text, body.split("\n")[3])


PRIVATE = "PRIVATE" + " KEY"
SECRETS: list[Secret] = [
    # Keys as whole blocks
    pem(PRIVATE),
    pem("RSA " + PRIVATE),
    pem("OPENSSH " + PRIVATE),
    pem("PGP " + PRIVATE + " BLOCK"),
    named("putty-private-key", "Private-" + "Lines: 2\n", some(B64, 64)),
    token("age-secret-key", "AGE-SECRET", "-KEY-1", some(UPPER, 58).upper()),
    named("kubernetes-client-key", "client-key" + "-data: ", some(B64, 80)),
    # Clouds
    token("aws-access-key", "AK", "IA", some(UPPER, 16).upper()),
    token("aws-access-key", "AS", "IA", some(UPPER, 16).upper()),
    named("aws-secret-key", "aws_secret" + "_access_key = ", some(B64, 40)),
    named("aws-secret-key", '"Secret' + 'AccessKey": "', some(B64, 40), '"'),
    named("aws-session-token", "AWS_SESSION" + "_TOKEN=", some(B64, 200)),
    token("google-api-key", "AI", "za", some(URL, 35)),
    token("google-oauth-token", "ya", "29.", some(URL, 120)),
    token("google-client-secret", "GOC", "SPX-", some(URL, 28)),
    named("azure-storage-key", "AccountName=a;Account" + "Key=", some(B64, 86) + "=="),
    named("azure-shared-access-key", "Shared" + "AccessKey=", some(B64, 43) + "="),
    named(
        "azure-sas-signature",
        "https://a.example/c?sv=2022-11-02&si" + "g=",
        some(ALNUM, 43) + "%3D",
    ),
    token("azure-client-secret", some(ALNUM, 3)[:2] + "a8", "Q~", some(URL, 34)),
    token(
        "azure-devops-token", some(ALNUM, 52), "JQQ" + "J99", some(ALNUM, 18), "AZ" + "DO", "4aBc"
    ),
    token("digitalocean-token", "do", "p_v1_", some(HEX, 64)),
    token("heroku-token", "HR", "KU-AA", some(URL, 58)),
    named("heroku-key", "HEROKU" + "_API_KEY=", uuid()),
    named("cloudflare-token", "CLOUDFLARE" + "_API_TOKEN=", some(URL, 40)),
    token("cloudflare-origin-key", "v1" + ".0-", some(HEX, 24), "-", some(HEX, 146)),
    token("alibaba-access-key", "LT", "AI5t", some(ALNUM, 20)),
    token("tencent-secret-id", "AK", "ID", some(ALNUM, 32)),
    token("yandex-api-key", "AQ", "VN", some(URL, 36)),
    # Models
    token("anthropic-api-key", "sk-", "ant-", "api03-", some(URL, 93), "AA"),
    token("anthropic-oauth-token", "sk-", "ant-", "oat01-", some(URL, 93), "AA"),
    token("openrouter-key", "sk-", "or-v1-", some(HEX, 64)),
    token("openai-project-key", "sk-", "proj-", some(URL, 120)),
    token("openai-key", "sk-", some(ALNUM, 20), "T3Blbk" + "FJ", some(ALNUM, 20)),
    token("openai-style-key", "sk-", some(ALNUM, 48)),
    token("deepseek-key", "sk-", some(HEX, 32)),
    token("langfuse-secret-key", "sk-", "lf-", uuid()),
    token("groq-key", "gs", "k_", some(ALNUM, 52)),
    token("hugging-face-token", "hf", "_", "".join(_chance.choices(string.ascii_letters, k=34))),
    token("replicate-token", "r8", "_", some(ALNUM, 37)),
    token("perplexity-key", "pp", "lx-", some(ALNUM, 48)),
    token("xai-key", "xa", "i-", some(ALNUM, 80)),
    token("cerebras-key", "cs", "k-", some(LOWER, 48)),
    token("fireworks-key", "fw", "_", some(ALNUM, 24)),
    token("nvidia-key", "nv", "api-", some(ALNUM, 64)),
    token("langsmith-key", "ls", "v2_pt_", some(HEX, 32), "_", some(HEX, 10)),
    token("elevenlabs-key", "sk", "_", some(HEX, 48)),
    token("tavily-key", "tv", "ly-", some(ALNUM, 32)),
    token("pinecone-key", "pc", "sk_", some(ALNUM, 6), "_", some(ALNUM, 60)),
    named("mistral-key", "MISTRAL" + "_API_KEY=", some(ALNUM, 32)),
    named("cohere-key", "COHERE" + "_API_KEY=", some(ALNUM, 40)),
    named("deepgram-key", "DEEPGRAM" + "_API_KEY=", some(HEX, 40)),
    # Code and packages
    *(token("github-token", "gh", f"{letter}_", some(ALNUM, 36)) for letter in "pousr"),
    token("github-fine-grained-token", "github", "_pat_", some(ALNUM, 22), "_", some(ALNUM, 59)),
    *(
        token("gitlab-token", "gl", f"{name}-", some(URL, 20))
        for name in ("pat", "dt", "rt", "cbt")
    ),
    token("atlassian-token", "AT", "ATT3", some(URL, 180)),
    token("bitbucket-token", "AT", "BB", some(ALNUM, 32)),
    token("npm-token", "np", "m_", some(ALNUM, 36)),
    token("pypi-token", "py", "pi-", "AgEIcHlwaS5vcmc", some(URL, 150)),
    token("rubygems-token", "rubygems", "_", some(HEX, 48)),
    token("crates-io-token", "ci", "o", some(ALNUM, 32)),
    token("nuget-key", "oy", "2", some(LOWER, 43)),
    token("docker-token", "dc", "kr_pat_", some(URL, 27)),
    token("artifactory-key", "AK", "Cp", some(ALNUM, 69)),
    token("clojars-token", "CLO", "JARS_", some(LOWER, 60)),
    # Chats
    token("slack-token", "xo", "xb-", "2345678901-2345678901234-", some(ALNUM, 24)),
    token("slack-token", "xo", "xp-", "2345678901-2345678901-2345678901-", some(HEX, 32)),
    token("slack-app-token", "xa", "pp-1-A0123456789-2345678901234-", some(HEX, 64)),
    named(
        "slack-webhook",
        "https://hooks.slack" + ".com/services",
        "/T01234567/B01234567/" + some(ALNUM, 24),
    ),
    token("discord-token", "M", "T" + some(ALNUM, 24), ".", some(URL, 6), ".", some(URL, 38)),
    named(
        "discord-webhook",
        "https://discord" + ".com/api/webhooks/123456789012345678/",
        some(URL, 68),
    ),
    token("telegram-token", "1234567890", ":A", "A", some(URL, 33)),
    named(
        "teams-webhook",
        "https://a.webhook.office" + ".com/webhookb2/",
        f"{uuid()}@{uuid()}/IncomingWebhook/{some(HEX, 32)}/{uuid()}",
    ),
    # Money
    token("stripe-key", "sk", "_live_", some(ALNUM, 24)),
    token("stripe-key", "rk", "_live_", some(ALNUM, 99)),
    token("webhook-secret", "wh", "sec_", some(B64, 32)),
    token("square-token", "EA", "AA", some(URL, 60)),
    token("square-secret", "sq", "0csp-", some(URL, 43)),
    token("braintree-token", "access_token", "$production$", some(LOWER, 16), "$", some(HEX, 32)),
    named("paypal-secret", "PAYPAL" + "_CLIENT_SECRET=", some(URL, 80)),
    token("shopify-token", "sh", "pat_", some(HEX, 32)),
    # Mail and telephones
    token("sendgrid-key", "S", "G.", some(URL, 22), ".", some(URL, 43)),
    token("mailgun-key", "ke", "y-", some(HEX, 32)),
    token("mailchimp-key", some(HEX, 32), "-u", "s21"),
    named("postmark-token", "POSTMARK" + "_SERVER_TOKEN=", uuid()),
    token("twilio-key", "S", "K", some(HEX, 32)),
    named("twilio-auth-token", "TWILIO" + "_AUTH_TOKEN=", some(HEX, 32)),
    token("resend-key", "r", "e_", some(ALNUM, 8), "_", some(ALNUM, 24)),
    token("brevo-key", "xkey", "sib-", some(HEX, 64), "-", some(ALNUM, 16)),
    # Watching
    token("sentry-token", "sn", "trys_", some(ALNUM, 120)),
    named("sentry-dsn", "https://", some(HEX, 32), "@o12345.ingest.sentry.io/67890"),
    named("datadog-key", "DATADOG" + "_API_KEY=", some(HEX, 32)),
    token("new-relic-key", "NR", "AK-", some(UPPER, 27).upper()),
    token("grafana-service-token", "gl", "sa_", some(ALNUM, 32), "_", some(HEX, 8)),
    token("grafana-cloud-token", "gl", "c_", "eyJvIjoi", some(ALNUM, 90)),
    named("pagerduty-key", "PAGERDUTY" + "_API_KEY=", some(ALNUM, 20)),
    # Services
    token("vault-token", "hv", "s.", some(URL, 90)),
    token("terraform-token", some(ALNUM, 14), ".atlas" + "v1.", some(URL, 67)),
    token("doppler-token", "dp", ".pt.", some(ALNUM, 43)),
    token("databricks-token", "da", "pi", some(HEX, 32)),
    token("pulumi-token", "pu", "l-", some(HEX, 40)),
    token("fly-token", "fo", "1_", some(URL, 43)),
    token("fly-macaroon", "fm", "2_", some(ALNUM, 180)),
    named("vercel-token", "VERCEL" + "_TOKEN=", some(ALNUM, 24)),
    token("netlify-token", "nf", "p_", some(ALNUM, 36)),
    token("supabase-token", "sb", "p_", some(HEX, 40)),
    token("planetscale-token", "psc", "ale_tkn_", some(URL, 43)),
    token("neon-key", "na", "pi_", some(LOWER, 64)),
    token("linear-key", "li", "n_api_", some(ALNUM, 40)),
    token("notion-token", "nt", "n_", some(ALNUM, 46)),
    token("notion-secret", "sec", "ret_", some(ALNUM, 43)),
    token("figma-token", "fi", "gd_", some(URL, 40)),
    token("airtable-token", "pa", "t", some(ALNUM, 14), ".", some(HEX, 64)),
    named("asana-token", "ASANA" + "_TOKEN=", f"1/{'120345678901234'}:{some(HEX, 32)}"),
    token("postman-key", "PM", "AK-", some(HEX, 24), "-", some(HEX, 34)),
    token("1password-token", "op", "s_eyJ", some(ALNUM, 200)),
    token("clankers-token", "cl", "k_", some(ALNUM, 38)),
    token("dropbox-token", "s", "l.", some(URL, 138)),
    token("buildkite-token", "bk", "ua_", some(LOWER, 40)),
    token("typeform-token", "tf", "p_", some(ALNUM, 44)),
    token("facebook-token", "EA", "A", some(ALNUM, 180)),
    token("contentful-token", "CF", "PAT-", some(URL, 43)),
    token("prefect-key", "pn", "u_", some(ALNUM, 36)),
    # Forms that many share
    token(
        "jwt",
        "ey",
        "JhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.",
        "ey",
        "J",
        some(URL, 90),
        ".",
        some(URL, 43),
    ),
    named("url-password", "postgres://app:", "q7-Kd.4x", "@db.example:5432/app"),
    named("url-password", "redis://:", some(HEX, 24), "@cache.example:6379"),
    named("url-password", "mongodb+srv://app:", some(ALNUM, 20), "@cluster.example"),
    named("url-password", "amqp://guest:", some(ALNUM, 12), "@queue.example"),
    named("url-password", "https://bot:", some(ALNUM, 20), "@git.example/a.git"),
    named("authorization", "Authorization: Bearer ", some(ALNUM, 40)),
    named("authorization", "Authorization: token ", some(HEX, 40)),
    named("authorization", "authorization: Basic ", some(ALNUM, 22) + "=="),
    named("bearer-token", "sent with Bearer ", some(ALNUM, 40)),
    named("cookie", "Cookie: session", "id=" + some(ALNUM, 32)),
    named("cookie", "Set-Cookie: ", "sid=" + some(ALNUM, 32)),
    named("netrc-password", "machine a.example login me password ", "hunter2-and-more"),
    named("pgpass-password", "db.example:5432:app:me:", "hunter2-and-more"),
    named("password-hash", "me:", "$2y$10$" + some(ALNUM, 53)),
    named("password-hash", "me:", "$apr1$" + some(ALNUM, 8) + "$" + some(ALNUM, 22)),
    named(
        "docker-auth", '{"auths": {"https://r.example": {"auth": "', some(ALNUM, 30) + "==", '"}}}'
    ),
    named("npm-auth", "//r.example/:_auth" + "Token=", some(ALNUM, 30)),
    # Assignments
    named("password", "DB_PASS" + "WORD=", "correcthorse7"),
    named("password", "password: ", "hunter2-and-more"),
    named("password", '"pass' + 'word": "', "Tr0ub4dor&3", '"'),
    named("password", "login --pass" + "word ", "hunter2-and-more"),
    named("password", "passwd = '", "hunter2hunter2", "'"),
    named("secret", "API_" + "KEY=", some(ALNUM, 32)),
    named("secret", '"api' + 'Key": "', some(ALNUM, 32), '"'),
    named("secret", "client_" + "secret: ", some(ALNUM, 32)),
    named("secret", "access_" + "token='", some(ALNUM, 32), "'"),
    named("secret", "SECRET" + "_KEY = '", some(ALNUM, 50), "'"),
    named("secret", "private_" + "key=", some(HEX, 64)),
    named("secret", "deploy --to" + "ken ", some(HEX, 40)),
]
