"""What strongSwan says of an SA, as a hint."""

from __future__ import annotations

from typing import Any

import pytest

from policies.health.ike import SaFacts, sa_facts, sa_hint
from policies.model.clock import Instant

NOW = Instant(1000.0)


@pytest.mark.parametrize(
    ("facts", "text", "since"),
    [
        (SaFacts(up=True, child=True, since=Instant(10.0)), None, None),
        (
            SaFacts(up=True, child=True, since=Instant(10.0), failure="authentication failed", failed_at=Instant(5.0)),
            None,
            None,
        ),
        (
            SaFacts(up=False, child=False, failure="authentication failed", failed_at=Instant(990.0)),
            "IKE: authentication failed",
            990.0,
        ),
        (SaFacts(up=False, child=False), "IKE: no SA, and nothing is heard of the branch", 1000.0),
        (SaFacts(up=False, child=False, since=Instant(900.0)), "IKE: no SA, and nothing is heard of the branch", 900.0),
        (
            SaFacts(up=True, child=False, since=Instant(990.0), failure="no proposal chosen", failed_at=Instant(990.0)),
            "IKE: no proposal chosen",
            990.0,
        ),
        (
            SaFacts(up=True, child=False, since=Instant(990.0), failure="no answer", failed_at=Instant(980.0)),
            "IKE: no child SA",
            990.0,
        ),
        (SaFacts(up=True, child=False, since=Instant(999.0)), None, None),
    ],
)
def test_a_hint_says_why_there_is_no_sa(facts: SaFacts, text: str | None, since: float | None) -> None:
    hint = sa_hint(facts, NOW)
    assert (hint and hint.text, hint and hint.since) == (text, since)


def test_what_the_provisioner_reports_is_read_on_our_clock() -> None:
    told: dict[str, Any] = {
        "state": "established",
        "since": 1_700_000_000.0,
        "child": None,
        "failure": {"reason": "no answer", "at": 1_700_000_090.0},
    }
    assert sa_facts(told, 1_700_000_100.0, NOW) == SaFacts(
        up=True, child=False, since=Instant(900.0), failure="no answer", failed_at=Instant(990.0)
    )


def test_a_tunnel_that_is_down_has_nothing() -> None:
    assert sa_facts({"state": "down", "since": None, "child": None}, 1.0, NOW) == SaFacts(up=False, child=False)
