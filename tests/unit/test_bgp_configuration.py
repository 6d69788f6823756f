"""ExaBGP's configuration is rendered from the intent, and ExaBGP itself accepts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bgp_network import network

from hub.bgp.reload import InvalidConfigurationError, prepare, validate
from policies.model.ids import TunnelId
from policies.model.intent import Intent, Session, SessionKind
from speaker.bgp.configuration import Rendering, render

GOLDEN = Path(__file__).parents[1] / "golden" / "bgp"
RENDERING = Rendering("/usr/bin/python3", "/run/pointsman/exabgp-1.sock")
SECURED = Session(password_file="/etc/pointsman/secret", ttl_security=True)  # noqa: S106
RENDERED: list[tuple[str, dict[str, Any]]] = [
    ("two-branches", {"branches": 2}),
    ("ipv6", {"branches": 1, "versions": (4, 6)}),
    ("ibgp", {"branches": 1, "session": Session(SessionKind.IBGP)}),
    ("secured", {"branches": 1, "session": SECURED}),
]


@pytest.mark.parametrize(("name", "made"), RENDERED, ids=[row[0] for row in RENDERED])
def test_a_network_renders_as_its_golden_file(name: str, made: dict[str, Any]) -> None:
    text = render(network(**made), RENDERING, passwords={"/etc/pointsman/secret": "correct,horse"})
    assert text == (GOLDEN / f"{name}.conf").read_text()


@pytest.mark.parametrize("name", [row[0] for row in RENDERED])
def test_exabgp_accepts_every_golden_file(name: str) -> None:
    validate(GOLDEN / f"{name}.conf")


def test_a_process_can_have_some_of_the_tunnels_only() -> None:
    text = render(network(2), RENDERING, [TunnelId("b2", "fiber")])
    assert text.count("\nneighbor ") == 1
    assert "neighbor 10.255.2.1 {" in text


def test_another_port_is_listened_on() -> None:
    assert "listen 1790;" in render(network(1), Rendering("/usr/bin/python3", "/run/x.sock", port=1790))


@pytest.mark.parametrize("path", ["/run/a b.sock", "/run/a;b", "/run/{x}", "/run/é", 'x"', "run/x.sock", "/run/a\nb"])
def test_a_path_that_exabgp_would_cut_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="ExaBGP"):
        Rendering("/usr/bin/python3", path)


def test_the_file_is_written_only_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "exabgp.conf"
    for intent in (network(1), network(2)):
        fresh = prepare(path, intent, RENDERING, tmp_path)
        assert fresh is not None
        fresh.replace(path)
        assert prepare(path, intent, RENDERING, tmp_path) is None
    assert [entry.name for entry in tmp_path.iterdir()] == ["exabgp.conf"]


def test_a_configuration_that_exabgp_refuses_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "exabgp.conf"
    path.write_text("before")
    with pytest.raises(InvalidConfigurationError, match="can not locate the program"):
        prepare(path, network(1), Rendering("/nowhere/python", "/run/x.sock"), tmp_path)
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["exabgp.conf"]


def written(path: Path, intent: Intent) -> bool:
    """Whether it had to be written."""
    fresh = prepare(path, intent, RENDERING, path.parent)
    if fresh is not None:
        fresh.replace(path)
    return fresh is not None


def test_a_configuration_with_passwords_is_for_nobody_but_its_owner_and_its_group(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text("correct,horse\n")
    path = tmp_path / "exabgp.conf"
    intent = network(1, session=Session(password_file="secret"))  # noqa: S106 - the name of a file
    assert written(path, intent)
    assert path.stat().st_mode & 0o777 == 0o640
    assert not written(path, intent)
    path.chmod(0o644)
    assert written(path, intent)
    assert path.stat().st_mode & 0o777 == 0o640
    secret.write_text("another")
    assert written(path, intent)


def test_a_configuration_without_passwords_is_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "exabgp.conf"
    assert written(path, network(1))
    assert path.stat().st_mode & 0o777 == 0o644
