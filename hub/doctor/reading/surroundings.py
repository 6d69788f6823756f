"""The configuration of other programs that manage networks: systemd-networkd, NetworkManager, BIRD, FRR, iproute2."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from hub.doctor.checks.daemons import FOREIGN_SINCE
from hub.doctor.facts import Interface, Networkd

_SYSTEMD = tuple(Path(path) for path in ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"))
"""From the most to the least important (systemd.unit(5), networkd.conf(5))."""
_LIBRARIES = ("/usr/lib/systemd", "/usr/lib/*-linux-gnu/systemd", "/usr/lib64/systemd")
_ENABLED = Path("/etc/systemd/system/multi-user.target.wants/systemd-networkd.service")
_NO = frozenset({"no", "false", "off", "0", "n", "f"})
_LEARNING = {
    "/etc/bird/bird.conf": re.compile(r"^[^#\n]*\blearn\b(?!\s+(?:no|off)\b)", re.MULTILINE),
    "/etc/bird.conf": re.compile(r"^[^#\n]*\blearn\b(?!\s+(?:no|off)\b)", re.MULTILINE),
    "/etc/frr/frr.conf": re.compile(r"^\s*redistribute kernel\b", re.MULTILINE),
}
_PROTOCOL_LINE = re.compile(r"^\s*(\d+)\s+(\S+)", re.MULTILINE)


def networkd(*, running: bool) -> Networkd:
    """What systemd-networkd is and would do here."""
    return Networkd(running, _ENABLED.is_symlink(), _version(), settings(_texts()))


def _version() -> int | None:
    """The version in the name of systemd's own library, which is there without asking systemd."""
    for place in _LIBRARIES:
        for path in Path("/").glob(f"{place[1:]}/libsystemd-shared-*.so"):
            if found := re.search(r"shared-(\d+)", path.name):
                return int(found.group(1))
    return None


def _texts() -> Iterator[str]:
    """networkd.conf, then its drop-ins by name; of those of one name the more important directory's counts."""
    for place in _SYSTEMD:
        text = _text(place / "networkd.conf")
        if text is not None:
            yield text
            break
    drop_ins: dict[str, Path] = {}
    for place in _SYSTEMD:
        with suppress(OSError):
            for path in (place / "networkd.conf.d").glob("*.conf"):
                drop_ins.setdefault(path.name, path)
    for name in sorted(drop_ins):
        yield _text(drop_ins[name]) or ""


def settings(texts: Iterable[str]) -> dict[str, bool]:
    """What these files say of the things of others; the later file counts. Pure."""
    found: dict[str, bool] = {}
    for text in texts:
        for line in text.splitlines():
            option, equals, value = (part.strip() for part in line.partition("="))
            if equals and option in FOREIGN_SINCE:
                found[option] = value.lower() not in _NO
    return found


def managed_by_network_manager(interfaces: Iterable[Interface]) -> frozenset[str]:
    """Those of these interfaces that NetworkManager's own state says it manages."""
    devices = Path("/run/NetworkManager/devices")
    return frozenset(
        each.name for each in interfaces if "managed=true" in (_text(devices / str(each.index)) or "").split()
    )


def learning() -> tuple[str, ...]:
    """Configuration files of routing daemons that say to take up the routes of others."""
    return tuple(path for path in _LEARNING if takes_up_others(path, _text(Path(path)) or ""))


def takes_up_others(path: str, text: str) -> bool:
    """Whether a configuration file of this name, with this text, says so. Pure."""
    return _LEARNING[path].search(text) is not None


def protocol_names() -> Mapping[int, str]:
    """The names of routing protocols, as iproute2 has them."""
    found: dict[int, str] = {}
    for place in (Path("/usr/share/iproute2"), Path("/usr/lib/iproute2"), Path("/etc/iproute2")):
        texts = [_text(place / "rt_protos")]
        with suppress(OSError):
            texts += [_text(path) for path in sorted((place / "rt_protos.d").glob("*.conf"))]
        for text in filter(None, texts):
            found.update({int(number): name for number, name in _PROTOCOL_LINE.findall(text)})
    return found


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None
