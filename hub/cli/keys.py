"""`pointsman keys`: what the ends of tunnels know each other by, without ever showing it."""

from __future__ import annotations

import argparse

from hub.cli import keys_forget, keys_list, keys_rotate

_EPILOG = """\
examples:
  pointsman keys list                          how old every key, secret and certificate is
  pointsman keys rotate bandung/fiber          new keys at both ends, while traffic is elsewhere
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command, with its parts."""
    parser = commands.add_parser(
        "keys",
        help="the keys and secrets of tunnels: how old they are, new ones, forget them",
        description="The keys of WireGuard, the secrets and certificates of IPsec. They are files below the state "
        "directory that only root may read; no command shows them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    keys_list.add_list(parts)
    keys_rotate.add_rotate(parts)
    keys_forget.add_forget(parts)
