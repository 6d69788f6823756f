"""Policy scripts in real workers: what they answer, and everything that they can do wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from script_rig import (
    HEAD,
    NETWORK,
    OS,
    PREFER_FIBER,
    PREFER_LTE,
    QUICK,
    Rig,
    a_branch,
    fiber_down,
    printed,
    under,
    until,
)

from policies.scripts.api import Adjustment

WHEN_DOWN = HEAD + (
    "def adjust(branch, network):\n"
    "    if branch.tunnel('fiber').usable:\n"
    "        return Adjustment(prefer=('fiber',), reason='fiber lives')\n"
)
"""Good while the fiber lives; what it does when it does not is on line 5 and the following."""


def test_what_a_script_returns_is_there_to_be_decided_by(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            rig.write("lte.py", PREFER_LTE)
            rig.want(under("lte.py", a_branch("bandung"), a_branch("bogor")))
            await until(lambda: rig.told)
            expected = Adjustment(prefer=("lte",), reason="always lte")
            assert rig.scripts.adjustments == {"bandung": expected, "bogor": expected}
            assert rig.scripts.changes == {"bandung": expected.change, "bogor": expected.change}
            assert rig.told == [frozenset({"bandung", "bogor"})]
            assert not rig.scripts.problems

    asyncio.run(scene())


def test_only_branches_whose_situation_changed_are_asked_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            rig.write("talks.py", PREFER_LTE.replace("    return", "    print(branch.name)\n    return"))
            rig.want(under("talks.py", a_branch("bandung"), a_branch("bogor")))
            await until(lambda: {"bandung", "bogor"} <= set(printed(rig.said)))
            rig.said.clear()
            rig.want(under("talks.py", a_branch("bandung"), fiber_down("bogor")))
            await until(lambda: printed(rig.said))
            rig.want(under("talks.py", a_branch("bandung"), a_branch("bogor")))
            await until(lambda: len(printed(rig.said)) >= 4)
            assert set(printed(rig.said)) == {"bogor"}

    asyncio.run(scene())


def test_when_the_network_changes_all_branches_are_asked_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            rig.write("counts.py", PREFER_LTE.replace('"always lte"', "str(dict(network.on_isp))"))
            situations = under("counts.py", a_branch("bandung"), a_branch("bogor"))
            rig.want(situations, network=replace(NETWORK, on_isp={"telkom": 2}))
            await until(lambda: len(rig.reasons()) == 2)
            rig.want(situations, network=replace(NETWORK, on_isp={"telkom": 1}))
            await until(lambda: set(rig.reasons().values()) == {"{'telkom': 1}"})

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("code", "line", "what"),
    [
        pytest.param("    while True:\n        pass\n", 0, "took longer than 200 ms of processor time", id="loops"),
        pytest.param("    return 1 / 0\n", 5, "adjust raised ZeroDivisionError: division by zero", id="raises"),
        pytest.param("    raise SystemExit(0)\n", 5, "adjust raised SystemExit: 0", id="leaves"),
        pytest.param("    def f(): return f() + 1\n    f()\n", 5, "adjust raised RecursionError", id="recurses"),
        pytest.param("    return 'x' * (1 << 40)\n", 5, "adjust raised MemoryError", id="one large value"),
        pytest.param("    x = ['x']\n    while x: x += x\n", 6, "adjust raised MemoryError", id="grows"),
        pytest.param("    return ['lte']\n", 2, "adjust returned a list, not an Adjustment or None", id="a list"),
        pytest.param(
            "    return Adjustment(prefer=('moon',), reason='x')\n",
            2,
            'adjust returned prefer with "moon", which is no tunnel of bandung and no kind of uplink',
            id="an unknown tunnel",
        ),
        pytest.param(
            f"    {OS.splitlines()[0]}\n    enum.sys.modules['os']._exit(3)\n", 0, "exited with status 3", id="dies"
        ),
        pytest.param(
            "    import enum\n    enum.sys.modules['os'].write(3, b'{}\\n')\n",
            0,
            "answered another question",
            id="forges",
        ),
        pytest.param(
            "    import enum\n    enum.sys.modules['os'].write(3, b'hello\\n')\n",
            0,
            "said what is no JSON",
            id="no JSON",
        ),
    ],
)
def test_after_a_fault_the_last_good_decision_stands(tmp_path: Path, code: str, line: int, what: str) -> None:
    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            rig.write("now_and_then.py", WHEN_DOWN + code)
            rig.write("fine.py", PREFER_LTE)
            rig.want(under("now_and_then.py", a_branch("bandung")), under("fine.py", a_branch("solo")))
            await until(lambda: len(rig.reasons()) == 2)
            rig.want(under("now_and_then.py", fiber_down("bandung")), under("fine.py", fiber_down("solo")))
            await until(lambda: rig.scripts.problems)
            assert list(rig.scripts.problems) == ["script:policies/now_and_then.py"]
            assert what in rig.texts()
            assert "the last good decision stands" in rig.texts()
            assert f"policies/now_and_then.py:{line}:" in rig.texts() or not line
            assert rig.reasons() == {"bandung": "fiber lives", "solo": "always lte"}
            rig.want(under("now_and_then.py", a_branch("bandung")), under("fine.py", a_branch("solo")))
            await until(lambda: not rig.scripts.problems)

    asyncio.run(scene())


def test_a_loop_is_told_with_the_line_that_it_is_in(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            rig.write("loops.py", HEAD + "def adjust(branch, network):\n    n = 0\n    while True: n += 1\n")
            rig.want(under("loops.py", a_branch()))
            await until(lambda: rig.scripts.problems)
            assert "policies/loops.py:4: took longer than 200 ms of processor time" in rig.texts()

    asyncio.run(scene())


def test_a_script_that_sleeps_is_ended_by_the_wall_clock(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path, replace(QUICK, answer=0.1, patience=20.0)).running() as rig:
            sleeps = "    import enum\n    enum.sys.modules['time'].sleep(1000)\n"
            rig.write("sleeps.py", HEAD + "def adjust(branch, network):\n" + sleeps)
            rig.want(under("sleeps.py", a_branch()))
            await until(lambda: rig.scripts.problems)
            assert "policies/sleeps.py:4: did not answer within 2 s" in rig.texts()

    asyncio.run(scene())


def test_one_branch_that_fails_spoils_no_other_of_the_same_script(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            rig.write("picky.py", PREFER_LTE.replace("    return", "    {'bogor': 1}[branch.name]\n    return"))
            rig.want(under("picky.py", a_branch("bandung"), a_branch("bogor"), a_branch("solo")))
            await until(lambda: rig.scripts.problems)
            assert rig.reasons() == {"bogor": "always lte"}
            assert "policies/picky.py:3: adjust raised KeyError: 'bandung', for bandung and 1 more" in rig.texts()
            assert rig.scripts.counters["script faults"] == 2

    asyncio.run(scene())


@pytest.mark.parametrize(
    "ending", ["all(True for _ in iter(int, 1))", "enum.sys.modules['os']._exit(3)"], ids=["loops", "dies"]
)
def test_one_branch_that_ends_the_worker_is_found_and_the_others_are_answered(tmp_path: Path, ending: str) -> None:
    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            rig.write(
                "picky.py", OS + PREFER_LTE.replace("    return", f"    if branch.name == 'b3': {ending}\n    return")
            )
            rig.want(under("picky.py", *(a_branch(f"b{number}") for number in range(6))))
            await until(lambda: len(rig.reasons()) == 5 and "for b3:" in rig.texts())
            assert "b3" not in rig.reasons()
            rig.want(under("picky.py", *(fiber_down(f"b{number}") for number in range(3))))
            await until(lambda: not rig.scripts.problems)
            assert rig.reasons() == dict.fromkeys(("b0", "b1", "b2"), "always lte")

    asyncio.run(scene())


def test_a_script_that_answers_differently_each_time_is_not_believed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            counts = "import itertools\nNUMBERS = itertools.count()\n"
            rig.write("counts.py", counts + PREFER_LTE.replace('"always lte"', "str(next(NUMBERS))"))
            rig.want(under("counts.py", a_branch()))
            await until(lambda: rig.scripts.problems)
            assert "adjust returned two different values for the same situation of bandung" in rig.texts()
            assert not rig.scripts.adjustments

    asyncio.run(scene())


def test_what_a_script_prints_goes_to_the_log_up_to_a_limit_and_never_between_its_answers(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            floods = "    for n in range(3000):\n        print('{\"answer\": 1}', n)\n    return"
            rig.write("floods.py", PREFER_LTE.replace("    return", floods))
            rig.want(under("floods.py", a_branch("bandung"), a_branch("bogor")))
            await until(lambda: rig.reasons() == {"bandung": "always lte", "bogor": "always lte"})
            await until(lambda: len(printed(rig.said)) == QUICK.printed_lines_a_minute)
            assert printed(rig.said)[:2] == ['{"answer": 1} 0', '{"answer": 1} 1']
            rig.want(under("floods.py", fiber_down("bandung"), fiber_down("bogor")))
            assert not rig.scripts.problems

    asyncio.run(scene())


def test_output_that_goes_round_the_limit_is_read_and_dropped(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            shouts = (
                "    import enum\n    for n in range(500): enum.sys.modules['os'].write(1, b'x' * 5000)\n    return"
            )
            rig.write("shouts.py", PREFER_LTE.replace("    return", shouts))
            rig.want(under("shouts.py", a_branch()))
            await until(lambda: rig.reasons() == {"bandung": "always lte"})
            assert len(rig.said) <= QUICK.printed_lines_a_minute + 1

    asyncio.run(scene())


def test_a_changed_file_counts_as_soon_as_it_is_seen(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            rig.write("changes.py", PREFER_LTE)
            rig.want(under("changes.py", a_branch()))
            await until(lambda: rig.reasons() == {"bandung": "always lte"})
            rig.write("changes.py", PREFER_FIBER)
            await until(lambda: rig.reasons() == {"bandung": "always fiber"})

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        ("def adjust(branch, network)\n", "policies/edited.py:1: is no Python: expected ':'"),
        (HEAD + "import socket\n" + PREFER_FIBER, "policies/edited.py:2: imports socket"),
        (PREFER_FIBER + "1 / 0\n", "policies/edited.py:4: cannot be loaded: ZeroDivisionError: division by zero"),
        ("while True:\n    pass\n" + PREFER_FIBER, "policies/edited.py:"),
        ("\x00", "policies/edited.py:1: is no Python"),
        ("# " + "x" * 300_000, "is larger than 256 kB"),
    ],
    ids=["syntax", "import", "raises", "loops", "zero byte", "large"],
)
def test_a_file_that_no_longer_loads_leaves_the_code_before_it_at_work(tmp_path: Path, broken: str, what: str) -> None:
    async def scene() -> None:
        async with Rig(tmp_path, replace(QUICK, load=1.0)).running() as rig:
            rig.write("edited.py", PREFER_LTE)
            rig.want(under("edited.py", a_branch("bandung")))
            await until(rig.reasons)
            rig.write("edited.py", broken)
            await until(lambda: rig.scripts.problems)
            assert what in rig.texts()
            rig.want(under("edited.py", a_branch("bandung"), a_branch("bogor")))
            await until(lambda: rig.reasons() == {"bandung": "always lte", "bogor": "always lte"})
            rig.write("edited.py", PREFER_LTE)
            await until(lambda: not rig.scripts.problems)

    asyncio.run(scene())


def test_a_script_that_is_not_there_is_a_fault_until_it_is(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            rig.want(under("even_out.py", a_branch()))
            await until(lambda: rig.scripts.problems)
            ((text, mend),) = rig.scripts.problems.values()
            assert text == "policies/even_out.py: there is no such file: its branches are decided without it"
            assert mend.startswith("cp ")
            assert mend.endswith("even_out.py")
            rig.write("even_out.py", PREFER_LTE)
            await until(lambda: rig.reasons() and not rig.scripts.problems)

    asyncio.run(scene())


def test_a_script_that_fails_leaves_the_branches_of_others_alone(tmp_path: Path) -> None:
    async def scene() -> None:
        rig = Rig(tmp_path)
        rig.write("fine.py", PREFER_LTE)
        rig.write("raises.py", HEAD + "def adjust(branch, network):\n    return 1 / 0\n")
        rig.want(under("fine.py", a_branch("bandung")), under("raises.py", a_branch("bogor")))
        async with rig.running():
            await until(lambda: rig.reasons() and rig.scripts.problems)
            assert rig.reasons() == {"bandung": "always lte"}
            assert "policies/raises.py" in rig.texts()

    asyncio.run(scene())


def test_a_branch_that_is_no_longer_under_a_script_loses_its_adjustment_at_once(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            rig.write("lte.py", PREFER_LTE)
            rig.write("fiber.py", PREFER_FIBER)
            rig.want(under("lte.py", a_branch("bandung"), a_branch("bogor"), a_branch("solo")))
            await until(lambda: len(rig.reasons()) == 3)
            rig.want(under("lte.py", a_branch("bandung")), under("fiber.py", a_branch("bogor")))
            assert rig.reasons() == {"bandung": "always lte"}
            await until(lambda: rig.reasons() == {"bandung": "always lte", "bogor": "always fiber"})

    asyncio.run(scene())
