"""Targets as operators write them, and what they are told of one that there is not."""

from __future__ import annotations

import pytest
from small_network import a_branch, a_network

from policies.model.overrides import Scope, Target
from policies.overrides.targets import NoTargetError, read_target, read_tunnel_of

BANDUNG = a_branch()
INTENT = a_network(BANDUNG, a_branch("solo", number=2), a_branch("tegal", ("fiber", "lte"), number=3))


@pytest.mark.parametrize(
    ("text", "scope", "tunnels"),
    [
        ("bandung/fiber", Scope.TUNNEL, "bandung/fiber"),
        (" bandung/fiber ", Scope.TUNNEL, "bandung/fiber"),
        ("bandung", Scope.BRANCH, "bandung/fiber bandung/wireless"),
        ("isp:isp-lte", Scope.ISP, "tegal/lte"),
        ("isp:isp-fiber", Scope.ISP, "bandung/fiber solo/fiber tegal/fiber"),
        # an ISP at the hub's end of the tunnel counts as well
        ("isp:telkom", Scope.ISP, "bandung/fiber solo/fiber tegal/fiber"),
        ("hub:hq/biznet", Scope.HUB_UPLINK, "bandung/wireless solo/wireless tegal/lte"),
        (
            "hub:hq",
            Scope.HUB,
            "bandung/fiber bandung/wireless solo/fiber solo/wireless tegal/fiber tegal/lte",
        ),
    ],
)
def test_a_target_means_these_tunnels(text: str, scope: Scope, tunnels: str) -> None:
    target = read_target(text, INTENT)
    assert target.scope is scope
    assert " ".join(str(tunnel) for tunnel in sorted(target.tunnels(INTENT))) == tunnels


OF_THE_HUB = (
    "write hub:hq for all tunnels of the hub, hub:hq/telkom for those of one uplink, isp:telkom for those with an ISP"
)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("bandung/fibre", "there is no tunnel bandung/fibre: its tunnels are fiber, wireless"),
        ("bandung/", "there is no tunnel bandung/: its tunnels are fiber, wireless"),
        ("bandung/fiber/x", "there is no tunnel bandung/fiber/x: its tunnels are fiber, wireless"),
        ("bandug", 'there is no branch "bandug": did you mean "bandung"?'),
        ("bandug/fiber", 'there is no branch "bandug": did you mean "bandung"?'),
        ("x", 'there is no branch "x": there are bandung, solo, tegal'),
        ("telkom", 'there is no branch "telkom": write isp:telkom for all tunnels with that ISP'),
        ("hq", 'there is no branch "hq": write hub:hq for all tunnels of the hub'),
        ("hub", f'there is no branch "hub": {OF_THE_HUB.replace("telkom", "biznet")}'),
        ("uplink:telkom", f'there is no branch "uplink:telkom": {OF_THE_HUB}'),
        ("isp:telkon", 'there is no ISP "telkon": did you mean "telkom"?'),
        ("isp:", 'there is no ISP "": the tunnels are with biznet, isp-fiber, isp-lte, isp-wireless, telkom'),
        ("hub:jakarta", 'there is no hub "jakarta" here: this one is hub:hq'),
        ("hub:hq/telkon", 'hub hq has no uplink "telkon": its uplinks are biznet, telkom'),
        ("hub:hq/", 'hub hq has no uplink "": its uplinks are biznet, telkom'),
        ("", "nothing is named: write bandung/fiber, bandung, isp:telkom, hub:hq/telkom or hub:hq"),
        ("/", "nothing is named: write bandung/fiber, bandung, isp:telkom, hub:hq/telkom or hub:hq"),
    ],
)
def test_what_there_is_not_is_said_with_its_mend(text: str, error: str) -> None:
    with pytest.raises(NoTargetError) as raised:
        read_target(text, INTENT)
    assert str(raised.value) == error


def test_of_many_names_only_some_are_said() -> None:
    intent = a_network(*(a_branch(f"kantor-{n:02}", number=n + 1) for n in range(20)))
    with pytest.raises(NoTargetError, match=r"kantor-07 and 12 more$"):
        read_target("zzz", intent)


def test_an_uplink_of_the_hub_that_no_tunnel_uses_is_no_target() -> None:
    with pytest.raises(NoTargetError, match=r"^no tunnel goes over hub:hq/biznet$"):
        read_target("hub:hq/biznet", a_network(a_branch(tunnels=("fiber",))))


def test_a_tunnel_of_a_branch_is_named_with_or_without_the_branch() -> None:
    assert read_tunnel_of(BANDUNG, "fiber") == read_tunnel_of(BANDUNG, "bandung/fiber")


def test_what_the_configuration_no_longer_has_means_no_tunnel() -> None:
    assert not Target("cirebon/fiber").tunnels(INTENT)
