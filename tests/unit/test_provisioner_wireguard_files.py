"""WireGuard's configuration, and what it says of itself."""

from __future__ import annotations

import base64

from hub.provisioner.keys.secret import Secret
from hub.provisioner.wireguard.devices import read_answer, read_dump
from hub.provisioner.wireguard.files import HubEnd, hub_text, peer_text

HUB = HubEnd(Secret("HUB-KEY"), 51000, 28673, "BRANCH-PUBLIC", Secret("BOTH"), ("10.1.0.0/24", "10.255.0.1/32"))
HUB_TEXT = """\
[Interface]
PrivateKey = HUB-KEY
ListenPort = 51000
FwMark = 28673

[Peer]
PublicKey = BRANCH-PUBLIC
PresharedKey = BOTH
AllowedIPs = 10.1.0.0/24, 10.255.0.1/32
"""


def test_the_hubs_end_waits_and_allows_only_what_is_the_branchs() -> None:
    assert hub_text(HUB).strip() == HUB_TEXT.strip()


def test_only_the_peer_is_named_where_only_that_changes() -> None:
    assert peer_text(HUB).strip() == HUB_TEXT.partition("\n\n")[2].strip()


def test_keys_are_not_in_a_representation() -> None:
    assert not [word for word in ("HUB-KEY", "BOTH") if word in repr(HUB)]


def _key(byte: int) -> str:
    return base64.b64encode(bytes([byte] * 32)).decode()


DUMP = "\n".join(
    [
        f"wg0\t{_key(1)}\t{_key(2)}\t51000\t0x7001",
        f"wg0\t{_key(3)}\t(none)\t203.0.113.7:4000\t10.1.0.0/24,fd00::1/128\t1700000000\t5\t6\toff",
        "wg1\t(none)\t(none)\t51001\toff",
        f"wg1\t{_key(4)}\t{_key(5)}\t(none)\t(none)\t0\t0\t0\t25",
        "a line of a later version\twith other\tfields",
    ]
)


def test_a_dump_of_wg_is_read_by_interface() -> None:
    found = read_dump(DUMP)
    assert set(found) == {"wg0", "wg1"}
    assert (found["wg0"].own, found["wg0"].port, found["wg0"].mark) == (Secret(_key(1)), 51000, 0x7001)
    (peer,) = found["wg0"].peers
    assert (peer.public, peer.preshared, peer.endpoint) == (_key(3), None, "203.0.113.7:4000")
    assert (peer.allowed, peer.handshake_at, peer.keepalive) == ({"10.1.0.0/24", "fd00::1/128"}, 1.7e9, 0)
    (peer,) = found["wg1"].peers
    assert (found["wg1"].own, peer.preshared, peer.endpoint, peer.allowed) == (None, Secret(_key(5)), None, set())


ANSWER = f"""\
private_key={"01" * 32}
listen_port=51000
fwmark=28673
public_key={"03" * 32}
preshared_key={"00" * 32}
protocol_version=1
endpoint=203.0.113.7:4000
last_handshake_time_sec=1700000000
last_handshake_time_nsec=500000000
tx_bytes=6
rx_bytes=5
persistent_keepalive_interval=25
allowed_ip=10.1.0.0/24
allowed_ip=fd00::1/128
errno=0

"""


def test_an_answer_of_wireguard_go_says_the_same() -> None:
    found = read_answer(ANSWER)
    assert (found.own, found.port, found.mark) == (Secret(_key(1)), 51000, 0x7001)
    (peer,) = found.peers
    assert (peer.public, peer.preshared, peer.endpoint) == (_key(3), None, "203.0.113.7:4000")
    assert (peer.allowed, peer.handshake_at) == ({"10.1.0.0/24", "fd00::1/128"}, 1.7e9 + 0.5)
    assert (peer.received, peer.sent, peer.keepalive) == (5, 6, 25)


def test_a_new_interface_of_wireguard_go_has_no_key_no_port_and_no_peer() -> None:
    found = read_answer("errno=0\n\n")
    assert (found.own, found.port, found.mark, found.peers) == (None, 0, 0, ())
