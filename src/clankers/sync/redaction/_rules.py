r"""The table of rules: what each kind of secret looks like, and by what it is found.

A pattern names the secret part `secret` where it needs the words around it to be recognised;
else all of it is the secret. Texts are often JSON within JSON, so the beginning of a secret is
also what follows ``\n``, ``\u0022`` or ``%3D``, and a quote may have backslashes before it.
Repetitions are possessive or short, so that no text makes a pattern slow.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Rule(NamedTuple):
    """One kind of secret.

    Attributes:
        kind: what stands in the place of the secret.
        found_by: the passes of _suspects of which one finds a text with this kind.
        keys: lower-case words of which the text must have one.
        pattern: without regard to Unicode; `secret` is the part to replace, if not all.
        is_guess: the pattern also fits what is no secret; the value decides.
    """

    kind: str
    found_by: tuple[str, ...]
    keys: tuple[str, ...]
    pattern: str
    is_guess: bool = False


# Where a token must end.
_E = r"(?![A-Za-z0-9])"
# A quote, as written in a file, in JSON, in JSON within JSON, or in an address.
_QUOTE = r"""(?:\\{0,7}["'`]|\\{1,4}u002[27]|%22|&quot;|&\#3[49];)"""
# From the name to the value: `=`, `: `, `":"`, ` => `, `=\"`.
_IS = (
    rf"(?:{_QUOTE})?[\])]?[ \t]{{0,8}}+(?::=|=>|=|:|%3[ADad]|\\{{1,4}}u003[dD])"
    rf"(?:[ \t]|\\{{1,4}}[nt](?=[ \t]))*+(?:{_QUOTE})?"
)
# Between a vendor's name and the value lies the rest of the variable's name.
_REST = r"[A-Za-z0-9_.\-]{0,24}?(?i:key|token|secret|password|passwd|pwd)[A-Za-z0-9_\-]{0,8}"
_B64 = r"(?:[A-Za-z0-9+/=]|\\{1,4}/)"
# A value that stands without quotes: its beginning, from which it is judged, and the rest.
_CHARACTERS = r"""[^\s"'`\\,;&<>(){}|\x00-\x1f]"""
_ESCAPED = r"\\{1,4}/|\\{1,4}u00(?:26|3[cCdDeE])"
_WORD = rf"(?:{_CHARACTERS}{{1,256}}+|{_ESCAPED})(?:{_CHARACTERS}{{1,64}}+|{_ESCAPED}){{0,3}}+"
REST_OF_WORD = rf"(?:{_CHARACTERS}++|{_ESCAPED})*+"
_PEM_GAP = r"""(?:[\s"'`,>|]|\\{1,4}[nrt]|\\(?=\n)|\d{1,6}(?:→|\t|\\{1,4}t|[:|]))*+"""


def _token(kind: str, prefixes: str, body: str, *found_by: str) -> Rule:
    """A token that tells what it is by how it begins; prefixes are parted by spaces.

    The prefix is written before the test of what stands before it: the engine looks for a
    literal beginning many times faster than for anything else.
    """
    parts = [
        f"{re.escape(prefix)}{_begins(len(prefix))}(?:{body}){_E}" for prefix in prefixes.split()
    ]
    return Rule(
        kind, found_by or _pass_of(prefixes), tuple(prefixes.lower().split()), "|".join(parts)
    )


def _pass_of(prefixes: str) -> tuple[str, ...]:
    if prefixes[-1] in "-_":
        return ("_",)
    return (".",) if prefixes[-1] == "." else ("A",)


def _begins(length: int) -> str:
    """So many characters before here a token may begin."""
    before = rf"[^\n]{{{length}}}"
    return (
        rf"(?:(?<![A-Za-z0-9_]{before})|(?<=\\[nrtbfv]{before})"
        rf"|(?<=\\u[0-9A-Fa-f]{{4}}{before})|(?<=%[0-9A-Fa-f]{{2}}{before}))"
    )


def _named(kind: str, vendor: str, body: str, rest: str = _REST, *more: str) -> Rule:
    """A value without a form of its own, known by the name of its variable."""
    return Rule(
        kind,
        ("k", "secret"),
        (vendor, *more),
        rf"(?i:{'|'.join((vendor, *more))}){rest}{_IS}(?P<secret>{body}){_E}",
    )


_KEYS_WHOLE = (
    Rule(
        "private-key",
        ("_",),
        ("private key",),
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        rf"(?:{_PEM_GAP}(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset): ?[^\n\\\"]{{0,200}}+)*+"
        rf"(?:{_PEM_GAP}[A-Za-z0-9+/=]{{16,}}+)++"
        rf"(?:{_PEM_GAP}[A-Za-z0-9+/=]{{1,76}}+(?={_PEM_GAP}-----END|\\{{0,7}}[\"'`]|\Z))?+"
        rf"(?:{_PEM_GAP}-----END [A-Z0-9 ]{{0,40}}PRIVATE KEY(?: BLOCK)?-----)?+",
    ),
    Rule(
        "putty-private-key",
        ("_",),
        ("private-lines",),
        rf"Private-Lines: \d{{1,4}}(?P<secret>(?:{_PEM_GAP}[A-Za-z0-9+/=]{{16,}}+)++)",
    ),
    _token("age-secret-key", "AGE-SECRET-KEY-1", r"[A-Z0-9]{50,70}"),
    Rule(
        "kubernetes-client-key",
        ("k",),
        ("client-key-data",),
        rf"client-key-data{_IS}(?P<secret>{_B64}{{40,}}+)",
    ),
)

_CLOUDS = (
    _token("aws-access-key", "AKIA ASIA ABIA ACCA A3T", r"[A-Z0-9]{16,17}"),
    Rule(
        "aws-secret-key",
        ("k", "secret"),
        ("secret",),
        r"(?i:secret[_-]?(?:access)?[_-]?key|aws[_-]?secret)"
        rf"{_IS}(?P<secret>(?:[A-Za-z0-9+/]|\\{{1,4}}/){{40}}){_E}",
    ),
    Rule(
        "aws-session-token",
        ("k",),
        ("session", "security-token"),
        rf"(?i:session[_-]?token|x-amz-security-token){_IS}(?P<secret>(?:{_B64}|%[0-9A-Fa-f]{{2}}){{60,}}+)",
    ),
    _token("google-api-key", "AIza", r"[\w-]{35}(?![\w-])"),
    _token("google-oauth-token", "ya29.", r"[\w.-]{20,}+"),
    _token("google-client-secret", "GOCSPX-", r"[\w-]{28}", "_"),
    Rule(
        "azure-storage-key",
        ("k",),
        ("accountkey",),
        rf"(?i:AccountKey){_IS}(?P<secret>{_B64}{{40,}}+)",
    ),
    Rule(
        "azure-shared-access-key",
        ("k",),
        ("sharedaccesskey",),
        rf"SharedAccessKey{_IS}(?P<secret>{_B64}{{40,}}+)",
    ),
    Rule(
        "azure-sas-signature",
        ("&",),
        ("sig=",),
        r"(?:[?&;]|\\u0026)sig=(?P<secret>(?:[A-Za-z0-9+/=]|%[0-9A-Fa-f]{2}){40,}+)",
    ),
    Rule(
        "azure-client-secret",
        ("&",),
        ("q~",),
        r"[\w.~-]{3}[0-9]Q~[\w.~-]{31,34}+",
    ),
    Rule(
        "azure-devops-token",
        ("k",),
        ("azdo",),
        r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{18}AZDO[A-Za-z0-9]{4}",
    ),
    _token("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", r"[a-f0-9]{64}"),
    _token("heroku-token", "HRKU-", r"[\w-]{30,70}+", "k", "_"),
    _named("heroku-key", "heroku", r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
    _named("cloudflare-token", "cloudflare", r"[\w-]{37,45}", _REST, "cf_"),
    _token("cloudflare-origin-key", "v1.0-", r"[a-f0-9]{24}-[a-f0-9]{146}"),
    _token("alibaba-access-key", "LTAI", r"[A-Za-z0-9]{12,24}+"),
    _token("tencent-secret-id", "AKID", r"[A-Za-z0-9]{32}"),
    _token("yandex-api-key", "AQVN", r"[\w-]{35,38}+"),
)

_AI = (
    _token(
        "anthropic-oauth-token", "sk-ant-oat sk-ant-ort sk-ant-sid", r"[0-9]{2}-[\w-]{20,}+", "_"
    ),
    _token("anthropic-api-key", "sk-ant-", r"[\w-]{20,}+"),
    _token("openrouter-key", "sk-or-", r"(?:v[0-9]-)?[A-Za-z0-9]{32,}+"),
    _token("openai-project-key", "sk-proj- sk-svcacct- sk-admin- sk-None-", r"[\w-]{20,}+"),
    _token("langfuse-secret-key", "sk-lf-", r"[0-9a-f-]{36}"),
    Rule("openai-key", ("_",), ("t3blbkfj",), r"sk-[\w-]{16,80}?T3BlbkFJ[\w-]{16,80}+"),
    _token("deepseek-key", "sk-", r"[a-f0-9]{32}"),
    _token("openai-style-key", "sk-", r"(?=[A-Za-z]{0,40}[0-9])[A-Za-z0-9]{32,128}+"),
    _token("groq-key", "gsk_", r"[A-Za-z0-9]{40,64}+"),
    _token("hugging-face-token", "hf_ api_org_", r"[A-Za-z0-9]{30,40}+"),
    _token("replicate-token", "r8_", r"[A-Za-z0-9]{36,40}+"),
    _token("perplexity-key", "pplx-", r"[A-Za-z0-9]{32,64}+"),
    _token("xai-key", "xai-", r"[A-Za-z0-9]{40,100}+"),
    _token("cerebras-key", "csk-", r"[a-z0-9]{40,64}+"),
    _token("fireworks-key", "fw_", r"[A-Za-z0-9]{22,48}+"),
    _token("nvidia-key", "nvapi-", r"[\w-]{50,80}+"),
    _token("langsmith-key", "lsv2_pt_ lsv2_sk_", r"[a-f0-9]{32}_[a-f0-9]{10}"),
    _token("elevenlabs-key", "sk_", r"[a-f0-9]{48}"),
    _token("tavily-key", "tvly- tvly-dev- tvly-prod-", r"[A-Za-z0-9]{28,40}+"),
    _token("pinecone-key", "pcsk_", r"[A-Za-z0-9]{4,8}_[A-Za-z0-9]{50,70}+"),
    _named("mistral-key", "mistral", r"[A-Za-z0-9]{32}"),
    _named("cohere-key", "cohere", r"[A-Za-z0-9]{40}", _REST, "co_api"),
    _named("deepgram-key", "deepgram", r"[a-f0-9]{40}"),
)

_CODE_HOSTS = (
    _token("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", r"[A-Za-z0-9]{36,255}+"),
    _token("github-fine-grained-token", "github_pat_", r"[A-Za-z0-9]{22}_[A-Za-z0-9]{40,}+"),
    _token(
        "gitlab-token",
        "glpat- gldt- glrt- glrtr- glcbt- glptt- glft- glimt- glagent- glsoat- glffct- glwt-",
        r"(?=[\w-]{0,40}[0-9A-Z])[\w-]{20,}+(?:\.[\w-]{2,10}+){0,2}",
    ),
    _token("atlassian-token", "ATATT3", r"[\w=-]{50,}+"),
    _token("bitbucket-token", "ATBB ATCTT3", r"[\w=-]{24,}+"),
    _token("npm-token", "npm_", r"[A-Za-z0-9]{36}"),
    _token("pypi-token", "pypi-Ag", r"[\w-]{50,}+", "_"),
    _token("rubygems-token", "rubygems_", r"[a-f0-9]{48}"),
    _token("crates-io-token", "cio", r"[A-Za-z0-9]{32}", "cio"),
    _token("nuget-key", "oy2", r"[a-z0-9]{43}", "2"),
    _token("docker-token", "dckr_pat_ dckr_oat_", r"[\w-]{20,}+"),
    _token("artifactory-key", "AKCp", r"[A-Za-z0-9]{60,80}"),
    _token("clojars-token", "CLOJARS_", r"[a-z0-9]{60}"),
)

_CHATS = (
    _token(
        "slack-token",
        "xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs- xoxe.xoxb- xoxe.xoxp-",
        r"(?=[A-Za-z-]{0,40}[0-9])[0-9A-Za-z-]{20,}+",
    ),
    _token("slack-app-token", "xapp-", r"[0-9]-[A-Z0-9]{6,}+-[0-9]++-[a-z0-9]{20,}+"),
    Rule(
        "slack-webhook",
        ("k",),
        ("hooks.slack.com",),
        r"hooks\.slack\.com(?:\\{0,4}/|%2[Ff])(?:services|workflows|triggers)"
        r"(?P<secret>(?:(?:\\{0,4}/|%2[Ff])[A-Za-z0-9]{6,}+){2,5}+)",
    ),
    Rule(
        "discord-token",
        (".",),
        (".",),
        r"[MNO][\w-]{22,27}\.[\w-]{6}\.(?=[\w-]{0,38}[0-9])[\w-]{27,40}+",
    ),
    Rule(
        "discord-webhook",
        ("k",),
        ("api",),
        r"discord(?:app)?\.com(?:\\{0,4}/|%2[Ff])api(?:(?:\\{0,4}/|%2[Ff])v[0-9]{1,2})?"
        r"(?:\\{0,4}/|%2[Ff])webhooks(?:\\{0,4}/|%2[Ff])[0-9]{15,22}"
        r"(?:\\{0,4}/|%2[Ff])(?P<secret>[\w-]{50,80}+)",
    ),
    Rule("telegram-token", ("A",), ("aa",), r"[0-9]{8,10}(?::|%3[Aa])A[A-Z][\w-]{33}(?![\w-])"),
    Rule(
        "teams-webhook",
        ("k",),
        ("webhook.office.com",),
        r"webhook\.office\.com(?:\\{0,4}/|%2[Ff])webhookb2(?:\\{0,4}/|%2[Ff])"
        r"(?P<secret>[0-9a-f-]{36}(?:@|%40)[0-9a-f-]{36}(?:\\{0,4}/|%2[Ff])IncomingWebhook"
        r"(?:(?:\\{0,4}/|%2[Ff])[\w-]{20,80}){1,3})",
    ),
)

_MONEY = (
    _token(
        "stripe-key", "sk_live_ sk_test_ sk_prod_ rk_live_ rk_test_ rk_prod_", r"[A-Za-z0-9]{16,}+"
    ),
    _token("webhook-secret", "whsec_", r"[A-Za-z0-9+/=]{24,}+"),
    _token("square-token", "EAAA", r"[\w-]{56,64}+"),
    _token("square-secret", "sq0csp- sq0atp-", r"[\w-]{22,43}+"),
    _token(
        "braintree-token",
        "access_token$",
        r"(?:production|sandbox)\$[a-z0-9]{16}\$[a-f0-9]{32}",
        "&",
    ),
    _named("paypal-secret", "paypal", r"[\w-]{60,90}"),
    _token("shopify-token", "shpat_ shpca_ shppa_ shpss_", r"[a-fA-F0-9]{32}"),
)

_MAIL = (
    _token("sendgrid-key", "SG.", r"[\w-]{22}\.[\w-]{43}(?![\w-])", "k"),
    _token("mailgun-key", "key-", r"[0-9a-f]{32}"),
    Rule("mailchimp-key", ("_",), ("-us",), rf"[0-9a-f]{{32}}-us[0-9]{{1,2}}{_E}"),
    _named("postmark-token", "postmark", r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
    _token("twilio-key", "SK", r"[0-9a-f]{32}", "k"),
    _named("twilio-auth-token", "twilio", r"[0-9a-f]{32}"),
    _token("resend-key", "re_", r"[A-Za-z0-9]{8}_[A-Za-z0-9]{20,32}+"),
    _token("brevo-key", "xkeysib-", r"[a-f0-9]{64}-[A-Za-z0-9]{16}"),
)

_WATCHING = (
    _token("sentry-token", "sntrys_ sntryu_", r"[\w+/=-]{40,}+"),
    Rule(
        "sentry-dsn",
        ("&",),
        ("ingest", "sentry"),
        r"https?(?::|%3[Aa])(?:\\{0,4}/|%2[Ff]){2}(?P<secret>[0-9a-f]{32}(?::[0-9a-f]{32})?)"
        r"(?:@|%40)[\w.-]{1,80}",
    ),
    _named("datadog-key", "datadog", r"[0-9a-f]{32}(?:[0-9a-f]{8})?", _REST, "dd_"),
    _token("new-relic-key", "NRAK- NRAL- NRAA-", r"[A-Z0-9]{27}"),
    _token("new-relic-insert-key", "NRII- NRIQ-", r"[\w-]{32}"),
    _token("grafana-service-token", "glsa_", r"[A-Za-z0-9]{32}_[a-fA-F0-9]{8}"),
    _token("grafana-cloud-token", "glc_", r"[A-Za-z0-9+/=]{32,}+"),
    _named("pagerduty-key", "pagerduty", r"[\w+-]{20,32}"),
)

_SERVICES = (
    _token("vault-token", "hvs. hvb. hvr.", r"[\w-]{24,}+"),
    Rule("terraform-token", (".",), (".atlasv1.",), r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,}+"),
    _token(
        "doppler-token",
        "dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit.",
        r"(?:[\w-]{2,35}\.)?[A-Za-z0-9]{40,44}",
    ),
    _token("databricks-token", "dapi", r"[a-f0-9]{32}(?:-[0-9])?", "dapi"),
    _token("pulumi-token", "pul-", r"[a-f0-9]{40}"),
    _token("fly-token", "fo1_", r"[\w-]{43}"),
    _token("fly-macaroon", "fm1_ fm2_ fm1a_ fm1r_", r"[A-Za-z0-9+/=_-]{60,}+"),
    _named("vercel-token", "vercel", r"[A-Za-z0-9]{24}"),
    _token("netlify-token", "nfp_", r"[A-Za-z0-9]{36,40}+"),
    _token("supabase-token", "sbp_ sbp_v0_", r"[a-f0-9]{40}"),
    _token("planetscale-token", "pscale_tkn_ pscale_pw_ pscale_oauth_", r"[\w.=-]{32,64}+"),
    _token("neon-key", "napi_", r"[a-z0-9]{40,80}+"),
    _token("linear-key", "lin_api_ lin_oauth_ lin_wh_", r"[A-Za-z0-9]{32,64}+"),
    _token("notion-token", "ntn_", r"[A-Za-z0-9]{40,50}+"),
    _token("notion-secret", "secret_", r"(?=[A-Za-z]{0,40}[0-9])[A-Za-z0-9]{43}"),
    _token("figma-token", "figd_ figo_ figu_ figoh_ figor_", r"(?=[\w-]{0,40}[0-9])[\w-]{36,64}+"),
    _token("airtable-token", "pat", r"[A-Za-z0-9]{14}\.[a-f0-9]{64}", "."),
    _named("asana-token", "asana", r"[0-9]/[0-9]{12,20}(?:/[0-9]{12,20})?:[a-f0-9]{32}"),
    _token("postman-key", "PMAK-", r"[a-f0-9]{24}-[a-f0-9]{34}"),
    _token("1password-token", "ops_eyJ", r"[A-Za-z0-9+/=_-]{60,}+", "k", "_"),
    _token("clankers-token", "clk_", r"[0-9A-Za-z]{38}"),
    _token("dropbox-token", "sl.", r"(?:u\.)?[\w-]{100,}+"),
    _token("buildkite-token", "bkua_", r"[a-z0-9]{40}"),
    _token("typeform-token", "tfp_", r"[\w.=-]{40,60}+"),
    _token("facebook-token", "EAA", r"[A-Za-z0-9]{80,}+"),
    _token("contentful-token", "CFPAT-", r"[\w-]{43}"),
    _token("prefect-key", "pnu_ pnb_", r"[A-Za-z0-9]{36}"),
)

_URL_MARK = r"(?:\\{0,4}/|%2[Ff]){2}"
_FORMS = (
    # Slashes before it: `//` of an address, or of a JSON text that escapes them.
    Rule(
        "jwt",
        ("k",),
        ("eyj",),
        r"eyJ[A-Za-z0-9_-]{10,2048}+\.(?:eyJ[A-Za-z0-9_-]{8,}+|[A-Za-z0-9_-]{16,}+)"
        r"(?:\.[A-Za-z0-9_-]{8,}+){0,3}+",
    ),
    Rule(
        "url-password",
        ("&",),
        ("@", "%40"),
        rf"(?::|%3[Aa]){_URL_MARK}(?:[^\s/:@\"'<>\\%\[]|%[0-46-9A-Fa-f][0-9A-Fa-f]){{0,64}}+"
        r"(?::|%3[Aa])(?P<secret>[^\s/@\"'`<>\\]{3,200}?)(?:@|%40)(?=[\[A-Za-z0-9{$])",
        is_guess=True,
    ),
    Rule(
        "authorization",
        ("k",),
        ("authorization",),
        rf"(?i:authorization)(?:{_QUOTE})?[ \t]{{0,8}}+[:=,][ \t]{{0,8}}+(?:{_QUOTE})?"
        rf"(?:(?i:bearer|basic|token|bot|apikey|negotiate|digest)(?:[ \t]|%20|\+)+)?(?P<secret>{_WORD})",
        is_guess=True,
    ),
    Rule(
        "bearer-token",
        ("k",),
        ("bearer",),
        r"\b(?i:bearer)(?:[ \t]|%20){1,4}(?P<secret>[A-Za-z0-9][\w.~+/=-]{15,}+)",
        is_guess=True,
    ),
    Rule(
        "basic-credentials",
        ("k",),
        ("basic ",),
        r"\b(?i:basic)[ \t]{1,4}(?P<secret>[A-Za-z0-9+/]{15,}+={1,2})",
    ),
    Rule(
        "cookie",
        ("k",),
        ("cookie",),
        rf"(?i:(?:set-)?cookie)(?:{_QUOTE})?:[ \t]{{0,8}}+(?:{_QUOTE})?"
        r"(?P<secret>[\w.%-]{1,128}=[^\s;\"'\\]{1,4096}+(?:; ?[\w.%-]{1,128}(?:=[^\s;\"'\\]{0,4096}+)?){0,100}+)",
        is_guess=True,
    ),
    Rule(
        "netrc-password",
        ("k",),
        ("machine",),
        r"machine(?:\s|\\n|\\t){1,8}[^\s\\]{1,255}(?:\s|\\n|\\t){1,20}"
        r"login(?:\s|\\n|\\t){1,8}[^\s\\]{1,100}(?:\s|\\n|\\t){1,20}password(?:\s|\\n|\\t){1,8}"
        rf"(?P<secret>{_WORD})",
        is_guess=True,
    ),
    Rule(
        "pgpass-password",
        ("2",),
        (":5432:", ":6432:"),
        r":(?:5432|6432):[\w*-]{1,64}:[\w*-]{1,64}:(?P<secret>(?!\[redacted:)[^\s\"'\\:]{4,100}+)",
    ),
    Rule(
        "password-hash",
        ("&",),
        ("$",),
        r"\$(?:2[abxy]?\$[0-9]{2}\$[./A-Za-z0-9]{53}|apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}"
        r"|[156]\$(?:rounds=[0-9]{1,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{22,86}"
        r"|y\$[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43}"
        r"|argon2(?:id|[id])\$v=[0-9]{1,3}\$[a-z0-9=,]{1,40}\$[A-Za-z0-9+/]{8,64}\$[A-Za-z0-9+/]{16,128})",
    ),
    Rule(
        "docker-auth",
        ('"auth',),
        ("auth",),
        rf"auth(?<=[\"'`\\_]auth)(?:{_QUOTE})[ \t]{{0,8}}:[ \t]{{0,8}}(?:{_QUOTE})"
        r"(?P<secret>[A-Za-z0-9+/=_-]{12,}+)",
        is_guess=True,
    ),
    Rule(
        "npm-auth",
        ("_", "k"),
        (":_auth", ":_password"),
        r":_(?:auth|authToken|password)\s{0,4}=\s{0,4}(?:\\{0,4}\")?(?P<secret>[A-Za-z0-9+/=_-]{8,}+)",
        is_guess=True,
    ),
)

# What a name ends with; whether it is the name of a secret is seen by what stands before it.
_PASSWORDS = "[pP](?:[aA][sS][sS](?:[wW][oO][rR][dD]|[wW][dD]|[pP][hH][rR][aA][sS][eE]|[cC][oO][dD][eE])?|[wW][dD])"
_SECRETS = (
    "[kKtTsScC](?:(?<=[kK])[eE][yY]|(?<=[tT])[oO][kK][eE][nN]|(?<=[sS])[eE][cC][rR][eE][tT]"
    "|(?<=[cC])[rR][eE][dD][eE][nN][tT][iI][aA][lL][sS]?)"
)
_AFTER_NAME = (
    r"(?:[_\-.]?(?:[vV]alue|VALUE|[pP]rod|PROD|[dD]ev|DEV|[tT]est|TEST|[bB]ase|BASE|[0-9]{1,2}))?"
)
_GUESSES = (
    Rule(
        "password",
        ("k", "_"),
        ("pass", "pwd"),
        rf"(?P<name>{_PASSWORDS}){_AFTER_NAME}{_IS}(?P<secret>{_WORD})",
        is_guess=True,
    ),
    Rule(
        "secret",
        ("k", "secret"),
        ("secret", "token", "key", "credential"),
        rf"(?P<name>{_SECRETS}){_AFTER_NAME}{_IS}(?P<secret>{_WORD})",
        is_guess=True,
    ),
    Rule(
        "password",
        ("k", "_"),
        ("--pass", "--pwd"),
        rf"(?P<name>--(?i:password|passwd|passphrase|pass|pwd))[ ]{{1,4}}(?:{_QUOTE})?(?P<secret>{_WORD})",
        is_guess=True,
    ),
    Rule(
        "secret",
        ("k", "secret"),
        ("--",),
        r"(?P<name>--(?i:[a-z-]{0,20}(?:token|secret|api-?key|access-?key|secret-?key)))[ ]{1,4}"
        rf"(?:{_QUOTE})?(?P<secret>{_WORD})",
        is_guess=True,
    ),
)


def ends_in_word(rule: Rule) -> bool:
    """Whether more of the secret may follow what the pattern matches."""
    return rule.pattern.endswith(f"(?P<secret>{_WORD})")


RULES: tuple[Rule, ...] = (
    *_KEYS_WHOLE,
    *_CLOUDS,
    *_AI,
    *_CODE_HOSTS,
    *_CHATS,
    *_MONEY,
    *_MAIL,
    *_WATCHING,
    *_SERVICES,
    *_FORMS,
    *_GUESSES,
)
