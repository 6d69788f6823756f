"""What is changed of IPsec, by what is wanted and what is there."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from ipsec_values import NETWORK, link_of, seen_with, tunnel, wanting

from hub.provisioner.alias import Alias
from hub.provisioner.ipsec import steps
from hub.provisioner.ipsec.certificates import fingerprints
from hub.provisioner.ipsec.connection import connection_of
from hub.provisioner.ipsec.inner import Shape
from hub.provisioner.ipsec.names import connection_name, tunnel_of
from hub.provisioner.ipsec.plan import plan
from hub.provisioner.ipsec.seen import InCharon, InKernel, Material, Seen
from hub.provisioner.wanted import Wanted, WantedExisting, WantedIpsec, WantedWireGuard

FIBER = tunnel()
NAME = "pointsman-kencana.bandung.fiber"
OTHER = tunnel("solo/fiber", 51822)


def steps_of(wanted: Wanted, seen: Seen) -> list[str]:
    """The kinds of the steps, in their order."""
    return [type(change.how).__name__ for change in plan(wanted, seen).changes]


def texts(wanted: Wanted, seen: Seen) -> list[str]:
    """What the plan says."""
    return [change.text for change in plan(wanted, seen).changes]


def test_what_is_as_it_should_be_is_left_alone() -> None:
    assert plan(wanting(FIBER, OTHER), seen_with(FIBER, OTHER)).changes == ()


def test_a_new_tunnel_is_made_from_the_outside_in_so_that_nothing_leaves_in_clear() -> None:
    made = steps_of(wanting(FIBER), seen_with(materials=(FIBER,)))
    assert made == ["PutLoopback", "PutGuard", "PutBlock", "MakeLink", "LoadSecret", "LoadConnection"]


def test_a_new_tunnel_beside_others_touches_only_itself() -> None:
    changes = plan(wanting(FIBER, OTHER), seen_with(OTHER, materials=(FIBER,))).changes
    assert {change.target for change in changes} == {"bandung/fiber"}


def test_a_tunnel_that_is_not_wanted_any_more_goes_and_charon_lets_go_first() -> None:
    changes = plan(wanting(OTHER), seen_with(FIBER, OTHER)).changes
    removed = ["DropConnection", "DropSecret", "DropLink", "DropBlock", "DropGuard", "DropLoopback"]
    assert [type(change.how).__name__ for change in changes] == removed
    assert {(change.target, change.removes) for change in changes} == {("bandung/fiber", True)}


def test_where_charon_encrypts_itself_nothing_is_blocked_for_all_would_be() -> None:
    seen = seen_with(materials=(FIBER,))
    seen = replace(seen, charon=replace(seen.charon, encrypts_itself=True))
    assert "PutBlock" not in steps_of(wanting(FIBER), seen)


def test_where_charon_encrypts_itself_now_what_was_blocked_before_is_not_any_more_and_verify_may_do_that() -> None:
    seen = seen_with(FIBER, OTHER)
    seen = replace(seen, charon=replace(seen.charon, encrypts_itself=True))
    changes = plan(wanting(FIBER, OTHER), seen).changes
    assert [(type(each.how).__name__, each.target) for each in changes] == [
        ("DropBlock", "bandung/fiber"),
        ("DropBlock", "solo/fiber"),
    ]
    assert not any(each.removes for each in changes)
    assert steps_of(wanting(FIBER, OTHER), carried_out(wanting(FIBER, OTHER), seen)) == []
    assert steps_of(wanting(OTHER), seen).count("DropBlock") == 2


def test_xfrm_needs_neither_loopbacks_nor_a_guard() -> None:
    xfrm = tunnel(inner="xfrm", loopback=None, branch_loopback=None)
    assert steps_of(wanting(xfrm), seen_with(materials=(xfrm,))) == ["MakeLink", "LoadSecret", "LoadConnection"]


@pytest.mark.parametrize(
    ("changes", "said", "anew"),
    [
        ({"esp": ("aes256gcm16-ecp384",)}, "esp_proposals aes256gcm16-ecp256, aes256-sha256-ecp256 ->", True),
        ({"ike": ("aes256-sha384-ecp384",)}, "proposals aes256-sha256-ecp256 -> aes256-sha384-ecp384", True),
        ({"local": "203.0.113.31"}, "local_addrs 203.0.113.30 -> 203.0.113.31", True),
        ({"branch_identity": "b"}, "the branch's identity bandung-fiber -> b", True),
        ({"rekey_ike": 7200}, "rekey_time 14400s -> 7200s", False),
        ({"rekey_child": 1800}, "rekey_time of the child 3000s -> 1800s", False),
    ],
)
def test_a_changed_connection_is_loaded_and_its_sa_made_anew_only_where_it_does_not_fit(
    changes: dict[str, Any], said: str, anew: bool
) -> None:
    (change,) = plan(wanting(replace(FIBER, **changes), OTHER), seen_with(FIBER, OTHER)).changes
    assert change.target == "bandung/fiber"
    assert said in change.text
    assert change.how.anew is anew
    assert ("out for a moment" in change.text) is anew


def test_prefixes_are_selectors_only_with_xfrm() -> None:
    more: dict[str, Any] = {"allowed": ("192.168.1.0/24", "192.168.2.0/24")}
    assert steps_of(wanting(replace(FIBER, **more)), seen_with(FIBER)) == []
    xfrm = tunnel(inner="xfrm", loopback=None, branch_loopback=None)
    assert steps_of(wanting(replace(xfrm, **more)), seen_with(xfrm)) == ["LoadConnection"]


def test_a_restarted_charon_is_given_what_it_lost_and_told_apart_from_a_new_tunnel() -> None:
    seen = replace(seen_with(FIBER), charon=InCharon(started="Nov 22 2026"))
    assert steps_of(wanting(FIBER), seen) == ["LoadSecret", "LoadConnection"]
    assert "charon had lost it (running since Nov 22 2026)" in texts(wanting(FIBER), seen)[1]


@pytest.mark.parametrize(("remote", "begins"), [(None, False), ("198.51.100.7", True)])
def test_after_a_restart_the_hub_begins_itself_where_it_knows_whom_to_call(remote: str | None, begins: bool) -> None:
    wanted = replace(FIBER, remote=remote)
    seen = replace(seen_with(wanted), charon=InCharon())
    assert plan(wanting(wanted), seen).changes[-1].how.begin is begins


def test_a_new_tunnel_is_begun_by_the_branch_alone() -> None:
    wanted = replace(FIBER, remote="198.51.100.7")
    assert plan(wanting(wanted), seen_with(materials=(wanted,))).changes[-1].how.begin is False


def test_without_its_memory_it_loads_once_more_and_ends_nothing() -> None:
    seen = seen_with(FIBER)
    changes = plan(wanting(FIBER), replace(seen, memory=replace(seen.memory, connections={}, secrets={}))).changes
    assert [type(change.how).__name__ for change in changes] == ["LoadSecret", "LoadConnection"]
    assert changes[1].how.anew is False


def test_another_secret_is_loaded_and_nobody_is_thrown_out() -> None:
    seen = replace(seen_with(FIBER), materials={"bandung/fiber": Material("digest of another")})
    assert steps_of(wanting(FIBER), seen) == ["LoadSecret"]


@pytest.mark.parametrize(
    ("inner", "mend"),
    [
        ("gre", "modprobe ip_gre, or write another inner: vxlan or xfrm"),
        ("xfrm", "modprobe xfrm_interface, or write another inner: gre or vxlan"),
    ],
)
def test_a_kind_of_interface_that_the_kernel_does_not_make_is_refused_before_anything_is_done(
    inner: str, mend: str
) -> None:
    wanted = replace(FIBER, inner=inner)
    seen = seen_with(OTHER, materials=(FIBER,))
    without = replace(seen, kernel=replace(seen.kernel, lacking=frozenset({inner})))
    planned = plan(wanting(wanted, OTHER), without)
    assert planned.changes == ()
    (refusal,) = planned.refusals
    assert (refusal.target, refusal.text) == ("bandung/fiber", f"this kernel makes no {inner} interfaces")
    assert refusal.mend == mend


def pem(number: int) -> str:
    """A text that charon's list would have by its fingerprint."""
    return (
        f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(bytes([number]) * 40).decode()}\n-----END CERTIFICATE-----\n"
    )


CERTIFIED = replace(FIBER, secret_file=None, certificate_file="hub.pem", key_file="hub.key", authority_file="ca.pem")
HUB, AUTHORITY = pem(1), pem(2)


def certified(wanted: WantedIpsec = CERTIFIED, **in_charon: frozenset[str]) -> Seen:
    """A machine on which this tunnel has certificates, as it should be but for what of charon is given."""
    seen = seen_with(wanted)
    name, loaded = connection_name(NETWORK, wanted.tunnel), fingerprints((HUB, AUTHORITY))
    memory = replace(seen.memory, secrets={}).with_key(name, ("k1", "digest"))
    memory = memory.with_connection(name, connection_of(wanted, name, HUB, AUTHORITY))
    charon = replace(seen.charon, secrets=frozenset(), keys=frozenset({"k1"}), certificates=loaded)
    return replace(
        seen,
        charon=replace(charon, **in_charon),
        memory=memory,
        materials={wanted.tunnel: Material("digest", HUB, AUTHORITY)},
    )


def test_certificates_as_they_should_be_are_left_alone() -> None:
    assert plan(wanting(CERTIFIED), certified()).changes == ()


def test_another_authority_is_said_and_its_text_is_not() -> None:
    seen = replace(certified(), materials={"bandung/fiber": Material("digest", HUB, pem(3))})
    said = texts(wanting(CERTIFIED), seen)[0]
    assert "the branch's authority is another" in said
    assert "BEGIN" not in said


def test_certificates_that_charon_lost_are_loaded_again_and_no_sa_ends() -> None:
    (change,) = plan(wanting(CERTIFIED), certified(certificates=fingerprints((HUB,)))).changes
    assert "charon had lost its certificates" in change.text
    assert change.how.anew is False


def test_certificates_that_nobody_uses_go_where_all_in_charon_is_ours() -> None:
    removed = ["DropConnection", "DropKey", "DropLink", "DropBlock", "DropGuard", "DropLoopback"]
    assert sorted(steps_of(wanting(), replace(certified(), materials={}))) == sorted([*removed, "ClearCredentials"])


@pytest.mark.parametrize(
    "others",
    [
        {"connections": frozenset({NAME, "office"})},
        {"connections": frozenset({NAME, "pointsman-another.bandung.fiber"})},
        {"secrets": frozenset({"office"})},
        {"keys": frozenset({"k1", "k2"})},
        {"certificates": fingerprints((HUB, AUTHORITY, pem(9)))},
    ],
)
def test_certificates_stay_in_charon_where_anything_is_anothers(others: dict[str, frozenset[str]]) -> None:
    changes = plan(wanting(), replace(certified(**others), materials={})).changes
    assert "ClearCredentials" not in [type(change.how).__name__ for change in changes]
    assert "until its restart" in " ".join(change.text for change in changes)


def test_a_key_that_another_has_taken_the_place_of_goes_and_the_new_one_stays() -> None:
    seen = certified(keys=frozenset({"k0", "k1"}))
    seen = replace(seen, memory=replace(seen.memory, loaded_keys={"k0": NAME, "k1": NAME}))
    assert [change.how for change in plan(wanting(CERTIFIED), seen).changes] == [steps.DropKey("k0")]


def test_a_missing_secret_refuses_its_tunnel_and_leaves_what_runs() -> None:
    missing = {"bandung/fiber": Material(problem="bandung-fiber.psk is not there", mend="write it")}
    seen = seen_with(FIBER, OTHER)
    planned = plan(wanting(replace(FIBER, mtu=1300), OTHER), replace(seen, materials={**seen.materials, **missing}))
    assert planned.changes == ()
    assert [(each.target, each.mend) for each in planned.refusals] == [("bandung/fiber", "write it")]


@pytest.mark.parametrize("alias", [None, "", "uplink of the office", "pointsman another bandung/fiber"])
def test_an_interface_that_is_not_ours_is_refused_and_never_touched(alias: str | None) -> None:
    seen = seen_with(FIBER)
    foreign = replace(seen.kernel, links={FIBER.interface: link_of(FIBER, alias=alias)})
    planned = plan(wanting(FIBER), replace(seen, kernel=foreign))
    assert planned.changes == ()
    assert "not ours" in planned.refusals[0].text
    assert "DropLink" not in steps_of(wanting(), replace(seen_with(), kernel=foreign))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mtu": 1500}, "mtu 1500 -> 1390"),
        ({"up": False}, "set up"),
        ({"addresses": frozenset()}, "address 172.31.0.42/31 added"),
        ({"addresses": frozenset({"172.31.0.42/31", "10.9.9.9/24"})}, "address 10.9.9.9/24 removed"),
    ],
)
def test_an_interface_of_ours_that_somebody_changed_is_put_right(changes: dict[str, Any], said: str) -> None:
    seen = seen_with(FIBER)
    kernel = replace(seen.kernel, links={FIBER.interface: link_of(FIBER, **changes)})
    assert texts(wanting(FIBER), replace(seen, kernel=kernel)) == [f"interface pm-bandung-fibe: {said}"]


def test_an_interface_of_ours_of_another_shape_is_made_anew() -> None:
    seen = seen_with(FIBER)
    kernel = replace(
        seen.kernel, links={FIBER.interface: link_of(FIBER, shape=Shape("vxlan", "10.0.0.1", "10.0.0.2", 1))}
    )
    assert steps_of(wanting(FIBER), replace(seen, kernel=kernel)) == ["MakeLink"]


def test_an_interface_that_was_another_tunnels_is_made_anew() -> None:
    seen = seen_with(FIBER)
    kernel = replace(seen.kernel, links={FIBER.interface: link_of(FIBER, alias=str(Alias(NETWORK, "bandung/lte")))})
    assert steps_of(wanting(FIBER), replace(seen, kernel=kernel)) == ["MakeLink"]


def test_addresses_on_lo_that_others_put_there_stay() -> None:
    seen = seen_with(FIBER)
    kernel = replace(seen.kernel, addresses={**seen.kernel.addresses, "10.0.0.1": "lo", "127.0.0.1": "lo"})
    assert steps_of(wanting(FIBER), replace(seen, kernel=kernel)) == []


def test_loopbacks_that_move_leave_nothing_behind() -> None:
    moved = replace(FIBER, loopback="10.254.9.0", branch_loopback="10.254.9.1")
    assert steps_of(wanting(moved), seen_with(FIBER)) == [
        "PutLoopback", "PutGuard", "PutBlock", "MakeLink", "LoadConnection", "DropBlock", "DropGuard", "DropLoopback",
    ]  # fmt: skip


def test_an_interface_of_ours_that_somebody_else_is_said_to_have_now_stays_as_it_is() -> None:
    wanted = replace(wanting(), existing=(WantedExisting(FIBER.tunnel, FIBER.interface, ()),))
    assert steps_of(wanted, seen_with(FIBER)) == ["DropConnection", "DropSecret"]


def test_of_a_tunnel_that_is_wireguard_now_all_goes_but_the_interface_whose_name_that_has() -> None:
    now = WantedWireGuard(
        FIBER.tunnel, FIBER.interface, FIBER.addresses, 1420, "telkom", 28673, 51821, (), None, 0, preshared=False
    )
    changes = plan(wanting(wireguard=(now,)), seen_with(FIBER)).changes
    removed = ["DropConnection", "DropSecret", "DropBlock", "DropGuard", "DropLoopback"]
    assert [type(change.how).__name__ for change in changes] == removed
    assert {change.target for change in changes} == {"bandung/fiber"}


def test_what_another_network_on_this_machine_has_is_left_alone() -> None:
    theirs = tunnel("bogor/fiber", 51899)
    seen = seen_with(theirs)
    alias = str(Alias("another", theirs.tunnel))
    link = link_of(theirs, alias=alias)
    name = connection_name("another", theirs.tunnel)
    charon = InCharon(frozenset({name, "office"}), frozenset({name, "office-secret"}))
    memory = replace(seen.memory, connections={}, secrets={})
    seen = Seen(charon, replace(seen.kernel, links={link.name: link}), memory, {})
    assert plan(wanting(), seen).changes == ()


def test_what_is_wanted_of_no_network_removes_nothing() -> None:
    assert plan(replace(wanting(), network=""), seen_with(FIBER)).changes == ()


def test_after_what_the_plan_says_there_is_nothing_left_to_say() -> None:
    before, after = (FIBER, OTHER), (replace(OTHER, mtu=1200, esp=("aes256gcm16-ecp384",)), tunnel("tegal/lte", 51830))
    machine = carried_out(wanting(*after), seen_with(*before, materials=after))
    assert plan(wanting(*after), machine).changes == ()


def carried_out(wanted: Wanted, seen: Seen) -> Seen:
    """A machine on which every step of the plan has been done."""
    for change in plan(wanted, seen).changes:
        seen = done(change.how, seen, {connection_name(NETWORK, each.tunnel): each for each in wanted.ipsec})
    return seen


def done(step: steps.Step, seen: Seen, by_name: dict[str, WantedIpsec]) -> Seen:
    """A machine after one step."""
    match step:
        case steps.LoadSecret() | steps.DropSecret() | steps.LoadConnection() | steps.DropConnection():
            return done_in_charon(step, seen, by_name)
        case _:
            return replace(seen, kernel=done_in_kernel(step, seen.kernel))


def done_in_kernel(step: steps.Step, kernel: InKernel) -> InKernel:
    """Addresses, routes and interfaces after one step."""
    match step:
        case steps.PutLoopback(address):
            return replace(kernel, addresses={**kernel.addresses, address: "lo:pointsman"})
        case steps.DropLoopback(address):
            return replace(kernel, addresses={k: v for k, v in kernel.addresses.items() if k != address})
        case steps.PutGuard(address):
            return replace(kernel, guards=kernel.guards | {address})
        case steps.DropGuard(address):
            return replace(kernel, guards=kernel.guards - {address})
        case steps.PutBlock(block):
            return replace(kernel, blocks=kernel.blocks | {block})
        case steps.DropBlock(block):
            return replace(kernel, blocks=kernel.blocks - {block})
        case steps.MakeLink(wanted, _) | steps.AdjustLink(wanted, _):
            return replace(kernel, links={**kernel.links, wanted.interface: link_of(wanted)})
        case steps.DropLink(name, _):
            return replace(kernel, links={k: v for k, v in kernel.links.items() if k != name})
        case _:
            raise AssertionError(step)


def done_in_charon(step: steps.Step, seen: Seen, by_name: dict[str, WantedIpsec]) -> Seen:
    """charon and what is remembered of it after one step."""
    charon, memory = seen.charon, seen.memory
    match step:
        case steps.LoadSecret(name, wanted):
            charon = replace(charon, secrets=charon.secrets | {name})
            memory = memory.with_secret(name, seen.materials[wanted.tunnel].digest)
        case steps.DropSecret(name):
            charon, memory = replace(charon, secrets=charon.secrets - {name}), memory.with_secret(name, None)
        case steps.LoadConnection(name, connection, _, _):
            assert connection == connection_of(by_name[name], name)
            charon = replace(charon, connections=charon.connections | {name})
            memory = memory.with_connection(name, connection)
        case steps.DropConnection(name):
            charon, memory = (
                replace(charon, connections=charon.connections - {name}),
                memory.with_connection(name, None),
            )
    return replace(seen, charon=charon, memory=memory)


@pytest.mark.parametrize(
    ("connection", "found"),
    [
        (NAME, "bandung/fiber"),
        ("pointsman-another.bandung.fiber", None),
        ("pointsman-kencana", None),
        ("pointsman-kencana.bandung", None),
        ("office", None),
    ],
)
def test_a_connection_says_by_its_name_whose_it_is(connection: str, found: str | None) -> None:
    assert tunnel_of(NETWORK, connection) == found
