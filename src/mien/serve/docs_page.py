"""A page about the API that loads nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from mien.page import fill


def docs_page(api: dict[str, Any]) -> str:
    """HTML of an OpenAPI description."""
    operations = [
        {
            "name": f"{method.upper()} {path}",
            "summary": about.get("summary", ""),
            "description": about.get("description"),
            "bodies": _bodies(about.get("requestBody", {}), api),
        }
        for path, methods in api["paths"].items()
        for method, about in methods.items()
    ]
    return fill("api.html", title="mien: API", operations=operations)


def _bodies(body: dict[str, Any], api: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Kind of a request's body to its fields, with what each is."""
    found = {}
    for kind, content in body.get("content", {}).items():
        schema = content.get("schema", {})
        if "$ref" in schema:
            schema = api["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        needed = schema.get("required", ())
        fields = {
            name: f"{field.get('description', '')}{' (needed)' if name in needed else ''}"
            for name, field in schema.get("properties", {}).items()
        }
        if fields:
            found[kind] = fields
    return found
