"""A file with unknown keys is looked at as it was probably meant: one run of `check` says the rest too."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_directories import BANDUNG, NETWORK, reading, said

from hub.config.names import write_instead


def problems(directory: Path, files: dict[str, str]) -> list[str]:
    """The problems, without their mends."""
    configuration = reading(directory, files)
    assert configuration.intent is None
    return [line for line in said(configuration).splitlines() if not line.startswith(" ")]


def test_what_is_wrong_beside_an_unknown_key_is_said_in_the_same_run(tmp_path: Path) -> None:
    more = "colour: blue\npolicy: stndard\n"
    unknown, policy = problems(tmp_path, {"branches/bandung.yaml": BANDUNG + more})
    assert unknown.startswith('branches/bandung.yaml:6:1: unknown key "colour": known are')
    assert policy == 'branches/bandung.yaml:7:9: there is no policy "stndard"'


def test_a_misspelt_key_counts_as_the_one_that_was_meant(tmp_path: Path) -> None:
    assert problems(tmp_path, {"branches/bandung.yaml": BANDUNG + "polcy: stndard\n"}) == [
        'branches/bandung.yaml:6:1: unknown key "polcy"',
        'branches/bandung.yaml:6:8: there is no policy "stndard"',
    ]


def test_what_stands_below_a_misspelt_key_is_read_as_below_the_right_one(tmp_path: Path) -> None:
    more = "tunnel: {wireless: {to: telkm}, fiber: {port: 99999}}\n"
    assert problems(tmp_path, {"branches/bandung.yaml": BANDUNG + more}) == [
        'branches/bandung.yaml:6:1: unknown key "tunnel"',
        "branches/bandung.yaml:6:47: port: 99999 is too large: at most 65535",
    ]
    found = problems(tmp_path, {"branches/bandung.yaml": BANDUNG + more.replace("99999", "51000")})
    assert 'branches/bandung.yaml:6:25: to: the hub has no uplink "telkm"' in found


def test_a_misspelt_link_is_no_reason_to_allocate_another(tmp_path: Path) -> None:
    more = "tunnels: {fiber: {lnk: 10.255.9.0/31, port: 51009}}\n"
    files = {"branches/bandung.yaml": BANDUNG + more, "allocations.yaml": "bandung/wireless: {to: biznet, "}
    files["allocations.yaml"] += "link: 10.255.0.2/31, port: 51001}\nbandung/fiber: {to: telkom}\n"
    assert problems(tmp_path, files) == ['branches/bandung.yaml:6:19: unknown key "lnk"']


def test_policies_and_the_network_too(tmp_path: Path) -> None:
    files = {
        "network.yaml": NETWORK + "polcy: nearby\n",
        "policies/p.yaml": "announce: {frst: 50}\nrules: [{name: n, set: {prefr: [x]}, whn: {}}]\n",
    }
    found = problems(tmp_path, files)
    assert 'network.yaml:12:8: there is no policy "nearby"' in found
    assert "policies/p.yaml:1:18: first: at least 100, because failover announces below it" in found
    assert 'policies/p.yaml:2:25: unknown key "prefr"' in found
    assert 'policies/p.yaml:2:38: unknown key "whn"' in found


def test_a_key_that_stands_beside_its_misspelling_is_the_one_that_counts(tmp_path: Path) -> None:
    more = "policy: standard\npolcy: stndard\n"
    assert problems(tmp_path, {"branches/bandung.yaml": BANDUNG + more}) == [
        'branches/bandung.yaml:7:1: unknown key "polcy"'
    ]


def test_a_file_with_other_faults_is_not_guessed_at(tmp_path: Path) -> None:
    more = "polcy: stndard\nmode: sideways\n"
    assert problems(tmp_path, {"branches/bandung.yaml": BANDUNG + more}) == [
        'branches/bandung.yaml:6:1: unknown key "polcy"',
        'branches/bandung.yaml:7:7: mode: "sideways" is not known: one of off, observe, act',
    ]


@pytest.mark.parametrize(
    ("name", "known", "mend"),
    [
        ("carefull", ["careful", "cheap", "voice"], 'write "careful"'),
        ("stndard", ["standard"], 'write "standard"'),
        ("fibr", ["fiber", "lte"], 'write "fiber"'),
        ("office", ["voice"], None),
        ("branches", ["careful", "cheap", "rural", "standard", "voice"], None),
    ],
)
def test_only_a_name_that_is_near_is_proposed(name: str, known: list[str], mend: str | None) -> None:
    assert write_instead(name, known) == mend
