"""A table of ours in nftables: when it is made anew, and what is not a change."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from hub.provisioner.changes import Change, Planned, ProvisionError
from hub.provisioner.fingerprint import digest
from hub.provisioner.mss.backend import Mss
from hub.provisioner.mss.plan import table_body
from hub.provisioner.own_table import OwnTable
from hub.provisioner.program import run_program
from hub.provisioner.uplinks import backend as uplinks
from hub.provisioner.uplinks.pins import Seen
from hub.provisioner.wanted import NOTHING, Wanted, WantedWireGuard

RULE: dict[str, Any] = {"rule": {"table": "ours", "chain": "c", "handle": 4, "expr": [{"drop": None}]}}
SET: dict[str, Any] = {"set": {"name": "ports", "table": "ours", "handle": 2, "elem": [2, 1]}}
AWAY: dict[str, Any] = {"set": {"name": "away", "table": "ours", "handle": 3}}
COUNTED: dict[str, Any] = {"set": {"name": "away", "table": "ours", "handle": 3, "elem": [{"elem": {"val": 1}}]}}


class Nft:
    """Shows what it is told to show once something was loaded."""

    def __init__(self) -> None:
        self.shows: list[dict[str, Any]] = [SET, AWAY, RULE]
        self.loaded: list[str] = []
        self.there = False
        self.noted: list[dict[str, Any]] = []

    def __call__(self, *command: str, given: str = "") -> str:
        if command[1] == "-f":
            self.loaded.append(given)
            if "delete table" in given:
                self.there, self.noted = "{" in given, []
            comments = [line.split('"')[1] for line in given.splitlines() if "comment" in line]
            self.noted += [{"rule": {"chain": "fingerprint", "handle": 9, "comment": each}} for each in comments]
            return ""
        tables = [{"table": {"family": "inet", "name": "ours"}}] if self.there else []
        shown = [*self.shows, *self.noted] if command[3] == "table" else []
        return json.dumps({"nftables": [{"metainfo": {"version": "1.0.6"}}, *tables, *shown]})


@pytest.fixture
def nft() -> Nft:
    return Nft()


@pytest.fixture
def table(nft: Nft) -> OwnTable:
    return OwnTable("ours", ["away"], nft, lambda _: "/usr/sbin/nft")


def test_it_is_made_in_one_transaction_with_the_removal_of_the_old_one(table: OwnTable, nft: Nft) -> None:
    assert table.differs("body\n") == "is not there"
    table.load("body\n")
    made, sealed = nft.loaded
    assert made.startswith("add table inet ours\ndelete table inet ours\ntable inet ours {\nbody\n}\n")
    body = digest("body\n")
    assert f'comment "made by pointsman: {body}"' in made.splitlines()[-1]
    assert sealed.startswith('add rule inet ours fingerprint return comment "seen as: ')
    assert table.differs("body\n") == ""


def test_another_body_is_another_table(table: OwnTable) -> None:
    table.load("body\n")
    assert table.differs("other\n") == "is another"


SHOWN: dict[str, tuple[Callable[[Nft], object], str]] = {
    "a rule is gone": (lambda nft: setattr(nft, "shows", [SET, AWAY]), "was changed by somebody"),
    "a port is gone": (
        lambda nft: setattr(nft, "shows", [{"set": {**SET["set"], "elem": [1]}}, AWAY, RULE]),
        "was changed by somebody",
    ),
    "elements in another order": (
        lambda nft: setattr(nft, "shows", [{"set": {**SET["set"], "elem": [1, 2]}}, AWAY, RULE]),
        "",
    ),
    "other handles": (lambda nft: setattr(nft, "shows", [SET, AWAY, {"rule": {**RULE["rule"], "handle": 9}}]), ""),
    "packets were counted": (lambda nft: setattr(nft, "shows", [SET, COUNTED, RULE]), ""),
    "the table is gone": (lambda nft: setattr(nft, "there", False), "is not there"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_a_change_and_what_is_none(table: OwnTable, nft: Nft, name: str) -> None:
    table.load("body\n")
    change, differs = SHOWN[name]
    change(nft)
    assert table.differs("body\n") == differs


def test_what_it_looked_like_outlives_the_process(table: OwnTable, nft: Nft) -> None:
    table.load("body\n")
    assert OwnTable("ours", ["away"], nft).differs("body\n") == ""


def test_one_that_was_made_and_not_noted_any_more_is_made_anew(table: OwnTable, nft: Nft) -> None:
    table.load("body\n")
    nft.noted.pop()
    assert table.differs("body\n") == "was changed by somebody"


def test_one_that_lacks_our_mark_is_not_ours_and_neither_replaced_nor_deleted(table: OwnTable, nft: Nft) -> None:
    nft.there = True
    assert not table.look().ours
    for ask in (lambda: table.differs("body\n"), table.remove):
        with pytest.raises(ProvisionError, match="a table inet ours that Pointsman did not make") as found:
            ask()
        assert found.value.mend == "nft delete table inet ours, if nobody needs it"
    assert nft.loaded == []


@pytest.mark.parametrize(
    ("said", "mend"),
    [
        ("Error: Could not process rule: Operation not permitted", "run as root (CAP_NET_ADMIN)"),
        ("Error: syntax error", ""),
    ],
)
def test_what_nft_refuses_is_an_error_with_its_mend(said: str, mend: str) -> None:
    def refuse(*_command: str, given: str = "") -> str:
        raise ProvisionError(f"nft -f -: {said}")

    for ask in (OwnTable("ours", run=refuse).remove, OwnTable("ours", run=refuse).look):
        with pytest.raises(ProvisionError, match=said) as found:
            ask()
        assert found.value.mend == mend


def test_what_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ProvisionError, match="cannot be read"):
        OwnTable("ours", run=lambda *_, **__: "no JSON").differs("body\n")


def test_a_program_that_is_not_there_says_which_package_has_it() -> None:
    with pytest.raises(ProvisionError, match="pointsman-no-such-program is not installed"):
        run_program("pointsman-no-such-program")


def test_what_a_failing_program_says_is_told_in_one_line() -> None:
    with pytest.raises(ProvisionError) as found:
        run_program("sh", "-c", "echo one >&2; echo two >&2; exit 1")
    assert str(found.value).endswith("one two")


WANTED = Wanted(
    "kencana",
    (),
    tuple(
        WantedWireGuard(f"bandung/{name}", f"wg-{name}", (), 1420, "telkom", 9, 51001, (), None, 0, preshared=False)
        for name in ("wireless", "fiber")
    ),
    (),
    (),
    (),
    ipv6=False,
)


def test_the_mss_is_clamped_in_both_directions_and_on_our_tunnels_only() -> None:
    assert table_body(WANTED) == (
        '  set tunnels { type ifname; elements = { "wg-fiber", "wg-wireless" } }\n'
        "  chain forward {\n"
        "    type filter hook forward priority -150; policy accept;\n"
        "    iifname @tunnels tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu\n"
        "    oifname @tunnels tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu\n"
        "  }\n"
    )


def has(table: str) -> Callable[..., str]:
    """A machine with a table of this name that is not ours, and an nft that changes nothing."""

    def run(*command: str, given: str = "") -> str:
        assert command[1] == "-j", given
        return json.dumps({"nftables": [{"table": {"family": "inet", "name": table}}]})

    return run


@pytest.mark.parametrize("wanted", [WANTED, NOTHING], ids=["it is needed", "it is not needed"])
def test_a_table_for_the_mss_that_somebody_else_made_is_refused(
    wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OwnTable, "possible", True)
    with pytest.raises(ProvisionError, match="inet pointsman_mss that Pointsman did not make"):
        Mss(has("pointsman_mss")).plan(wanted)


def test_a_table_for_counting_that_somebody_else_made_is_refused_and_the_pins_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pin = Change("uplinks", "uplink telkom", "pin it")
    monkeypatch.setattr(OwnTable, "possible", True)
    monkeypatch.setattr(uplinks, "_look", lambda _: Seen())
    monkeypatch.setattr(uplinks, "plan_pins", lambda *_: Planned((pin,)))
    planned = uplinks.Uplinks(has("pointsman_pins")).plan(NOTHING)
    assert planned.changes == (pin,)
    assert [(each.target, each.mend) for each in planned.refusals] == [
        ("outer packets", "nft delete table inet pointsman_pins, if nobody needs it")
    ]


def test_without_tunnels_there_is_no_table(nft: Nft) -> None:
    assert table_body(NOTHING) == ""
    assert Mss(nft).plan(NOTHING).changes == ()
