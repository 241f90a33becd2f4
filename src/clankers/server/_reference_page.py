"""The OpenAPI document as a page that needs no script and nothing from elsewhere."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from litestar.openapi.plugins import OpenAPIRenderPlugin

if TYPE_CHECKING:
    from litestar import Request

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #1c1c1c; background: #fff }
code { font: 14px ui-monospace, monospace } h2 { margin-top: 2.5rem }
section { border-top: 1px solid #ddd; padding: .5rem 0 } .method { font-weight: 600 }
table { border-collapse: collapse } td, th { text-align: left; padding: .1rem 1rem .1rem 0;
  vertical-align: top }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616 }
  section { border-color: #444 } a { color: #8ab4f8 } }
"""


class ReferencePage(OpenAPIRenderPlugin):
    """Lists every route with its parameters and answers."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        del request
        title = html.escape(openapi_schema["info"]["title"])
        routes = "".join(
            _operation(path, method, operation)
            for path, item in sorted(openapi_schema["paths"].items())
            for method, operation in item.items()
            if isinstance(operation, dict)
        )
        page = (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
            f"<style>{_STYLE}</style><h1>{title}</h1>"
            "<p>The same for programs: <a href=/docs/openapi.json>openapi.json</a></p>"
            f"{routes}</html>"
        )
        return page.encode()


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    said = operation.get("description") or operation.get("summary") or ""
    parameters = "".join(map(_parameter, operation.get("parameters") or []))
    answers = "".join(
        f"<tr><td><code>{status}</code><td>{html.escape(answer.get('description', ''))}"
        for status, answer in sorted(operation.get("responses", {}).items())
    )
    return (
        f"<section><h2><code><span class=method>{method.upper()}</span> {html.escape(path)}</code>"
        f"</h2><p>{html.escape(said)}</p>"
        + (f"<table>{parameters}</table>" if parameters else "")
        + f"<h3>Answers</h3><table>{answers}</table></section>"
    )


def _parameter(parameter: dict[str, Any]) -> str:
    schema = parameter.get("schema") or {}
    kind = schema.get("type") or "/".join(str(one.get("type")) for one in schema.get("oneOf", []))
    default = schema.get("default")
    shown = "" if default is None else f"default {html.escape(str(default))}"
    return (
        f"<tr><td><code>{html.escape(parameter['name'])}</code>"
        f"<td>{html.escape(str(kind))}<td>{parameter['in']}<td>{shown}"
    )
