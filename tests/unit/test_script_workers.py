"""Policy scripts in real workers: what they answer, and everything that they can do wrong."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
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

from hub.scripts.lines import branch_json, network_json
from hub.scripts.memory import read_memory
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


def test_a_script_that_nobody_wants_any_more_has_no_process(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            rig.write("lte.py", PREFER_LTE)
            rig.want(under("lte.py", a_branch()))
            await until(rig.reasons)
            pid = rig.scripts.pid_of("lte.py")
            assert pid is not None
            rig.want()
            await until(lambda: not Path(f"/proc/{pid}").exists())

    asyncio.run(scene())


def test_no_process_is_left_when_the_controller_stops(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            rig.write("lte.py", PREFER_LTE)
            rig.want(under("lte.py", a_branch()))
            await until(rig.reasons)
            pid = rig.scripts.pid_of("lte.py")
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    asyncio.run(scene())


def test_a_worker_that_hangs_ends_with_a_controller_that_was_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from hub.scripts.limits import Limits\n"
        "from hub.scripts.process import Worker\n"
        "async def main():\n"
        "    text = 'import enum\\ndef adjust(branch, network): enum.sys.modules[\"time\"].sleep(1000)\\n'\n"
        "    worker = await Worker.start('policies/x.py', text, Limits(), print)\n"
        "    print(worker.pid, flush=True)\n"
        "    await worker.ask(sys.argv[1].encode() + b'\\n', 1000.0)\n"
        "asyncio.run(main())\n"
    )
    question = {"ask": 1, "network": network_json(NETWORK), "branches": [branch_json(a_branch())]}
    with subprocess.Popen([sys.executable, "-c", program, json.dumps(question)], stdout=subprocess.PIPE) as controller:
        assert controller.stdout is not None
        worker = Path(f"/proc/{int(controller.stdout.readline())}")
        assert worker.exists()
        os.kill(controller.pid, signal.SIGKILL)
        controller.wait()

    asyncio.run(until(lambda: not worker.exists() or " Z " in (worker / "stat").read_text()))


HARM = {
    "reads": "os.open('/etc/hostname', os.O_RDONLY)",
    "writes": "os.open('{here}/made', os.O_CREAT | os.O_WRONLY)",
    "pipes": "os.pipe()",
    "connects": "connect()",
    "takes back": "limit(7, (100, 100))",
}
"""What the process of a script must not be able to do."""


@pytest.mark.parametrize("when", ["when it is loaded", "when it is asked"])
def test_a_script_that_means_harm_opens_no_file_no_socket_and_starts_no_program(tmp_path: Path, when: str) -> None:
    code = OS + HEAD + "limit = enum.sys.modules['resource'].setrlimit\nDONE = []\n"
    code += "def connect():\n    if enum.sys.modules['ctypes'].CDLL(None).socket(2, 1, 0) < 0: raise OSError\n"
    code += "def harm():\n    done = []\n"
    for name, expression in HARM.items():
        code += f"    try:\n        {expression.format(here=tmp_path)}\n        done.append({name!r})\n"
        code += "    except (OSError, ValueError): pass\n"
    code += f"    os.system('/bin/sh -c \"touch {tmp_path}/started\"')\n    return done\n"
    harm = "DONE" if when == "when it is loaded" else "harm()"
    code += f"DONE = harm()\ndef adjust(branch, network): return Adjustment(reason=str({harm}))\n"
    if when == "when it is asked":
        code = code.replace("DONE = harm()\n", "")

    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            rig.write("harm.py", code)
            rig.want(under("harm.py", a_branch()))
            await until(lambda: rig.reasons() or rig.scripts.problems)
            assert rig.reasons() == {"bandung": "[]"}, rig.texts()

    asyncio.run(scene())
    assert {file.name for file in tmp_path.iterdir()} == {"policies"}


def test_a_worker_has_no_rights_and_cannot_gain_any(tmp_path: Path) -> None:
    async def scene() -> str:
        async with Rig(tmp_path).running() as rig:
            rig.write("lte.py", PREFER_LTE)
            rig.want(under("lte.py", a_branch()))
            await until(rig.reasons)
            return await asyncio.to_thread(Path(f"/proc/{rig.scripts.pid_of('lte.py')}/status").read_text)

    status = dict(line.split(":\t", 1) for line in asyncio.run(scene()).splitlines())
    assert {status[name] for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"


def test_what_a_script_imports_and_the_zones_that_it_names_are_there_though_no_file_can_be_opened(
    tmp_path: Path,
) -> None:
    code = (
        "from zoneinfo import ZoneInfo\nfrom policies.scripts.examples.month_end import month_ends\n"
        "import statistics\nfrom datetime import datetime\n"
        + HEAD
        + "def adjust(branch, network):\n"
        + "    import policies.survivor\n"
        + "    there = branch.wall.astimezone(ZoneInfo('America/St_Johns')).isoformat()\n"
        + "    parsed = datetime.strptime('2026-01-02', '%Y-%m-%d').strftime('%d')\n"
        + "    middle = statistics.quantiles([1, 2, 3])[1] + statistics.mean([1, 2])\n"
        + "    return Adjustment(reason=f'{there} {parsed} {middle} {month_ends(branch.wall).day}')\n"
    )

    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            rig.write("needs.py", code)
            rig.want(under("needs.py", a_branch()))
            await until(lambda: rig.reasons() or rig.scripts.problems)
            assert rig.reasons() == {"bandung": "2026-03-01T23:00:00-03:30 02 3.5 1"}, rig.texts()

    asyncio.run(scene())


def test_what_was_said_last_outlives_the_controller(tmp_path: Path) -> None:
    memory = tmp_path / "scripts.json"

    async def first() -> None:
        async with Rig(tmp_path, memory=memory).running() as rig:
            rig.write("lte.py", PREFER_LTE)
            rig.want(under("lte.py", a_branch()))
            await until(lambda: memory.exists() and '"bandung"' in memory.read_text())

    async def second() -> None:
        rig = Rig(tmp_path, memory=memory)
        rig.write("lte.py", "half of an ed")
        rig.want(under("lte.py", a_branch()))
        assert rig.reasons() == {"bandung": "always lte"}
        async with rig.running():
            rig.want(under("lte.py", a_branch("bandung"), a_branch("bogor")))
            await until(lambda: rig.reasons() == {"bandung": "always lte", "bogor": "always lte"})
            assert "policies/lte.py:1: is no Python" in rig.texts()
            assert "the code before it goes on" in rig.texts()

    asyncio.run(first())
    asyncio.run(second())


def test_what_was_said_in_the_last_moment_is_kept_when_the_controller_stops(tmp_path: Path) -> None:
    memory = tmp_path / "scripts.json"

    async def scene() -> None:
        async with Rig(tmp_path, memory=memory).running() as rig:
            rig.write("lte.py", PREFER_LTE)
            rig.want(under("lte.py", a_branch()))
            await until(rig.reasons)

    asyncio.run(scene())
    assert read_memory(memory)["lte.py"].adjustments == {"bandung": Adjustment(reason="always lte", prefer=("lte",))}


def test_a_memory_that_cannot_be_written_is_a_problem_and_stops_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path, memory=tmp_path / "nowhere" / "scripts.json").running() as rig:
            rig.write("lte.py", PREFER_LTE)
            rig.want(under("lte.py", a_branch()))
            await until(lambda: "script:memory" in rig.scripts.problems)
            assert rig.reasons() == {"bandung": "always lte"}

    asyncio.run(scene())


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"version": 1}', '{"version": 2, "scripts": {}}', '{"version": 1, "scripts": {"lte.py": 3}}'],
)
def test_a_memory_that_is_not_understood_is_none(tmp_path: Path, content: str) -> None:
    memory = tmp_path / "scripts.json"
    memory.write_text(content)
    rig = Rig(tmp_path, memory=memory)
    rig.want(under("lte.py", a_branch()))
    assert not rig.scripts.adjustments
