"""What `status` and `why` show of targets and uplinks, and what is said when."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from small_network import HUB, a_branch, a_network
from waiting import until

from hub.cli.render_status import status_view
from hub.cli.render_why import why_view
from hub.controller.report import Surroundings, branch_report, network_report
from hub.controller.troubles import Believed, Troubles
from policies.blame import check_faults
from policies.decide import decide
from policies.model.clock import Instant, Now
from policies.model.events import ChecksTaken
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.overrides import NO_OVERRIDES
from policies.model.targets import Check, CheckKey, CheckResult, Outcome, Ping, Run, TcpConnect, Timing, Via
from policies.model.view import LivenessState, LivenessView, View
from policies.observe import observe

NOW = Now(Instant(1000.0), datetime(2026, 3, 2, 14, 0, tzinfo=ZoneInfo("Asia/Jakarta")))
TIMING = Timing(timedelta(seconds=10), timedelta(seconds=2))
ERP = Check("erp", TcpConnect(ip_address("10.1.0.10"), 443), TIMING)
STOCK = Check("stock", Run("checks/stock.py", python=True), TIMING, Via.ACTIVE)
OUTSIDE = tuple(Check(name, Ping(ip_address(name)), TIMING, Via.ACTIVE) for name in ("1.1.1.1", "8.8.8.8", "9.9.9.9"))
UPLINKS = {**HUB.uplinks, "telkom": replace(HUB.uplinks["telkom"], targets=OUTSIDE, quorum=2)}
INTENT = replace(a_network(replace(a_branch("bandung"), targets=(ERP, STOCK))), hub=replace(HUB, uplinks=UPLINKS))


def view_of(**outcomes: tuple[Outcome, float | None, str]) -> View:
    """Live tunnels, and results by `erp_fiber`, `stock`, `telkom`; what is not named was not asked."""
    keys = {
        "erp_fiber": (CheckKey("bandung", "erp", "fiber"),),
        "erp_wireless": (CheckKey("bandung", "erp", "wireless"),),
        "stock": (CheckKey("bandung", "stock"),),
        "telkom": tuple(CheckKey("hub:hq/telkom", check.name) for check in OUTSIDE),
    }
    up = LivenessView(LivenessState.UP, Instant(1.0))
    view = View(liveness={TunnelId("bandung", name): up for name in ("fiber", "wireless")}, forwarder=True)
    for turn in range(3):
        results = tuple(
            CheckResult(key, outcome, Instant(970.0 + 10 * turn), TIMING, trip, text)
            for name, (outcome, trip, text) in outcomes.items()
            for key in keys[name]
        )
        view = observe(view, ChecksTaken(results))
    return view


OK = (Outcome.ANSWERED, 0.0124, "")
FAILS = (Outcome.FAILED, None, "connection refused")


def lines(view: View, intent: Intent = INTENT) -> list[str]:
    decision, _ = decide(intent, view, {}, NOW)
    around = Surroundings("/etc/pointsman", Instant(0.0))
    out = io.StringIO()
    report = branch_report(intent.branches["bandung"], view, decision.verdicts["bandung"], around, NOW)
    assert json.loads(json.dumps(report)) == report
    Console(file=out, width=160).print(why_view(report))
    return [line.strip("│├└─ ") for line in out.getvalue().splitlines() if "targets" in line or "checks" in line]


def headline(view: View, intent: Intent = INTENT) -> str:
    report: dict[str, Any] = network_report(intent, view, {}, Surroundings("/etc/pointsman", Instant(0.0)), NOW)
    assert json.loads(json.dumps(report)) == report
    out = io.StringIO()
    Console(file=out, width=160).print(status_view(report))
    return out.getvalue().splitlines()[0].strip()


def test_why_shows_a_target_in_one_line() -> None:
    assert (
        lines(view_of(erp_fiber=OK, erp_wireless=OK))[0] == "targets    erp 10.1.0.10:443 ok 12 ms by fiber, wireless"
    )


def test_why_shows_where_tunnels_differ() -> None:
    assert lines(view_of(erp_fiber=FAILS, erp_wireless=OK))[0] == (
        "targets    erp 10.1.0.10:443 failing (connection refused) by fiber; ok 12 ms by wireless"
    )


def test_why_shows_what_a_custom_check_wrote() -> None:
    view = view_of(stock=(Outcome.ANSWERED, 0.2, "40 % free"))
    assert lines(view) == [
        "targets    erp 10.1.0.10:443 unknown (not asked yet) by fiber, wireless",
        "checks     stock checks/stock.py ok (40 % free)",
    ]


def test_status_names_the_uplinks_of_which_something_is_known() -> None:
    assert headline(view_of(telkom=OK)).endswith(" · hub telkom up")
    assert headline(view_of(telkom=FAILS)).endswith(" · hub telkom OUT")
    assert headline(View()).endswith(" · hub telkom not known")
    assert "hub" not in headline(View(), a_network(a_branch("bandung")))


def test_the_report_has_the_uplinks_targets() -> None:
    report = network_report(INTENT, view_of(telkom=OK), {}, Surroundings("", Instant(0.0)), NOW)
    telkom, biznet = report["uplinks"]
    assert (telkom["is"], telkom["answering"], telkom["failing"]) == ("up", ["1.1.1.1", "8.8.8.8", "9.9.9.9"], [])
    assert (biznet["uplink"], biznet["is"]) == ("biznet", None)


def believed(view: View) -> Believed:
    return Believed(INTENT, view, NO_OVERRIDES, NOW)


def test_a_trouble_is_told_when_it_begins_and_when_it_is_over() -> None:
    said: list[str] = []
    troubles = Troubles(lambda: believed(View()), said.append)
    text = "hub uplink: uplink telkom of the hub: 3 of 3 external targets do not answer"
    for view in (View(), view_of(telkom=FAILS), view_of(telkom=FAILS)):
        troubles.take(check_faults(INTENT, view, NOW.monotonic))
    assert said == [text]
    assert troubles.problems["uplink:telkom"][0] == text
    troubles.take(check_faults(INTENT, view_of(telkom=OK), NOW.monotonic))
    assert said == [text, f"over: {text}"]
    assert troubles.problems == {}


def test_should_judging_fail_that_is_said_and_judging_goes_on() -> None:
    said: list[str] = []
    moments: list[Any] = [believed(view_of(telkom=FAILS)), None]

    async def look() -> None:
        troubles = Troubles(lambda: moments[-1], said.append)
        running = asyncio.create_task(troubles.run())
        await until(lambda: "targets" in troubles.problems)
        moments.pop()
        await until(lambda: list(troubles.problems) == ["uplink:telkom"])
        running.cancel()

    asyncio.run(look())
