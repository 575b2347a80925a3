"""A page about the API that loads nothing from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>mien: API</title>
<style>
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
code { font-family: ui-monospace, monospace }
td, th { text-align: left; padding: .1rem .8rem .1rem 0; vertical-align: top }
h2 { margin-top: 2rem; font-size: 1.1rem }
</style>
<h1>mien: API</h1>
<p>The whole description is <a href="openapi.json">openapi.json</a>.</p>
"""


def docs_page(api: dict[str, Any]) -> str:
    """HTML of an OpenAPI description."""
    parts = [_HEAD]
    for path, methods in api["paths"].items():
        for method, about in methods.items():
            name = f"{method.upper()} {path}"
            parts.append(f"<h2><code>{escape(name)}</code></h2>")
            parts.append(f"<p>{escape(about.get('summary', ''))}</p>")
            if text := about.get("description"):
                parts.append(f"<p>{escape(text)}</p>")
            parts.append(_fields(about.get("requestBody", {}), api))
    return "".join([*parts, "</html>"])


def _fields(body: dict[str, Any], api: dict[str, Any]) -> str:
    rows = []
    for kind, content in body.get("content", {}).items():
        schema = content.get("schema", {})
        if "$ref" in schema:
            schema = api["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        rows.append(f"<tr><th colspan=2>{escape(kind)}</th></tr>")
        for name, field in schema.get("properties", {}).items():
            needed = " (needed)" if name in schema.get("required", ()) else ""
            about = f"{field.get('description', '')}{needed}"
            rows.append(f"<tr><td><code>{escape(name)}</code></td><td>{escape(about)}</td></tr>")
    return f"<table>{''.join(rows)}</table>" if rows else ""
