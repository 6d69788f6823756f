"""What is wanted, on its way: made of the intent, brought over a socket, and checked before root acts on it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ipsec_values import tunnel as ipsec_tunnel
from small_network import HUB, a_branch

from hub.control.plain import NotPlainError, from_plain, to_plain
from hub.provisioner.changes import ProvisionError
from hub.provisioner.checked import checked
from hub.provisioner.from_intent import wanted_of
from hub.provisioner.wanted import NOTHING, Wanted
from policies.model.intent import Intent

WANTED = replace(NOTHING, network="kencana")


def test_what_a_branch_may_send_is_its_prefixes_and_all_its_links() -> None:
    branch = a_branch("bandung", ("fiber", "wireless"))
    wanted = wanted_of(Intent("kencana", "Asia/Jakarta", HUB, {"bandung": branch}))
    links = [f"{tunnel.link.branch}/32" for tunnel in branch.tunnels]
    assert {each.allowed for each in wanted.wireguard} == {("10.1.0.0/24", *links)}


def test_what_is_wanted_survives_the_way_over_a_socket() -> None:
    branch = a_branch("bandung", ("fiber", "wireless"))
    wanted = wanted_of(Intent("kencana", "Asia/Jakarta", HUB, {"bandung": branch}))
    assert from_plain(Wanted, json.loads(json.dumps(to_plain(wanted)))) == wanted


def test_what_lacks_a_field_is_not_what_was_sent() -> None:
    plain = to_plain(WANTED)
    del plain["uplinks"]
    with pytest.raises(NotPlainError, match="uplinks is missing or unknown"):
        from_plain(Wanted, plain)


def a_wanted() -> Wanted:
    branch = a_branch("bandung", ("fiber",))
    return wanted_of(Intent("kencana", "Asia/Jakarta", HUB, {"bandung": branch}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("interface", '"; }; drop'),
        ("interface", "../../etc"),
        ("interface", ""),
        ("addresses", ("bad",)),
        ("allowed", ("10.0.0.0/33",)),
        ("port", 0),
        ("mtu", 1),
        ("tunnel", "bandung"),
        ("tunnel", "../x/fiber"),
        ("mark", -1),
    ],
)
def test_root_acts_on_nothing_that_could_be_taken_for_something_else(field: str, value: object) -> None:
    wanted = a_wanted()
    assert checked(wanted) is wanted
    wrong = replace(wanted.wireguard[0], **{field: value})
    with pytest.raises(ProvisionError, match="wrong"):
        checked(replace(wanted, wireguard=(wrong,)))


@pytest.mark.parametrize("name", ["/etc/shadow", "../keys/bandung/fiber/hub.key", ".", "a/b", ""])
def test_a_file_of_secrets_is_a_name_and_no_path(name: str) -> None:
    tunnel = ipsec_tunnel("bandung/fiber", secret_file=name)
    with pytest.raises(ProvisionError, match="wrong file"):
        checked(replace(WANTED, ipsec=(tunnel,)))


@pytest.mark.parametrize("version", [0, 1, 3])
def test_no_ike_but_version_2_is_made(version: int) -> None:
    tunnel = ipsec_tunnel("bandung/fiber", version=version)
    with pytest.raises(ProvisionError, match="wrong version of IKE"):
        checked(replace(WANTED, ipsec=(tunnel,)))
