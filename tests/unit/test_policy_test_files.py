"""The files of policies/tests/: what may stand in them, and what is said of what may not."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from config_directories import BANDUNG, reading, said, written

from hub.policy_tests.expectations import Moves, MovesBy, Never, OffPreferred, On
from hub.policy_tests.files import PolicyTests, read_tests
from hub.policy_tests.values import PolicyTest
from policies.model.intent import Mode
from policies.simulation.line import Line

FILE = "policies/tests/t.yaml"
EXPECT = "expect: [{moves: 0}]\n"
START = "branch: bandung\n"


def files_of(directory: Path, text: str, **files: str) -> PolicyTests:
    return read_tests(written(directory, {FILE: text, **files}))


def one(directory: Path, text: str, **files: str) -> PolicyTest:
    read = files_of(directory, text, **files)
    assert read.problems == ()
    [test] = read.tests
    return test


def given(directory: Path, *steps: str, expect: str = EXPECT) -> PolicyTest:
    lines = "".join(f"  - {{{step}}}\n" for step in steps)
    return one(directory, f"{START}given:\n{lines}{expect}")


def test_the_shortest_one_begins_on_monday_morning_and_lasts_a_minute(tmp_path: Path) -> None:
    test = one(tmp_path, START + EXPECT)
    assert (test.file, test.branch.name, test.seconds, test.steps) == (FILE, "bandung", 60.0, ())
    assert test.start == datetime(2024, 1, 1, 9, tzinfo=ZoneInfo("Asia/Jakarta"))


def test_it_begins_by_the_clock_of_its_branch(tmp_path: Path) -> None:
    files = {"branches/bandung.yaml": BANDUNG + "timezone: Asia/Makassar\n"}
    test = one(tmp_path, f"{START}start: Fri 22:30\n{EXPECT}", **files)
    assert test.start == datetime(2024, 1, 5, 22, 30, tzinfo=ZoneInfo("Asia/Makassar"))


def test_it_lasts_a_minute_longer_than_what_is_written_or_as_it_says(tmp_path: Path) -> None:
    text = f"{START}given: [{{at: 90s, failback: true}}]\nexpect: [{{at: 2m, active: fiber}}]\n"
    assert one(tmp_path, text).seconds == 180.0
    assert one(tmp_path, text + "for: 1h\n").seconds == 3600.0


def test_a_figure_that_is_not_repeated_stays(tmp_path: Path) -> None:
    test = given(
        tmp_path,
        "at: 0s, fiber: {rtt: 4ms, jitter: 1ms}",
        "at: 1s, fiber: {loss: 6%}, wireless: {down: true}",
        "at: 2s, fiber: {loss: 0%}, wireless: {loss: 1.5 %}",
        "at: 3s, wireless: {up: true}",
    )
    fiber, wireless = (
        [step.lines[name] for step in test.steps if name in step.lines] for name in ("fiber", "wireless")
    )
    assert fiber == [Line(0.0, 0.004, 0.001), Line(0.06, 0.004, 0.001), Line(0.0, 0.004, 0.001)]
    assert wireless == [Line(up=False), Line(loss=0.015, up=False), Line(loss=0.015)]


@pytest.mark.parametrize("target", ["bandung/fiber", "isp:telkom", "hub:hq/telkom"])
def test_what_is_drained_is_written_as_on_the_command_line(tmp_path: Path, target: str) -> None:
    test = given(tmp_path, f'at: 1s, drain: "{target}"', f'at: 2s, undrain: ["{target}"]')
    assert [(set(step.drain), set(step.undrain)) for step in test.steps] == [({"fiber"}, set()), (set(), {"fiber"})]


def test_a_tunnel_that_two_drains_hold_comes_back_with_the_last(tmp_path: Path) -> None:
    test = given(
        tmp_path,
        "at: 1s, drain: [bandung, bandung/fiber]",
        "at: 2s, undrain: bandung",
        "at: 3s, undrain: bandung/fiber",
    )
    assert [set(step.undrain) for step in test.steps] == [set(), {"wireless"}, {"fiber"}]


def test_what_an_operator_says_becomes_steps(tmp_path: Path) -> None:
    test = given(
        tmp_path,
        "at: 1s, switch: wireless, freeze: true",
        "at: 2s, unswitch: true, unfreeze: true",
        "at: 3s, switch: bandung/fiber, failback: true",
    )
    said = [(step.switch, step.unswitch, step.freeze, step.failback) for step in test.steps]
    assert said == [("wireless", False, True, False), (None, True, False, False), ("fiber", False, None, True)]


@pytest.mark.parametrize(
    ("expect", "expected"),
    [
        ("at: 0s, active: fiber", On(0.0, "fiber")),
        ("by: 30s, active: wireless", MovesBy(20.0, 30.0, "wireless", None)),
        ("by: 20s, active: wireless, because: loss", MovesBy(10.0, 20.0, "wireless", "loss")),
        ("by: 5s, active: wireless, because: rank", MovesBy(0.0, 5.0, "wireless", "rank")),
        ("moves: 2", Moves(2, 2)),
        ("moves-at-most: 2", Moves(0, 2)),
        ("never: wireless", Never(("wireless",))),
        ("never: [wireless, fiber]", Never(("wireless", "fiber"))),
        ("off-preferred-at-most: 10m", OffPreferred(600.0)),
    ],
)
def test_what_may_be_expected(tmp_path: Path, expect: str, expected: object) -> None:
    steps = ("at: 10s, failback: true", "at: 20s, failback: true")
    test = given(tmp_path, *steps, expect=f"expect: [{{{expect}}}]\n")
    assert [each for _, each in test.expected] == [expected]


def test_another_policy_counts_as_if_the_branchs_file_named_it(tmp_path: Path) -> None:
    files = {
        "branches/bandung.yaml": BANDUNG + "policy: voice\nprefer: [lte, fiber]\n",
        "policies/mine.yaml": "prefer: [fiber, lte]\nfailback: {hold: 7m}\n",
    }
    branch = one(tmp_path, f"{START}policy: mine\n{EXPECT}", **files).branch
    assert (branch.policy.name, branch.policy.prefer) == ("mine", ("lte", "fiber"))
    assert branch.policy.failback.hold.total_seconds() == 420.0


def test_a_branch_that_is_only_observed_is_tried_as_if_it_acted(tmp_path: Path) -> None:
    files = {"branches/bandung.yaml": BANDUNG + "mode: observe\n"}
    assert one(tmp_path, START + EXPECT, **files).branch.mode is Mode.ACT


def test_tests_are_not_taken_for_policies(tmp_path: Path) -> None:
    configuration = reading(tmp_path, {FILE: "branch: 1\n"})
    assert (said(configuration), configuration.files) == ("", 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: the file is empty"),
        (START, '1:1: "expect" is missing\n    mend: add it, for example expect: [{moves: 0}]'),
        (EXPECT, '1:1: "branch" is missing\n    mend: add it, for example branch: bandung'),
        (START + "expect: []\n", "2:9: expect is empty: at least one is wanted"),
        ("branch: bandun\n" + EXPECT, '1:9: there is no branch "bandun": there are bandung\n    mend: write "bandung"'),
        (START + "policy: carefull\n" + EXPECT, '2:9: there is no policy "carefull"\n    mend: write "careful"'),
        (START + "polcy: careful\n" + EXPECT, '2:1: unknown key "polcy"\n    mend: write "policy"'),
        (START + "start: 09:00\n" + EXPECT, "2:8: 09:00 has colons"),
        (
            START + "start: Mo 9:00\n" + EXPECT,
            '2:8: start: "Mo 9:00" is no time of the week\n    mend: write a day and a time, for example "Mon 09:00"',
        ),
        (START + "start: Mon 24:00\n" + EXPECT, '2:8: start: "Mon 24:00" is no time of the week'),
        (START + "for: 30\n" + EXPECT, "2:6: for: 30 has no unit"),
        (START + "for: 400d\n" + EXPECT, "2:6: for: a test lasts 366 days at most"),
    ],
)
def test_a_mistake_in_a_test_is_said_at_its_place(tmp_path: Path, text: str, expected: str) -> None:
    read = files_of(tmp_path, text)
    assert str(read.problems[0]).startswith(f"{FILE}:{expected}")
    assert read.tests == ()
    assert not read.usable


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("fiber: {loss: 6%}", '5: "at" is missing'),
        ("at: 5, fiber: {loss: 6%}", "10: at: 5 has no unit"),
        ("at: 0s, fiber: {loss: 0.06}", "28: loss: 0.06 has no unit: loss is a share\n    mend: write 6%"),
        ("at: 0s, fiber: {loss: 6}", "28: loss: 6 has no unit: loss is a share\n    mend: write 6%"),
        ("at: 0s, fiber: {loss: 120%}", '28: loss: "120%" is no share from 0% to 100%'),
        ("at: 0s, fiber: {rtt: 20}", "27: rtt: 20 has no unit"),
        ("at: 0s, fiber: {rtt: 20}", "write 20ms if milliseconds are meant"),
        ("at: 0s, fiber: {rtt: 20s}", "27: rtt: at most 10s"),
        ("at: 0s, fiber: {lost: 6%}", '22: unknown key "lost"\n    mend: write "loss"'),
        ("at: 0s, fiber: 6%", '21: fiber: "6%" where a map is wanted'),
        ("at: 0s, fiber: {up: true, down: true}", "22: fiber: up and down at one time"),
        ("at: 0s, fiber: {up: false}", "26: up: only true can stand here"),
        (
            "at: 0s, fibr: {loss: 6%}",
            '14: "fibr" is no tunnel of bandung (fiber, wireless), nor one of drain, undrain, switch, unswitch, ',
        ),
        ("at: 0s, fibr: {loss: 6%}", 'unfreeze, failback\n    mend: write "fiber"'),
        ("at: 0s, fail-back: true", 'mend: write "failback"'),
        ("at: 0s, drain: bandung/fibre", "21: there is no tunnel bandung/fibre: its tunnels are fiber, wireless"),
        ("at: 0s, drain: isp:telcom", '21: there is no ISP "telcom"'),
        ("at: 0s, undrain: bandung", '23: "bandung" is not drained then: nothing is drained'),
        ("at: 0s, drain: bandung, undrain: bandung/fiber", "is not drained then: drained are bandung"),
        ("at: 0s, switch: lte", "22: there is no tunnel bandung/lte: its tunnels are fiber, wireless"),
        ("at: 0s, switch: fiber, unswitch: true", "29: switch and unswitch at one time"),
        ("at: 0s, freeze: true, unfreeze: true", "28: freeze and unfreeze at one time"),
        ("at: 0s, freeze: false", "22: freeze: only true can stand here"),
    ],
)
def test_a_mistake_in_what_is_given_is_said_at_its_place(tmp_path: Path, step: str, expected: str) -> None:
    found = files_of(tmp_path, f"{START}given:\n  - {{{step}}}\n{EXPECT}").problems
    said = "\n".join(map(str, found))
    assert (f"{FILE}:3:{expected}" if expected[0].isdigit() else expected) in said


def test_steps_in_the_wrong_order_are_said(tmp_path: Path) -> None:
    text = f"{START}given: [{{at: 9s, failback: true}}, {{at: 8s, failback: true}}]\n{EXPECT}"
    assert [str(problem) for problem in files_of(tmp_path, text).problems] == [
        f"{FILE}:2:40: at: before the step above it\n    mend: put the steps in order of time"
    ]


def test_a_branch_that_the_target_has_nothing_of_is_said(tmp_path: Path) -> None:
    bogor = "as: 65002\nprefixes: [10.2.0.0/24]\nuplinks: {cable: {isp: biznet}}\n"
    more = "bandung/fiber: {to: telkom, link: 10.255.0.0/31, port: 51000}\n"
    more += "bandung/wireless: {to: biznet, link: 10.255.0.2/31, port: 51001}\n"
    more += "bogor/cable: {to: biznet, link: 10.255.0.4/31, port: 51002}\n"
    files = {"branches/bogor.yaml": bogor, "allocations.yaml": more}
    [problem] = files_of(tmp_path, f"{START}given: [{{at: 0s, drain: bogor}}]\n{EXPECT}", **files).problems
    assert problem.text == "bogor has no tunnel of bandung, which this test is about"


@pytest.mark.parametrize(
    ("expect", "expected"),
    [
        ("", "3:5: says nothing to expect: one of at, by, moves, moves-at-most, never, off-preferred-at-most"),
        ("active: fiber", "3:5: says nothing to expect"),
        ("at: 3s", '3:5: "at" without "active"\n    mend: say on which tunnel: active: fiber'),
        ("by: 3s, because: loss", '3:5: "by" without "active"'),
        ("at: 3s, active: fibre", '3:22: "fibre" is no tunnel of bandung: its tunnels are fiber, wireless'),
        ("never: [fiber, lte]", '3:21: "lte" is no tunnel of bandung'),
        ("at: 3s, active: fiber, because: loss", '3:29: because does not go with at\n    mend: write "by" in place'),
        ("moves: 1, active: fiber", "3:16: active does not go with moves"),
        ("moves: 2, never: fiber", "3:16: moves and never in one expectation\n    mend: make two of them"),
        ("moves: -1", "3:13: moves: -1 is too small: at least 0"),
        ("by: 3s, active: fiber, because: lost", '3:38: because: "lost" is not known: one of down, loss, rtt'),
        ("by: 3s, active: fiber, becaus: loss", '3:29: unknown key "becaus"\n    mend: write "because"'),
    ],
)
def test_a_mistake_in_what_is_expected_is_said_at_its_place(tmp_path: Path, expect: str, expected: str) -> None:
    found = files_of(tmp_path, f"{START}expect:\n  - {{{expect}}}\n").problems
    assert str(found[0]).startswith(f"{FILE}:{expected}")
    assert len(found) == 1


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ("given: [{at: 40s, failback: true}]\nexpect: [{moves: 0}]", "3:14"),
        ("expect: [{at: 40s, active: fiber}]", "3:15"),
        ("expect: [{by: 40s, active: fiber}]", "3:15"),
        ("expect: [{by: 40d, active: fiber}]", "3:15"),
    ],
)
def test_what_comes_after_the_end_is_said(tmp_path: Path, part: str, place: str) -> None:
    [problem] = files_of(tmp_path, f"{START}for: 30s\n{part}\n").problems
    last = "3456000s" if "40d" in part else "40s"
    assert str(problem) == f"{FILE}:{place}: after the end of the test, 30s\n    mend: write for: {last}, or more"


def test_one_file_that_is_wrong_leaves_the_others(tmp_path: Path) -> None:
    read = files_of(tmp_path, "branch: bandun\n" + EXPECT, **{"policies/tests/u.yaml": START + EXPECT})
    assert [test.file for test in read.tests] == ["policies/tests/u.yaml"]
    assert [problem.file for problem in read.problems] == [FILE]


def test_a_configuration_with_errors_is_said_first(tmp_path: Path) -> None:
    read = files_of(tmp_path, START + EXPECT, **{"branches/bandung.yaml": "as: x\n"})
    assert (read.intent, read.tests) == (None, ())
    assert {problem.file for problem in read.problems} == {"branches/bandung.yaml"}


def test_a_policy_that_does_not_go_with_what_the_branch_says_is_no_test(tmp_path: Path) -> None:
    files = {
        "branches/bandung.yaml": BANDUNG + "damping: {suppress: 3}\n",
        "policies/mine.yaml": "damping: {suppress: 6, reuse: 4}\n",
    }
    read = files_of(tmp_path, f"{START}policy: mine\n{EXPECT}", **files)
    assert [str(problem) for problem in read.problems if "reuse 4 is not below suppress 3" in problem.text] != []
    assert read.tests == ()


def test_a_branch_that_is_off_is_said(tmp_path: Path) -> None:
    files = {"branches/bandung.yaml": BANDUNG + "mode: off\n"}
    found = "\n".join(map(str, files_of(tmp_path, START + EXPECT, **files).problems))
    assert "bandung has mode: off, so nothing is decided for it" in found
