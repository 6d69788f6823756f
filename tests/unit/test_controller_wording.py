"""What the operator reads: each problem with the mend that helps against it."""

from __future__ import annotations

import pytest

from hub.bgp.closing import not_carried
from hub.controller.wording import sentence, speaker_mend
from policies.model.clock import Instant
from policies.model.events import Event, SessionChanged, SpeakerLost, SpeakerReady
from policies.model.ids import TunnelId
from policies.model.view import SessionState

NOW = Instant(5.0)
((LACKING, LACKS),) = not_carried({TunnelId("bandung", "fiber"): (6,)}).items()


@pytest.mark.parametrize(
    ("key", "text", "mend"),
    [
        ("exabgp", "ExaBGP has not answered for 4 s", "see ExaBGP's log"),
        ("relay-2", "ExaBGP 2: the relay of ExaBGP has not yet told what it remembers", "see ExaBGP's log"),
        ("relay", "the relay of ExaBGP refuses: another controller is connected: stop it first", "end the other one"),
        (LACKING, LACKS, "the router then opens the session anew"),
        (f"{LACKING}-2", f"ExaBGP 2: {LACKS}", "the router then opens the session anew"),
    ],
)
def test_a_problem_of_a_speaker_has_the_mend_that_helps(key: str, text: str, mend: str) -> None:
    assert speaker_mend(key, text).startswith(mend)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (SpeakerReady(NOW, process=2), "ExaBGP 2 connected"),
        (SpeakerLost(NOW, exabgp_gone=True, process=3), "ExaBGP 3 lost"),
        (SpeakerLost(NOW, exabgp_gone=False, process=1), "connection to the relay of ExaBGP 1 lost"),
    ],
)
def test_what_happens_to_an_exabgp_process_names_it(event: Event, said: str) -> None:
    assert sentence(event) == said


def test_a_session_that_does_not_come_up_is_one_line_with_its_reason() -> None:
    why = "the hub refuses the branch's OPEN: it says AS 65009, written is 65001 (2,2)"
    refused = SessionChanged(TunnelId("bandung", "fiber"), SessionState.DOWN, NOW, why)
    assert sentence(refused) == f"bandung/fiber: BGP session down: {why}"
