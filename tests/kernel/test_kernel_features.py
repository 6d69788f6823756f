"""What the other tests want of the kernel is there. Tried, each in a namespace of its own; not read from a list."""

from __future__ import annotations

import subprocess

import pytest

KEY = "0x" + "11" * 36
SA = f"ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 mode tunnel aead 'rfc4106(gcm(aes))' {KEY} 128"


def _nft(hook: str, rule: str) -> str:
    return f"nft 'table inet trial {{ chain trial {{ type {hook}; {rule}; }}; }}'"


NEXTHOP = "ip link set lo up; ip nexthop add id 7 dev lo"

FEATURES = {
    "WireGuard": "ip link add name trial type wireguard",
    "GRE": "ip link add name trial type gre local 192.0.2.1 remote 192.0.2.2",
    "XFRM interfaces": "ip link add name trial type xfrm dev lo if_id 7",
    "ESP with AES-GCM": SA,
    "ESP in UDP": f"{SA} encap espinudp 4500 4500 0.0.0.0",
    "a policy that blocks": "ip xfrm policy add src 192.0.2.1 dst 192.0.2.2 dir out action block priority 1000000",
    "netem": "tc qdisc add dev lo root netem delay 1ms loss 1%",
    "dummy interfaces": "ip link add name trial type dummy",
    "TUN": "ip tuntap add dev trial mode tun",
    "VXLAN": "ip link add name trial type vxlan id 7 dev lo dstport 4789",
    "rules by mark": "ip rule add fwmark 7 lookup 7 priority 7",
    "nexthop objects": NEXTHOP,
    "nftables": _nft("filter hook output priority 0", "counter"),
    "nftables that hides": _nft("nat hook postrouting priority 100", "masquerade"),
    "nftables that knows IPsec": _nft("filter hook output priority 0", "rt ipsec missing drop"),
    "nftables that clamps MSS": _nft(
        "filter hook forward priority 0", "tcp flags syn tcp option maxseg size set rt mtu"
    ),
}


@pytest.mark.parametrize("feature", FEATURES)
def test_the_kernel_has(feature: str) -> None:
    done = subprocess.run(["unshare", "-n", "sh", "-ec", FEATURES[feature]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
