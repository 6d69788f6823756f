"""What the firewall's slice would do, does and finds, with a kernel that is a list of objects."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from firewall_wanted import WANTED
from nft_of_a_table import nft_of

from hub.provisioner.changes import Planned, ProvisionError
from hub.provisioner.fingerprint import removal
from hub.provisioner.firewall.backend import FirewallSlice
from hub.provisioner.firewall.plan import locks_out
from hub.provisioner.firewall.rules import FULL_NAME, TABLE
from hub.provisioner.provisioner import Provisioner

OFF = replace(WANTED, firewall=False)
Objects = list[dict[str, Any]]


class FakeTables:
    """A kernel that shows two rules, a set and a counter for whatever it is given, and the comments in it."""

    def __init__(self) -> None:
        self.objects: Objects | None = None
        self.loaded: list[str] = []
        self.refuses = False

    def load(self, text: str) -> None:
        if self.refuses:
            raise ProvisionError("nft refuses the rules: why")
        self.loaded.append(text)
        if text == removal(TABLE):
            self.objects = None
            return
        if text.startswith(removal(TABLE)):
            self.objects = made()
        comments = [line.split('"')[1] for line in text.splitlines() if 'return comment "' in line]
        assert self.objects is not None
        for comment in comments:
            self.objects.append(rule("fingerprint", {"return": None}, comment=comment))

    def listing(self) -> Sequence[Mapping[str, Any]] | None:
        return copy.deepcopy(self.objects)


def rule(chain: str, *expressions: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"rule": {"family": "inet", "table": TABLE, "chain": chain, "handle": 9, "expr": list(expressions), **more}}


def made() -> Objects:
    return [
        {"metainfo": {"version": "1.0.6"}},
        {"table": {"family": "inet", "name": TABLE, "handle": 1}},
        {"counter": {"name": "management", "handle": 2, "packets": 0, "bytes": 0}},
        {"set": {"name": "links", "type": "ipv4_addr", "handle": 3, "elem": ["10.255.0.1", "10.255.0.3"]}},
        {"set": {"name": "handshakes", "type": "ipv4_addr", "flags": ["timeout"], "handle": 4}},
        {"chain": {"name": "input", "handle": 5, "hook": "input", "prio": -10, "policy": "accept"}},
        rule("input", {"accept": None}),
        rule("input", {"drop": None}),
    ]


def sliced(tables: FakeTables) -> FirewallSlice:
    return FirewallSlice(nft_of(tables, TABLE))


@pytest.fixture
def tables() -> FakeTables:
    return FakeTables()


@pytest.fixture
def applied(tables: FakeTables) -> FakeTables:
    firewall = sliced(tables)
    (change,) = firewall.plan(WANTED).changes
    firewall.do(change)
    return tables


def texts(tables: FakeTables, wanted: Any = WANTED) -> list[str]:
    return [change.text for change in sliced(tables).plan(wanted).changes]


def test_rules_are_made_where_there_are_none(tables: FakeTables) -> None:
    (text,) = texts(tables)
    assert text.startswith("make the rules (")
    assert text.endswith(
        "2 tunnels; 1 of 2 ports for known addresses only; management from 10.0.9.0/24, 2001:db8:9::/64"
    )


def test_applied_twice_is_applied_once(applied: FakeTables) -> None:
    assert texts(applied) == []
    assert sliced(applied).verify(WANTED) == ()


def test_another_configuration_changes_the_rules(applied: FakeTables) -> None:
    (text,) = texts(applied, replace(WANTED, management=("10.0.9.0/24",)))
    assert text.startswith("change the rules (")


def test_what_is_switched_off_is_removed_at_once(applied: FakeTables, tmp_path: Path) -> None:
    firewall = sliced(applied)
    (done,) = Provisioner([firewall], tmp_path / "lock").apply(OFF, grow_only=True).done
    assert done.removes
    assert applied.objects is None
    assert firewall.plan(OFF).changes == ()


def test_what_is_switched_on_or_changed_is_put_in_force_at_once(applied: FakeTables) -> None:
    for kernel, wanted in ((FakeTables(), WANTED), (applied, replace(WANTED, management=("10.0.9.0/24",)))):
        assert [change.at_once for change in sliced(kernel).plan(wanted).changes] == [True]


def test_a_firewall_that_is_off_is_not_taken_for_gone_because_nft_does_not_answer(tmp_path: Path) -> None:
    class Silent(FakeTables):
        def listing(self) -> Sequence[Mapping[str, Any]] | None:
            raise ProvisionError("nft took longer than 30 s", "see what it waits for")

    for wanted in (OFF, WANTED):
        outcome = Provisioner([sliced(Silent())], tmp_path / "lock").apply(wanted, grow_only=True)
        assert [(each.text, each.mend) for each in outcome.refused] == [
            ("nft took longer than 30 s", "see what it waits for")
        ]


def test_where_there_is_no_table_nothing_is_to_be_switched_off(tables: FakeTables) -> None:
    assert sliced(tables).plan(OFF) == Planned()


def test_a_table_of_this_name_that_is_not_ours_is_not_touched(tables: FakeTables) -> None:
    tables.objects = made()
    for wanted in (WANTED, OFF):
        planned = sliced(tables).plan(wanted)
        assert planned.changes == ()
        assert [(each.text, each.mend) for each in planned.refusals] == [
            (
                f"there is a table {FULL_NAME} that Pointsman did not make",
                f"nft delete table {FULL_NAME}, if nobody needs it",
            )
        ]
    (finding,) = sliced(tables).verify(WANTED)
    assert (finding.text, finding.repaired) == (f"the table {FULL_NAME} is not Pointsman's", False)
    assert tables.loaded == []


def drop_a_rule(objects: Objects) -> None:
    del objects[6]


def swap_rules(objects: Objects) -> None:
    objects[6], objects[7] = objects[7], objects[6]


def add_a_rule(objects: Objects) -> None:
    objects.append(rule("input", {"accept": None}))


def take_an_element(objects: Objects) -> None:
    objects[3]["set"]["elem"].pop()


def change_the_policy(objects: Objects) -> None:
    objects[5]["chain"]["policy"] = "drop"


def seal_anew(objects: Objects) -> None:
    add_a_rule(objects)
    objects.append(rule("fingerprint", {"return": None}, comment="seen as: 0"))


def lose_the_seal(objects: Objects) -> None:
    objects[:] = [each for each in objects if "seen as" not in json.dumps(each)]


@pytest.mark.parametrize(
    "tamper", [drop_a_rule, swap_rules, add_a_rule, take_an_element, change_the_policy, seal_anew, lose_the_seal]
)
def test_whatever_somebody_changes_in_the_table_is_found_and_put_back(applied: FakeTables, tamper: Any) -> None:
    tamper(applied.objects)
    assert texts(applied) == ["put back the rules, which somebody has changed"]
    (finding,) = sliced(applied).verify(WANTED)
    assert (finding.text, finding.repaired) == (f"somebody has changed the rules (table {FULL_NAME})", True)
    assert texts(applied) == []


def count(objects: Objects) -> None:
    objects[2]["counter"].update(packets=7, bytes=420)


def shake_hands(objects: Objects) -> None:
    objects[4]["set"]["elem"] = [{"elem": {"val": "192.0.2.8", "expires": 50}}]


def list_in_another_order(objects: Objects) -> None:
    objects[3]["set"]["elem"].reverse()
    objects.insert(0, objects.pop(5))


def renumber(objects: Objects) -> None:
    for each in objects:
        for part in each.values():
            part["handle"] = 77


@pytest.mark.parametrize("happens", [count, shake_hands, list_in_another_order, renumber])
def test_what_changes_by_itself_is_no_drift(applied: FakeTables, happens: Any) -> None:
    happens(applied.objects)
    assert texts(applied) == []


def test_rules_that_are_gone_come_back(applied: FakeTables) -> None:
    applied.objects = None
    (finding,) = sliced(applied).verify(WANTED)
    assert (finding.text, finding.repaired) == (f"the rules are gone: there is no table {FULL_NAME}", True)


def test_rules_that_nft_refuses_leave_those_in_force(applied: FakeTables) -> None:
    firewall, before = sliced(applied), copy.deepcopy(applied.objects)
    (change,) = firewall.plan(replace(WANTED, management=())).changes
    applied.refuses = True
    with pytest.raises(ProvisionError):
        firewall.do(change)
    assert applied.objects == before


def test_management_from_everywhere_is_said(tables: FakeTables) -> None:
    firewall, wanted = sliced(tables), replace(WANTED, management=())
    firewall.do(firewall.plan(wanted).changes[0])
    (finding,) = firewall.verify(wanted)
    assert finding.target == "management"
    assert "no prefix is written" in finding.text


def test_what_was_dropped_is_reported_by_reason(applied: FakeTables) -> None:
    count(applied.objects or [])
    told = sliced(applied).report(WANTED)
    assert told == {"firewall": {"in_force": True, "dropped": {"management": 7}}}
    assert sliced(applied).report(OFF) == {}


@pytest.mark.parametrize(
    ("source", "locked"),
    [
        ("10.0.9.7", False),
        ("::ffff:10.0.9.7", False),
        ("2001:db8:9::7", False),
        ("127.0.0.1", False),
        (None, False),
        ("UNKNOWN", False),
        ("10.0.8.7", True),
        ("::ffff:10.0.8.7", True),
        ("2001:db8:8::7", True),
        ("fe80::1%eth0", True),
    ],
)
def test_who_could_not_come_back_is_told_so(source: str | None, locked: bool) -> None:
    assert (locks_out(WANTED, source) is not None) == locked
    assert locks_out(OFF, source) is None
    assert locks_out(replace(WANTED, management=()), source) is None
