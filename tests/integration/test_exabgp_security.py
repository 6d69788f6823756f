"""Passwords and TTL security between real ExaBGP and real BIRD 2."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bgp_bench import bench
from bgp_controller import HUB, Controller, play
from bgp_network import network

from hub.bgp.reload import reconfigure
from policies.model.events import SetSent
from policies.model.intent import Session

pytestmark = pytest.mark.integration

SHARED = "correct,horse[7];{#}"
"""With signs that ExaBGP's configuration would take for its own."""
SIGNED = Session(password_file="/secret")  # noqa: S106


def test_sessions_with_password_and_ttl_security_come_up() -> None:
    lines = f'password "{SHARED}"; ttl security on; multihop 1;'
    intent = network(1, session=replace(SIGNED, ttl_security=True))
    with bench(intent, passwords={"/secret": SHARED}, bird_session=lines) as made:

        async def scene() -> None:
            controller = Controller(made)
            controller.want(1000, 1100)
            await controller.until_told(SetSent, 2)
            assert made.meds("b1/fiber") == {str(HUB): 1000}
            await controller.stop()

        play(scene())


@pytest.mark.parametrize(
    ("session", "lines", "counter"),
    [
        (SIGNED, 'password "another";', "TCPMD5Failure"),
        (SIGNED, "", "TCPMD5NotFound"),
        (Session(), 'password "another";', "TCPMD5Unexpected"),
        (Session(ttl_security=True), "", "TCPMinTTLDrop"),
    ],
    ids=["another password", "no password", "a password too many", "too low a TTL"],
)
def test_a_session_that_is_not_secured_as_agreed_never_comes_up(session: Session, lines: str, counter: str) -> None:
    with bench(network(1, session=session), passwords={"/secret": SHARED}, bird_session=lines) as made:
        made.wait(lambda: made.kernel_counter(counter) >= 4, "the kernel refuses some attempts", 40)
        assert made.up_since("b1/fiber") is None
        assert made.up_since("b1/wireless") is None


def test_security_that_a_reload_takes_away_is_gone(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text(SHARED)
    file = str(secret)
    secured = network(1, session=Session(password_file=file, ttl_security=True))
    lines = f'password "{SHARED}"; ttl security on; multihop 1;'
    with bench(secured, passwords={file: SHARED}, bird_session=lines) as made:
        site = made.site()

        async def scene() -> None:
            controller = Controller(made)
            controller.want(1000, 1100)
            await controller.until_told(SetSent, 2)
            mark = len(controller.events)
            outcome = await reconfigure(controller.speaker, secured, network(1), site)
            assert outcome.problems == ()
            made.bird_session = ""
            made.reconfigure_bird(network(1))
            await controller.until_told(SetSent, 2, after=mark)
            assert made.configuration.stat().st_mode & 0o777 == 0o644
            await controller.stop()

        play(scene())
