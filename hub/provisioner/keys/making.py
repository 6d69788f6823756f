"""Making keys with `wg`: they pass through pipes only, and never stand in a process's arguments or environment."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from hub.provisioner.changes import ProvisionError
from hub.provisioner.keys.files import is_key
from hub.provisioner.keys.secret import Secret

_PATIENCE = 120.0
"""Seconds; a thousand keys take some ten."""
_SCRIPT = """\
while read -r what; do
    case $what in
        pair) key=$(wg genkey) && public=$(printf '%s\\n' "$key" | wg pubkey) && printf '%s %s\\n' "$key" "$public" ;;
        preshared) wg genpsk ;;
        *) printf '%s\\n' "$what" | wg pubkey ;;
    esac || exit 1
done
"""
"""One shell for all; `printf` is its own, so that no process gets a key as an argument."""


def make_pairs(number: int) -> list[tuple[Secret, str]]:
    """New private keys, each with its public half.

    Raises:
        ProvisionError: `wg` is missing or fails.
    """
    lines = [line.split() for line in _asked(["pair"] * number)]
    return [(Secret(private), public) for private, public in lines]


def make_preshared(number: int) -> list[Secret]:
    """New secrets of two ends.

    Raises:
        ProvisionError: `wg` is missing or fails.
    """
    return [Secret(line) for line in _asked(["preshared"] * number)]


def public_half(key: Secret) -> str:
    """The public half of a private key.

    Raises:
        ProvisionError: `wg` is missing or fails.
    """
    return _asked([key.reveal()])[0]


def _asked(questions: Sequence[str]) -> list[str]:
    if not questions:
        return []
    text = "".join(question + "\n" for question in questions)
    try:
        done = subprocess.run(
            ["sh", "-c", _SCRIPT], input=text, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        # `from None`: the error of a time-out holds what was sent.
        raise ProvisionError(f"keys could not be made: {type(error).__name__}", "try again") from None
    lines = done.stdout.split("\n")[:-1]
    if done.returncode or len(lines) != len(questions) or not all(is_key(w) for line in lines for w in line.split()):
        missing = "not found" in done.stderr
        mend = "install wireguard-tools" if missing else "see whether `wg genkey` works here"
        raise ProvisionError("keys could not be made: " + ("wg is not here" if missing else "wg failed"), mend)
    return lines
