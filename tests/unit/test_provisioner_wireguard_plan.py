"""What the WireGuard slice would do: by what is wanted, what is there, and which keys there are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ipsec_values import tunnel

from hub.provisioner.alias import Alias
from hub.provisioner.changes import Planned
from hub.provisioner.keys.folder import TunnelKeys
from hub.provisioner.keys.secret import Secret
from hub.provisioner.wanted import NOTHING, Wanted, WantedExisting, WantedWireGuard
from hub.provisioner.wireguard.devices import Device, Peer
from hub.provisioner.wireguard.interfaces import Interface, Seen
from hub.provisioner.wireguard.plan import Configure, Forget, KnownKeys, Make, MakeKeys, Remove, Replace, SetLink, plan

KEYS = TunnelKeys(Secret("hub"), "HUB-PUBLIC=", Secret("branch"), "BRANCH-PUBLIC=", None, 1000.0)
NEW = TunnelKeys(Secret("hub2"), "HUB-PUBLIC2=", Secret("branch2"), "BRANCH-PUBLIC2=", None, 2000.0)
FIBER = WantedWireGuard(
    tunnel="bandung/fiber",
    interface="wg51000-bandung",
    addresses=("10.255.0.0/31", "fd00:ff::/127"),
    mtu=1420,
    uplink="telkom",
    mark=0x7001,
    port=51000,
    allowed=("10.1.0.0/24", "10.255.0.1/32", "fd00:ff::1/128"),
    endpoint=None,
    keepalive=0,
    preshared=False,
)
PEER = Peer("BRANCH-PUBLIC=", None, "203.0.113.7:4000", frozenset(FIBER.allowed), 900.0, 10, 20, 0)
DEVICE = Device(Secret("hub"), 51000, 0x7001, (PEER,))
THERE = Interface(
    "wg51000-bandung", 7, "pointsman net bandung/fiber", "tun", True, 1420, frozenset(FIBER.addresses), DEVICE
)


def planned(
    *interfaces: Interface,
    wanted: tuple[WantedWireGuard, ...] = (FIBER,),
    keys: KnownKeys = KnownKeys(KEYS),  # noqa: B008 - an immutable value
    **seen: object,
) -> Planned:
    asked: Wanted = replace(NOTHING, network="net", wireguard=wanted)
    machine = Seen({each.name: each for each in interfaces}, **seen)  # type: ignore[arg-type]
    return plan(asked, machine, {each.tunnel: keys for each in wanted})


def texts(found: Planned) -> list[str]:
    assert not found.refusals
    return [change.text for change in found.changes]


def test_nothing_is_to_be_done_where_all_is_as_wanted() -> None:
    assert planned(THERE) == Planned()


def test_a_tunnel_that_is_not_there_is_made_with_its_keys() -> None:
    found = planned(keys=KnownKeys())
    assert texts(found) == ["make its keys", "make wg51000-bandung (port 51000, by uplink telkom)"]
    assert [type(change.how) for change in found.changes] == [MakeKeys, Make]


def test_all_missing_keys_are_made_by_the_first_change() -> None:
    wireless = replace(FIBER, tunnel="bandung/wireless", interface="wg51001-bandung", port=51001, addresses=())
    first, *_ = planned(wanted=(FIBER, wireless), keys=KnownKeys()).changes
    assert first.how == MakeKeys(FIBER, (FIBER, wireless))


def test_a_preshared_key_is_made_beside_keys_that_are_there() -> None:
    found = planned(THERE, wanted=(replace(FIBER, preshared=True),))
    assert texts(found) == ["make its preshared key", "configure wg51000-bandung"]


DIFFERENCES = [
    (replace(THERE, mtu=1400), "wg51000-bandung: MTU 1400 -> 1420"),
    (replace(THERE, up=False), "wg51000-bandung: up"),
    (
        replace(THERE, addresses=frozenset({"10.255.0.8/31", "fd00:ff::/127"})),
        "wg51000-bandung: address + 10.255.0.0/31, - 10.255.0.8/31",
    ),
    (
        replace(THERE, alias="pointsman net bandung/fibre"),
        "wg51000-bandung: is of bandung/fiber now, and not of bandung/fibre",
    ),
    (replace(THERE, device=replace(DEVICE, port=1)), "wg51000-bandung: port 1 -> 51000"),
    (replace(THERE, device=replace(DEVICE, mark=1)), "wg51000-bandung: mark 1 -> 28673 (uplink telkom)"),
    (replace(THERE, device=replace(DEVICE, own=None)), "wg51000-bandung: its keys"),
    (replace(THERE, device=replace(DEVICE, own=Secret("x"))), "wg51000-bandung: the hub's key of the store"),
    (
        replace(
            THERE, device=replace(DEVICE, peers=(replace(PEER, allowed=frozenset({"10.1.0.0/24", "10.9.0.0/16"})),))
        ),
        "wg51000-bandung: AllowedIPs: + 10.255.0.1/32, + fd00:ff::1/128, - 10.9.0.0/16",
    ),
    (
        replace(THERE, device=replace(DEVICE, peers=(PEER, replace(PEER, public="STRANGER=")))),
        "wg51000-bandung: - peer STRANGER…",
    ),
    (
        replace(THERE, device=replace(DEVICE, peers=())),
        "wg51000-bandung: + peer BRANCH-P…, AllowedIPs 10.1.0.0/24, 10.255.0.1/32, fd00:ff::1/128",
    ),
    (
        replace(THERE, device=replace(DEVICE, peers=(replace(PEER, preshared=Secret("p")),))),
        "wg51000-bandung: preshared key removed (the branch's end too!)",
    ),
    (
        replace(THERE, device=replace(DEVICE, peers=(replace(PEER, keepalive=25),))),
        "wg51000-bandung: keepalive 25 -> 0",
    ),
    (replace(THERE, device=None), "configure wg51000-bandung, which does not say what it has"),
]


@pytest.mark.parametrize(("there", "text"), DIFFERENCES, ids=lambda each: each if isinstance(each, str) else "")
def test_each_difference_is_one_change_in_words(there: Interface, text: str) -> None:
    assert texts(planned(there)) == [text]


def test_only_the_peer_is_named_to_wireguard_where_only_allowed_addresses_differ() -> None:
    peer = replace(PEER, allowed=frozenset({"10.1.0.0/24"}))
    (change,) = planned(replace(THERE, device=replace(DEVICE, peers=(peer,)))).changes
    assert change.how == Configure(FIBER, peer_only=True)
    (change,) = planned(replace(THERE, device=replace(DEVICE, peers=(peer,), port=1))).changes
    assert change.how == Configure(FIBER, peer_only=False)


def test_addresses_that_are_not_wanted_are_given_to_whoever_removes_them() -> None:
    (change,) = planned(replace(THERE, addresses=frozenset({"10.255.0.8/31"}))).changes
    assert isinstance(change.how, SetLink)
    assert change.how.present == {"10.255.0.8/31"}


def test_the_same_address_written_otherwise_is_no_difference() -> None:
    assert texts(planned(THERE, wanted=(replace(FIBER, addresses=("10.255.0.0/31", "fd00:ff::0/127")),))) == []


def test_an_interface_that_is_wanted_no_more_is_removed() -> None:
    (change,) = planned(THERE, wanted=()).changes
    assert (change.target, change.text, change.removes) == ("bandung/fiber", "remove wg51000-bandung", True)
    assert change.how == Remove("wg51000-bandung")


NOT_REMOVED = [
    replace(THERE, alias=""),
    replace(THERE, alias="pointsman another-net bandung/fiber"),
    replace(THERE, kind="gre", device=None),
    replace(THERE, kind="tun", device=None),
]


@pytest.mark.parametrize("foreign", NOT_REMOVED, ids=["no alias", "another network", "no WireGuard", "a tun of IPsec"])
def test_what_is_not_a_wireguard_of_ours_is_never_removed(foreign: Interface) -> None:
    assert planned(foreign, wanted=()) == Planned()


def test_a_wireguard_go_that_does_not_answer_is_known_by_its_configuration() -> None:
    hung = replace(THERE, device=None)
    assert texts(planned(hung, wanted=(), configured=frozenset({hung.name}))) == ["remove wg51000-bandung"]


BLANK = Interface("wg51000-bandung", 7, "", "tun", False, 1420)
ETH0 = Interface("eth0", 2, "", "", True, 1500, frozenset({"10.255.0.0/24"}))
REFUSED = [
    ((replace(THERE, alias=""),), {}, "wg51000-bandung is there already, and was not made by Pointsman"),
    ((BLANK,), {}, "wg51000-bandung is there already, and was not made by Pointsman"),
    (
        (replace(THERE, alias=""),),
        {"half_made": frozenset({"wg51000-bandung"})},
        "wg51000-bandung is there already, and was not made by Pointsman",
    ),
    (
        (replace(THERE, alias="pointsman other bandung/fiber"),),
        {},
        "wg51000-bandung is of another network of Pointsman, other (bandung/fiber)",
    ),
    ((ETH0,), {}, "10.255.0.0 is an address of eth0"),
    ((), {"ports": {51000: "openvpn (process 12)"}}, "UDP port 51000 is in use by openvpn (process 12)"),
    (
        (replace(THERE, device=replace(DEVICE, port=1)),),
        {"ports": {51000: "interface wg0"}},
        "UDP port 51000 is in use by interface wg0",
    ),
    (
        (),
        {"elsewhere": frozenset({"wg51000-bandung"})},
        "a wireguard-go of another network namespace has the name wg51000-bandung already",
    ),
]


@pytest.mark.parametrize(("there", "seen", "text"), REFUSED, ids=[each[2] for each in REFUSED])
def test_what_stands_in_the_way_is_refused_with_a_mend_and_nothing_else_is_done(
    there: tuple[Interface, ...], seen: dict[str, object], text: str
) -> None:
    found = planned(*there, **seen)
    assert [refusal.text for refusal in found.refusals] == [text]
    assert found.refusals[0].mend
    assert found.changes == ()


def test_a_port_that_its_own_interface_has_is_not_in_use() -> None:
    assert planned(THERE, ports={51000: "interface wg51000-bandung"}) == Planned()


def test_a_refused_tunnel_keeps_no_other_one_from_being_made() -> None:
    wireless = replace(FIBER, tunnel="bandung/wireless", interface="wg51001-bandung", port=51001, addresses=())
    found = planned(replace(THERE, alias=""), wanted=(FIBER, wireless))
    assert [refusal.target for refusal in found.refusals] == ["bandung/fiber"]
    assert [change.target for change in found.changes] == ["bandung/wireless"]


def test_where_nothing_can_make_wireguard_each_missing_tunnel_is_refused_and_none_that_is_there() -> None:
    wireless = replace(FIBER, tunnel="bandung/wireless", interface="wg51001-bandung", port=51001, addresses=())
    found = planned(THERE, wanted=(FIBER, wireless), possible=False)
    (refusal,) = found.refusals
    assert (refusal.target, refusal.text) == (
        "bandung/wireless",
        "this kernel has no WireGuard, and wireguard-go is not here",
    )
    assert "install wireguard-go" in refusal.mend
    assert found.changes == ()


def test_what_was_half_made_by_us_is_finished() -> None:
    found = planned(BLANK, half_made=frozenset({"wg51000-bandung"}))
    assert texts(found) == ["finish wg51000-bandung, which was half made (port 51000, by uplink telkom)"]


def test_keys_that_cannot_be_believed_leave_a_running_tunnel_alone() -> None:
    found = planned(replace(THERE, mtu=1300), keys=KnownKeys(fault="hub.key is empty", mend="put it back"))
    assert [(refusal.text, refusal.mend) for refusal in found.refusals] == [("hub.key is empty", "put it back")]
    assert found.changes == ()


def test_a_running_tunnel_whose_keys_are_gone_gets_no_new_ones() -> None:
    found = planned(THERE, keys=KnownKeys())
    assert [refusal.text for refusal in found.refusals] == [
        "wg51000-bandung has a key and runs, but the keys of bandung/fiber are gone from the store"
    ]
    assert found.changes == ()


def test_a_tunnel_whose_keys_are_being_exchanged_is_right_with_either() -> None:
    switched = replace(DEVICE, own=NEW.hub, peers=(replace(PEER, public=NEW.branch_public),))
    assert planned(replace(THERE, device=switched), keys=KnownKeys(KEYS, NEW)) == Planned()
    assert planned(THERE, keys=KnownKeys(KEYS, NEW)) == Planned()


def test_the_key_that_was_written_for_an_interface_goes_with_it_also_where_somebody_else_removed_that() -> None:
    (change,) = planned(wanted=(), configured=frozenset({"wg51000-bandung"})).changes
    assert (change.text, change.removes, change.how) == (
        "remove what was written of wg51000-bandung, which is gone: its private key",
        True,
        Forget("wg51000-bandung"),
    )
    assert not any(each.removes for each in planned(configured=frozenset({"wg51000-bandung"})).changes)


def test_what_ipsec_has_made_of_a_tunnel_that_was_wireguard_is_not_removed_and_the_written_key_is() -> None:
    asked = replace(NOTHING, network="net", ipsec=(tunnel("bandung/fiber", interface="wg51000-bandung"),))
    found = plan(asked, Seen({"wg51000-bandung": THERE}, configured=frozenset({"wg51000-bandung"})), {})
    assert [(change.target, change.how) for change in found.changes] == [("bandung/fiber", Forget("wg51000-bandung"))]


def test_an_interface_of_ours_that_somebody_else_is_said_to_have_now_stays_and_what_was_written_of_it() -> None:
    asked = replace(NOTHING, network="net", existing=(WantedExisting("bandung/fiber", "wg51000-bandung", ()),))
    assert plan(asked, Seen({"wg51000-bandung": THERE}, configured=frozenset({"wg51000-bandung"})), {}) == Planned()


def test_a_tunnel_that_was_ipsec_gets_an_interface_of_its_own_in_the_place_of_that_ones() -> None:
    (change,) = planned(replace(THERE, kind="gre", device=None)).changes
    assert change.text == "make wg51000-bandung anew (port 51000, by uplink telkom; it was gre)"
    assert change.how == Replace(FIBER, Alias("net", "bandung/fiber"))


def test_no_key_is_shown_by_a_plan() -> None:
    found = repr(planned(keys=KnownKeys())) + repr(planned(replace(THERE, device=replace(DEVICE, own=None))))
    assert "Secret" not in found
    assert "'hub'" not in found
