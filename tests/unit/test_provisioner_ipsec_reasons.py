"""What charon's log says of a failure, and whose it was."""

from __future__ import annotations

from typing import Any

import pytest

from hub.provisioner.ipsec.failures import Failures, Peer
from hub.provisioner.ipsec.reasons import Kind, reason_of

BANDUNG = Peer("p.bandung.fiber", "hub.bandung-fiber", "bandung-fiber", "203.0.113.30", None)
SOLO = Peer("p.solo.fiber", "hub.solo-fiber", "solo-fiber", "203.0.113.30", "198.51.100.7")
TEGAL = Peer("p.tegal.lte", "hub.tegal-lte", "tegal-lte", "203.0.113.31", None)


@pytest.mark.parametrize(
    ("message", "kind", "part"),
    [
        (
            "tried 1 shared key for 'hub.b' - 'bandung-fiber', but MAC mismatched",
            Kind.AUTHENTICATION,
            "another secret",
        ),
        ("no shared key found for 'hub.b' - 'bandung-fiber'", Kind.AUTHENTICATION, "no secret for bandung-fiber"),
        ("received AUTHENTICATION_FAILED notify error", Kind.AUTHENTICATION, "refuses the hub"),
        ("parsed INFORMATIONAL request 2 [ N(AUTH_FAILED) ]", Kind.AUTHENTICATION, "refuses the hub"),
        ("no matching peer config found", Kind.IDENTITY, "another identity"),
        (
            "no IKE config found for 203.0.113.30...192.0.2.1, sending NO_PROPOSAL_CHOSEN",
            Kind.ADDRESS,
            "comes from 192.0.2.1",
        ),
        ("parsed ID_PROT request 0 [ SA V V V V V ]", Kind.VERSION, "speaks IKEv1"),
        ("parsed AGGRESSIVE request 0 [ SA KE No ID V V V ]", Kind.VERSION, "speaks IKEv1"),
        ("received proposals unacceptable", Kind.PROPOSAL, "no IKE proposal"),
        ("no acceptable proposal found", Kind.PROPOSAL, "no ESP proposal"),
        ("received NO_PROPOSAL_CHOSEN notify error", Kind.PROPOSAL, "accepts no IKE proposal"),
        ("received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built", Kind.PROPOSAL, "accepts no ESP proposal"),
        (
            "traffic selectors 10.0.0.0/24 === 10.0.1.0/24 unacceptable",
            Kind.SELECTORS,
            "10.0.0.0/24 === 10.0.1.0/24",
        ),
        ("received TS_UNACCEPTABLE notify, no CHILD_SA built", Kind.SELECTORS, "other networks"),
        ("deleting half open IKE_SA with 198.51.100.7 after timeout", Kind.TIMEOUT, "198.51.100.7 began"),
        ("establishing IKE_SA failed, peer not responding", Kind.TIMEOUT, "silent when the hub begins"),
        ("giving up after 5 retransmits", Kind.TIMEOUT, "no answer any more"),
        (
            "subject certificate invalid (valid from Jan 01 to Jan 02)",
            Kind.CERTIFICATE,
            "the branch's certificate is not valid now (valid from Jan 01 to Jan 02)",
        ),
        ('no issuer certificate found for "CN=solo"', Kind.CERTIFICATE, "nobody is known who signed"),
        ("no trusted RSA public key found for 'solo-fiber'", Kind.CERTIFICATE, "no trusted certificate for solo-fiber"),
        ("received DELETE for IKE_SA p.bandung.fiber[3]", Kind.ENDED, "the branch ended it"),
    ],
)
def test_a_line_of_the_log_is_told_as_a_reason_with_its_mend(message: str, kind: Kind, part: str) -> None:
    reason = reason_of(message)
    assert reason is not None
    assert reason.kind is kind
    assert part in reason.text
    assert reason.mend


@pytest.mark.parametrize(
    "message",
    [
        "generating IKE_AUTH response 1 [ IDr AUTH SA TSi TSr ]",
        "IKE_SA p.bandung.fiber[1] established between 203.0.113.30[hub.b]...198.51.100.7[b]",
        "sending DPD request",
        "",
    ],
)
def test_what_goes_well_is_no_reason(message: str) -> None:
    assert reason_of(message) is None


def test_an_identity_that_would_move_the_cursor_is_shown_plain() -> None:
    reason = reason_of("no trusted RSA public key found for 'a\x1b[2Jb" + "x" * 500 + "'")
    assert reason is not None
    assert "\x1b" not in reason.text
    assert len(reason.text) < 200


def log(message: str, attempt: str = "7", name: str = "(unnamed)") -> dict[str, Any]:
    """A line as VICI sends it."""
    return {"group": b"IKE", "ikesa-name": name.encode(), "ikesa-uniqueid": attempt.encode(), "msg": message.encode()}


def hearing(*lines: dict[str, Any]) -> Failures:
    """What is known of three tunnels after these lines, one a second."""
    failures = Failures()
    failures.expect((BANDUNG, SOLO, TEGAL))
    for at, line in enumerate(lines):
        failures.log(line, float(at))
    return failures


def test_what_charon_says_of_a_connection_is_that_connections() -> None:
    failures = hearing(log("tried 1 shared key for 'hub.b' - 'b', but MAC mismatched", name=BANDUNG.name))
    assert {name: failure.sure for name, failure in failures.last.items()} == {BANDUNG.name: True}


def test_who_says_whom_he_is_is_known_by_that_before_charon_names_the_connection() -> None:
    failures = hearing(
        log("received packet: from 198.51.100.7[500] to 203.0.113.30[500] (240 bytes)"),
        log("looking for peer configs matching 203.0.113.30[hub.solo-fiber]...198.51.100.7[somebody]"),
        log("no matching peer config found"),
    )
    assert {name: failure.sure for name, failure in failures.last.items()} == {SOLO.name: True}


def test_proposals_come_before_identities_so_that_it_may_be_any_tunnel_of_that_address() -> None:
    failures = hearing(
        log("received packet: from 192.0.2.1[500] to 203.0.113.30[500] (240 bytes)"),
        log("received proposals unacceptable"),
    )
    assert {name: failure.sure for name, failure in failures.last.items()} == {BANDUNG.name: False}


def test_a_packet_from_a_known_address_may_be_of_those_too_that_have_none() -> None:
    failures = hearing(
        log("received packet: from 198.51.100.7[500] to 203.0.113.30[500] (240 bytes)"),
        log("received proposals unacceptable"),
    )
    assert set(failures.last) == {BANDUNG.name, SOLO.name}


def test_a_tunnel_that_is_up_is_not_guessed_at() -> None:
    failures = Failures()
    failures.expect((BANDUNG, SOLO, TEGAL))
    failures.ike_updown({"up": b"yes", SOLO.name: {}}, 0.0)
    failures.log(log("received packet: from 198.51.100.7[500] to 203.0.113.30[500] (240 bytes)"), 1.0)
    failures.log(log("received proposals unacceptable"), 2.0)
    assert set(failures.last) == {BANDUNG.name}


def test_an_unexpected_address_is_told_to_whom_the_hubs_address_is() -> None:
    failures = hearing(log("no IKE config found for 203.0.113.30...192.0.2.1, sending NO_PROPOSAL_CHOSEN"))
    assert set(failures.last) == {BANDUNG.name, SOLO.name}


def test_of_one_attempt_the_most_telling_reason_stays() -> None:
    failures = hearing(
        log("tried 1 shared key for 'hub.b' - 'b', but MAC mismatched", name=BANDUNG.name),
        log("selected peer config 'x' unacceptable: non-matching authentication done", name=BANDUNG.name),
    )
    assert "another secret" in failures.last[BANDUNG.name].reason.text


def test_of_a_later_attempt_the_later_reason_stays() -> None:
    failures = hearing(
        log("tried 1 shared key for 'hub.b' - 'b', but MAC mismatched", "7", BANDUNG.name),
        log("received DELETE for IKE_SA x[8]", "8", BANDUNG.name),
    )
    assert failures.last[BANDUNG.name].reason.kind is Kind.ENDED


def test_what_may_be_does_not_cover_what_is_known() -> None:
    failures = hearing(
        log("tried 1 shared key for 'hub.b' - 'b', but MAC mismatched", "7", BANDUNG.name),
        log("received packet: from 192.0.2.1[500] to 203.0.113.30[500] (240 bytes)", "8"),
        log("received proposals unacceptable", "8"),
    )
    assert failures.last[BANDUNG.name].reason.kind is Kind.AUTHENTICATION


def test_a_tunnel_that_is_not_wanted_any_more_is_forgotten() -> None:
    failures = hearing(log("no acceptable proposal found", name=BANDUNG.name))
    failures.expect((SOLO,))
    assert failures.last == {}


def test_a_flood_of_attempts_is_not_kept() -> None:
    failures = hearing(*(log("received packet: from 192.0.2.1[500] to 10.0.0.1[500]", str(n)) for n in range(2000)))
    assert len(failures._attempts) <= 512


@pytest.mark.parametrize(
    "event", [{}, {"msg": b"\xff\xfe"}, {"msg": b"no acceptable proposal found"}, {"ikesa-name": b"x"}]
)
def test_events_that_lack_something_are_survived(event: dict[str, Any]) -> None:
    failures = hearing(event)
    failures.ike_updown(event, 1.0)
    assert failures.last == {}
