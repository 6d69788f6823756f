"""The relay imports nothing of the hub: what both must know stands in two places, and is the same in both."""

from __future__ import annotations

import hub.control.lines
import policies.model.view
import speaker.bgp.events
import speaker.bgp.memory
import speaker.bgp.relay


def test_a_change_arrives_after_the_same_time_in_the_relays_memory_and_in_the_view() -> None:
    assert policies.model.view.ARRIVES.total_seconds() == speaker.bgp.memory.ARRIVES


def test_relay_and_controller_speak_one_version() -> None:
    assert speaker.bgp.relay.PROTOCOL_VERSION == hub.control.lines.PROTOCOL_VERSION


def test_memory_and_events_read_the_same_capability_and_families() -> None:
    assert speaker.bgp.memory._MULTIPROTOCOL == speaker.bgp.events._MULTIPROTOCOL
    assert {speaker.bgp.memory.IPV4: 4, speaker.bgp.memory.IPV6: 6} == speaker.bgp.events.FAMILIES
