"""The JSON Schemas of the files, for editors; made from the same models that read them."""

from __future__ import annotations

import json
from typing import Any

from hub.config.fields import Section
from hub.config.policy.written import RawPolicy
from hub.config.raw import RawAllocation, RawBranch, RawNetwork
from hub.config.scalars import NAME

FILES: dict[str, type[Section]] = {
    "network": RawNetwork,
    "branch": RawBranch,
    "policy": RawPolicy,
    "allocations": RawAllocation,
}
"""What a schema can be had for."""


def schema(file: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one kind of file, a key of `FILES`."""
    made = FILES[file].model_json_schema(by_alias=True)
    if file == "allocations":
        made = {
            "type": "object",
            "propertyNames": {"pattern": f"^{NAME}/{NAME}$"},
            "additionalProperties": made,
            "description": "allocations.yaml: what each tunnel was given",
        }
    named = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Pointsman: {file}"}
    return {**named, **_without_nulls(made)}


def _without_nulls(part: Any) -> Any:
    """The schema less pydantic's titles and less null: a key that is not wanted is left out, never empty."""
    if isinstance(part, list):
        return [_without_nulls(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    if "anyOf" in part and {"type": "null"} in part["anyOf"]:
        (kept,) = [inner for inner in part["anyOf"] if inner != {"type": "null"}]
        said = {key: part[key] for key in ("description", "examples") if key in part}
        return {**_without_nulls(kept), **said}
    properties = part.get("properties")
    kept = {key: _without_nulls(value) for key, value in part.items() if key not in ("title", "properties")}
    if properties is not None:
        kept["properties"] = {key: _without_nulls(value) for key, value in properties.items()}
    return kept


def render_schema(file: str) -> str:
    """The schema as a file."""
    return json.dumps(schema(file), indent=2, ensure_ascii=False) + "\n"
