"""`pointsman schema`: the JSON Schemas that editors use."""

from __future__ import annotations

import argparse

NAMES = ("network", "branch", "policy", "allocations")
EXAMPLES = """\
examples:
  pointsman schema branch > branch.json
  pointsman schema                       all four in one object, by name

In an editor with the YAML language server, the first line of a file names its schema:
  # yaml-language-server: $schema=../branch.json
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "schema",
        help="print the JSON Schema of the configuration, for editors",
        description="Print the JSON Schema of a kind of file, so that an editor completes and checks it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", choices=NAMES, help="the kind of file (default: all)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print it; always 0."""
    import json

    from hub.config.schema import render_schema, schema

    if args.file:
        print(render_schema(args.file), end="")
    else:
        print(json.dumps({name: schema(name) for name in NAMES}, indent=2, ensure_ascii=False))
    return 0
