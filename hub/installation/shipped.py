"""The files that are put on a machine, made for this installation's interpreter and these users."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import hub

CONFIG = Path(hub.__file__).parents[1] / "config"
"""Where they come from: they are shipped beside the package."""
MARK = 'Put here by "pointsman install"'
"""In the first line of every one of them: what has it is ours."""
USER = "pointsman"
_PLACES = (
    ("systemd", ("*.service", "*.path", "*.target"), "/etc/systemd/system"),
    ("systemd/networkd.conf.d", ("*.conf",), "/etc/systemd/networkd.conf.d"),
    ("sysusers.d", ("*.conf",), "/etc/sysusers.d"),
    ("tmpfiles.d", ("*.conf",), "/etc/tmpfiles.d"),
    ("sysctl.d", ("*.conf",), "/etc/sysctl.d"),
    ("NetworkManager/conf.d", ("*.conf",), "/etc/NetworkManager/conf.d"),
)
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,21}")
"""As useradd(8) wants them, and short enough for `-forwarder` behind it (32 characters in all)."""
_HIDDEN = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")  # noqa: S108  names of places, nothing is written
"""What the units cannot see (ProtectHome=, PrivateTmp=)."""


class InstallationError(Exception):
    """Something stands in the way; the text says what, `mend` what helps."""

    def __init__(self, text: str, mend: str) -> None:
        super().__init__(text)
        self.mend = mend


@dataclass(frozen=True, slots=True)
class Shipped:
    """A Shipped is one file: where it belongs on the machine (an absolute path), and its text."""

    path: str
    text: str


def shipped(python: str, user: str = USER, source: Path = CONFIG) -> tuple[Shipped, ...]:
    """All of them, in order of their places.

    Raises:
        InstallationError: the name of the user cannot be used, or the files are not there.
    """
    if _USER.fullmatch(user) is None:
        raise InstallationError(f'"{user}" is no name for a user', "use small letters, digits, - and _; at most 22")
    if re.search(r"[\s%$\"'\\]", python) or not python.startswith("/"):
        raise InstallationError(f"{python} cannot stand in a unit", "install Pointsman into a path without such signs")
    found = []
    for folder, patterns, place in _PLACES:
        for path in sorted(each for pattern in patterns for each in (source / folder).glob(pattern)):
            text = path.read_text(encoding="utf-8").replace("@PYTHON@", python).replace("@USER@", user)
            found.append(Shipped(f"{place}/{path.name}", text))
    if not found:
        raise InstallationError(f"there are no units in {source / 'systemd'}", "install Pointsman anew")
    return tuple(sorted(found, key=lambda each: each.path))


def users(user: str = USER) -> tuple[str, ...]:
    """The users that the processes run as, beside root."""
    return (user, f"{user}-forwarder", f"{user}-exabgp")


def check_interpreter(python: Path, *, of_image: bool = False) -> None:
    """See that the units can start this interpreter; `of_image`: on another machine, which has one of its own.

    Raises:
        InstallationError: they cannot.
    """
    for path in (python, python.resolve()):
        hidden = next((place for place in _HIDDEN if str(path).startswith(place)), None)
        if hidden is not None:
            text = f"the units do not see {path}: they are kept out of {hidden}"
            mend = "install into /opt (python3 -m venv /opt/pointsman) with the system's python3, and run its pointsman"
            if of_image:
                mend = "name the interpreter that the image has: --python /opt/pointsman/bin/python3"
            raise InstallationError(text, mend)
