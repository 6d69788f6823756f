"""A hub that is asked for more packets of liveness and health than it holds is told so when it is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.config import read
from hub.config.capacity import PACKETS_HELD, packets_a_second
from hub.config.load import load
from hub.config.problems import Severity
from hub.config.resolve import survey

NETWORK = """\
network: many
hub:
  name: hq
  as: 65000
  router-id: 10.0.0.1
  prefixes: [10.0.0.0/16]
  uplinks: {telkom: {isp: telkom}, biznet: {isp: biznet}}
pools: {links: 10.255.0.0/16, ports: 40000-60000}
"""


def configuration(directory: Path, branches: int, liveness: str) -> Path:
    (directory / "network.yaml").write_text(NETWORK)
    (directory / "branches").mkdir()
    for number in range(1, branches + 1):
        text = f"as: {4200000000 + number}\nprefixes: [10.{number}.0.0/24]\nliveness: {liveness}\n"
        text += "uplinks: {fiber: {isp: telkom}, wireless: {isp: biznet}}\n"
        (directory / "branches" / f"b{number:03}.yaml").write_text(text)
    return directory


@pytest.mark.parametrize(
    ("liveness", "rate"),
    [
        ("fast", 2 * 2 / 0.050 / 0.875 + 2 / 0.05 + 2 / 1.0),
        ("normal", 2 * 2 / 0.100 / 0.875 + 2 / 0.2 + 2 / 1.0),
        ("{active: fast, idle: relaxed}", 2 / 0.050 / 0.875 + 2 / 1.0 / 0.875 + 2 / 0.05 + 2 / 5.0),
        ("{method: icmp, interval: 100ms}", 2 * 2 / 0.100),
        ("{active: relaxed, idle: fast}", 2 * 2 / 0.050 / 0.875 + 2 * 2 / 1.0),
        ("{interval: 50ms, echo: true}", 2 * (2 / 0.350 / 0.875 + 2 / 0.050)),
    ],
)
def test_both_directions_of_every_tunnel_count_and_one_of_a_branch_is_active(
    tmp_path: Path, liveness: str, rate: float
) -> None:
    looked = survey(load(configuration(tmp_path, 3, liveness)))
    assert packets_a_second(looked.branches) == pytest.approx(3 * rate)


@pytest.mark.parametrize(("branches", "said"), [(74, False), (75, True)])
def test_more_than_the_hub_holds_is_a_warning_with_its_place_and_mend(
    tmp_path: Path, branches: int, said: bool
) -> None:
    assert (branches * (4 / 0.050 / 0.875 + 42) > PACKETS_HELD) == said
    problems = [p for p in read(configuration(tmp_path, branches, "fast")).problems if "packets a second" in p.text]
    assert [(p.severity, p.file, p.line) for p in problems] == [(Severity.WARNING, "network.yaml", 2)] * said
    if said:
        assert str(problems[0]) == (
            "network.yaml:2:1: warning: liveness and health probes of 150 tunnels take 10,007 packets a second: from "
            "10,000 on one core sends them late, which looks like dead tunnels\n"
            "    mend: give branches slower timers, for example liveness: normal or relaxed"
        )
