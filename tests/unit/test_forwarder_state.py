"""The state file: written in one step, read strictly, and never a reason not to start."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forwarder_fakes import a_tunnel, an_order
from hypothesis import given
from hypothesis import strategies as st

from hub.forwarder.classes import ForwardingClass, obey
from hub.forwarder.liveness.model import SessionMemory
from hub.forwarder.orders import Probe
from hub.forwarder.state import SavedState, StateFileError, Writer, after_reboot, decode, encode, read, write


def a_class() -> ForwardingClass:
    result = obey(an_order(epoch=3), None, {}, 77)
    assert isinstance(result, ForwardingClass)
    return result


STATE = SavedState(
    boot="b1",
    tunnels=(a_tunnel("bandung/fiber", "t1", ipv6=True),),
    classes=(a_class(),),
    ids={"bandung": 0x504D0001},
    interfaces={"bandung/fiber": "t1"},
    unreachable=("10.1.0.0/24", "2001:db8:1::/48"),
    probe=Probe(("10.0.0.0/16", "2001:db8::/48"), None),
    memory={"bandung/fiber": SessionMemory("up", 5, "heard")},
)


def test_what_is_written_is_read_again() -> None:
    assert decode(encode(STATE)) == STATE
    assert decode(encode(SavedState())) == SavedState()


def test_sources_and_their_tables_are_written_and_read_again() -> None:
    sourced = replace(a_class(), name="special", sources=("10.0.10.0/24", "2001:db8:0:10::/64"))
    state = replace(STATE, classes=(a_class(), sourced), tables={"10.0.10.0/24": 112000})
    assert decode(encode(state)) == state


def test_without_sources_the_file_is_as_a_forwarder_without_them_reads_it() -> None:
    written = json.loads(encode(STATE))
    assert "tables" not in written
    assert "sources" not in written["classes"][0]


def test_after_a_reboot_no_session_is_remembered_and_no_time_is_trusted() -> None:
    fresh = after_reboot(STATE, 9)
    assert (fresh.memory, fresh.classes[0].since_ns, fresh.classes[0].epoch) == ({}, 9, 3)


OLD = (
    b'{"pointsman":1,"boot":"b1","tunnels":[{"name":"a/x","branch":"a","interface":"t1","local":"10.255.0.0",'
    b'"remote":"10.255.0.1","isp":"","hub_uplink":"","active":{"method":"icmp","interval_ms":50.0,"multiplier":3},'
    b'"idle":{"method":"icmp","interval_ms":50.0,"multiplier":3}}],"classes":[{"name":"a","branch":"a","prefixes":'
    b'["10.1.0.0/24"],"order":["a/x"],"active":"a/x","reason":"","based_on_epoch":2,"since_ns":7}],"ids":{"a":'
    b'1347223552},"interfaces":{"a/x":"t1"},"unreachable":["10.1.0.0/24"],"probe":{"prefixes":["10.0.0.0/16"],'
    b'"prefer":null},"memory":{}}'
)
"""What a forwarder of version 1 wrote, which knew no IPv6."""


def test_a_file_of_version_1_is_read() -> None:
    state = decode(OLD)
    assert (state.tunnels[0].remote6, state.classes[0].epoch, state.ids) == (None, 2, {"a": 1347223552})


def test_no_file_is_an_empty_state(tmp_path: Path) -> None:
    assert read(tmp_path / "forwarder.json") == SavedState()


def changed(**parts: object) -> bytes:
    return json.dumps(json.loads(encode(STATE)) | parts).encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "damaged"),
        (encode(STATE)[:-30], "damaged"),
        (b"\xff\xfe", "damaged"),
        (b"[" * 100_000, "damaged"),
        (b"[]", "a JSON object is needed"),
        (b"{}", "version"),
        (changed(pointsman=3), "it is of version 3, and this forwarder reads 1 and 2"),
        (changed(pointsman=True), "version"),
        (changed(tunnels=[{}]), "tunnels[0].name"),
        (changed(classes=[7]), "classes[0]"),
        (changed(ids={"bandung": -1}), "ids.bandung"),
        (changed(ids=[]), "ids"),
        (changed(interfaces={"a": "../x"}), "interfaces.a"),
        (changed(memory={"a": 7}), "memory"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "forwarder.json"
    path.write_bytes(content)
    with pytest.raises(StateFileError) as refused:
        read(path)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.binary(max_size=100))
def test_no_bytes_whatever_are_worse_than_refused(content: bytes) -> None:
    with pytest.raises(StateFileError):
        decode(content)


@given(st.data())
def test_no_spoiled_part_is_worse_than_refused(data: st.DataObject) -> None:
    content: dict[str, Any] = json.loads(encode(STATE))
    key = data.draw(st.sampled_from(sorted(content)))
    content[key] = data.draw(
        st.recursive(
            st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
        )
    )
    try:
        decode(json.dumps(content).encode())
    except StateFileError as error:
        assert "\n" not in str(error)


def test_the_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "forwarder.json"
    write(path, b"old")
    with path.open("rb") as old:
        write(path, b"new")
        assert old.read() == b"old"
    assert path.read_bytes() == b"new"
    assert [each.name for each in tmp_path.iterdir()] == ["forwarder.json"]


def test_the_writer_saves_the_newest_state_and_says_what_went_wrong(tmp_path: Path) -> None:
    results: list[OSError | None] = []
    writer = Writer(tmp_path / "forwarder.json", results.append)
    writer.save(SavedState(boot="1"))
    writer.save(STATE)
    writer.close(10)
    assert read(tmp_path / "forwarder.json") == STATE
    assert set(results) == {None}
    writer = Writer(tmp_path / "not there" / "forwarder.json", results.append)
    writer.save(STATE)
    writer.close(10)
    assert isinstance(results[-1], FileNotFoundError)
