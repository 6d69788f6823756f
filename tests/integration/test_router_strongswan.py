"""A branch's charon with what is printed for it, against the hub's charon as the provisioner sets it up."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from ipsec_network import SECRET, Network, tunnel, why_not
from made_network import run, wait_for

from hub.branch_router.end import BranchEnd, IpsecEnd, TunnelEnd, UplinkEnd
from hub.branch_router.inner import inner_script
from hub.branch_router.secrets import Secrets
from hub.branch_router.swanctl import swanctl_config
from hub.provisioner.wanted import WantedIpsec

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("charon-systemd") is None, reason="strongSwan is not installed"),
]


def far_end(number: int, wanted: WantedIpsec) -> TunnelEnd:
    """The branch's end of what is wanted at the hub."""
    carrier = IpsecEnd(
        number=wanted.number,
        hub_identity=wanted.hub_identity,
        own_identity=wanted.branch_identity,
        secret_file=wanted.secret_file,
        inner=wanted.inner,
        hub_loopback=wanted.loopback,
        own_loopback=wanted.branch_loopback,
        ike=wanted.ike,
        esp=wanted.esp,
        version=wanted.version,
        rekey_ike=wanted.rekey_ike,
        rekey_child=wanted.rekey_child,
    )
    name, hub_link = wanted.tunnel.partition("/")[2], wanted.addresses[0].partition("/")[0]
    return TunnelEnd(
        name=wanted.tunnel,
        uplink=name,
        hub_uplink=wanted.uplink,
        interface=f"in{number}",
        hub_link=hub_link,
        own_link=f"172.31.0.{2 * number - 1}",
        endpoint=wanted.local,
        port=wanted.number,
        bfd=True,
        interval_us=100_000,
        multiplier=3,
        mtu=wanted.mtu,
        carrier=carrier,
    )


def end_of(*wanted: WantedIpsec) -> BranchEnd:
    """The branch that belongs to these."""
    numbered = list(enumerate(wanted, 1))
    return BranchEnd(
        name="bandung",
        asn=65001,
        router_id="192.168.1.1",
        prefixes=("192.168.1.0/24",),
        hub="hq",
        hub_asn=65000,
        reaches=("10.0.0.0/16",),
        uplinks=tuple(
            UplinkEnd(each.tunnel.partition("/")[2], "telkom", f"w{number}", None, f"10.9.{number}.2", 100 + number)
            for number, each in numbered
        ),
        tunnels=tuple(far_end(number, each) for number, each in numbered),
    )


def paste(network: Network, *wanted: WantedIpsec) -> None:
    """Put what is printed into the branch."""
    end = end_of(*wanted)
    secrets = Secrets(preshared={each.tunnel: SECRET for each in wanted})
    for _ in range(2):  # the script may run again
        run("ip", "netns", "exec", network.branch, "sh", "-c", inner_script(end))
    network.branch_charon.configure(swanctl_config(end, secrets))


@pytest.mark.parametrize("inner", ["vxlan", "gre", "xfrm"])
def test_what_is_printed_makes_both_tunnels_come_up(inner: str, tmp_path: Path) -> None:
    if reason := why_not(inner):
        pytest.skip(reason)
    wanted = [tunnel("fiber", inner), tunnel("wireless", inner)]
    with Network(tmp_path) as network:
        network.apply(*wanted)
        paste(network, *wanted)
        for each in wanted:
            network.wait_up(each)
        assert len(network.sas()) == 2


def test_the_branch_begins_again_when_the_hubs_charon_was_restarted(tmp_path: Path) -> None:
    if reason := why_not("vxlan"):
        pytest.skip(reason)
    wanted = tunnel("fiber", "vxlan")
    with Network(tmp_path) as network:
        network.apply(wanted)
        paste(network, wanted)
        network.wait_up(wanted)
        network.hub_charon.stop()
        network.hub_charon.start()
        network.apply(wanted)
        network.wait_up(wanted)
        assert len(network.sas()) == 1


def test_nothing_for_the_hubs_loopback_leaves_in_clear(tmp_path: Path) -> None:
    wanted = tunnel("fiber", "vxlan")
    if reason := why_not("vxlan"):
        pytest.skip(reason)
    with Network(tmp_path) as network:
        run("ip", "-n", network.branch, "route", "add", "default", "via", "10.9.1.1", "dev", "w1")
        run("ip", "netns", "exec", network.branch, "sh", "-c", inner_script(end_of(wanted)))
        ask = ("ip", "-n", network.branch, "route", "get", str(wanted.loopback))
        assert run(*ask, check=False) == "", "unreachable"
        network.apply(wanted)
        paste(network, wanted)
        network.wait_up(wanted)
        wait_for(lambda: "table 220" in run(*ask, check=False), "charon's own route")
