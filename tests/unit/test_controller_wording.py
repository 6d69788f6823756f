"""What the operator reads: each problem with the mend that helps against it."""

from __future__ import annotations

import pytest

from hub.bgp.translate import not_carried
from hub.controller.wording import speaker_mend
from policies.model.ids import TunnelId

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
