"""Policies that drop what comes in clear, as `ip xfrm` has them."""

from __future__ import annotations

import pytest

from hub.provisioner.ipsec.clear_text import Block, blocks, drop, put

GRE = Block("10.254.0.1", "10.254.0.0", "gre")
VXLAN = Block("10.254.0.3", "10.254.0.2", "vxlan")
LISTED = """src 10.254.0.3/32 dst 10.254.0.2/32 proto udp dport 4789 
\tdir in action block priority 4294967294 ptype main 
src 10.254.0.1/32 dst 10.254.0.0/32 proto gre 
\tdir in action block priority 4294967294 ptype main 
"""  # noqa: W291
"""What iproute2 6.1 prints."""


class Ip:
    """An Ip is a program that prints this and keeps what it is asked."""

    def __init__(self, said: str) -> None:
        self.said = said
        self.asked: list[str] = []

    def __call__(self, *command: str, given: str = "") -> str:
        self.asked.append(" ".join(command))
        return self.said


@pytest.mark.parametrize(
    "listed", [LISTED, LISTED.replace("gre", "47").replace("udp", "17")], ids=["names", "numbers: no /etc/protocols"]
)
def test_what_the_kernel_has_is_read(listed: str) -> None:
    assert blocks(Ip(listed)) == {GRE, VXLAN}


def test_only_those_of_our_priority_are_asked_for() -> None:
    ip = Ip("")
    assert blocks(ip) == frozenset()
    assert ip.asked == ["ip xfrm policy list dir in action block priority 4294967294"]


def test_a_policy_names_the_protocol_and_the_two_loopbacks() -> None:
    ip = Ip("")
    put(GRE, ip)
    put(VXLAN, ip)
    assert [asked.split("dir")[0].split("update ")[1].strip() for asked in ip.asked] == [
        "src 10.254.0.1/32 dst 10.254.0.0/32 proto 47",
        "src 10.254.0.3/32 dst 10.254.0.2/32 proto 17 dport 4789",
    ]


def test_what_is_not_there_or_not_ours_is_not_removed() -> None:
    ip = Ip("")
    drop(GRE, ip)
    assert not any("delete" in asked for asked in ip.asked)
