"""Configuration directories for tests: a small right one, and what `read` says when parts of it are replaced."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hub.config import Configuration, read

NETWORK = """\
network: kencana
timezone: Asia/Jakarta
hub:
  name: hq
  as: 65000
  router-id: 10.0.0.1
  prefixes: [10.0.0.0/16]
  uplinks:
    telkom: {isp: telkom, interface: eth0, endpoint: 198.51.100.2}
    biznet: {isp: biznet, interface: eth1, endpoint: 203.0.113.2}
pools: {links: 10.255.0.0/19, ports: 51000-54999}
"""
BANDUNG = """\
as: 65001
prefixes: [10.1.0.0/24]
uplinks:
  fiber:    {isp: telkom}
  wireless: {isp: indosat, kind: lte, metered: true}
"""
ALLOCATIONS = """\
bandung/fiber: {to: telkom, link: 10.255.0.0/31, port: 51000}
bandung/wireless: {to: biznet, link: 10.255.0.2/31, port: 51001}
"""
RIGHT = {"network.yaml": NETWORK, "branches/bandung.yaml": BANDUNG, "allocations.yaml": ALLOCATIONS}
EXAMPLE = Path(__file__).parents[2] / "config" / "eight-branches"


def written(directory: Path, files: Mapping[str, str | bytes]) -> Path:
    """The directory with the right configuration in it, these files replaced or added."""
    for name, content in {**RIGHT, **files}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return directory


def reading(directory: Path, files: Mapping[str, str | bytes]) -> Configuration:
    """What such a directory says."""
    return read(written(directory, files))


def said(configuration: Configuration) -> str:
    """All its problems, as a user sees them."""
    return "\n".join(str(problem) for problem in configuration.problems)
