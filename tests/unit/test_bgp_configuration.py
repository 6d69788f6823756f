"""ExaBGP's configuration is rendered from the intent, and ExaBGP itself accepts it."""

from __future__ import annotations

from pathlib import Path

import pytest
from bgp_network import network

from hub.bgp.reload import InvalidConfigurationError, prepare, validate
from policies.model.ids import TunnelId
from speaker.bgp.configuration import Rendering, render

GOLDEN = Path(__file__).parents[1] / "golden" / "bgp" / "two-branches.conf"
RENDERING = Rendering("/usr/bin/python3", "/run/pointsman/exabgp-1.sock")


def test_two_branches_render_as_the_golden_file() -> None:
    assert render(network(2), RENDERING) == GOLDEN.read_text()


def test_exabgp_accepts_the_golden_file() -> None:
    validate(GOLDEN)


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
        fresh = prepare(path, intent, RENDERING)
        assert fresh is not None
        assert fresh.stat().st_mode & 0o777 == 0o640
        fresh.replace(path)
        assert prepare(path, intent, RENDERING) is None
    assert [entry.name for entry in tmp_path.iterdir()] == ["exabgp.conf"]


def test_a_configuration_that_exabgp_refuses_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "exabgp.conf"
    path.write_text("before")
    with pytest.raises(InvalidConfigurationError, match="can not locate the program"):
        prepare(path, network(1), Rendering("/nowhere/python", "/run/x.sock"))
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["exabgp.conf"]
