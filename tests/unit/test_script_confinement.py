"""A script's process: what it may not do, and that none is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from script_rig import (
    HEAD,
    NETWORK,
    OS,
    PREFER_LTE,
    Rig,
    a_branch,
    under,
    until,
)

from hub.scripts.lines import branch_json, network_json


def test_a_script_that_nobody_wants_any_more_has_no_process(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path).running() as rig:
            rig.write("lte.py", PREFER_LTE)
            rig.want(under("lte.py", a_branch()))
            await until(rig.reasons)
            pid = rig.pid_of("lte.py")
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
            pid = rig.pid_of("lte.py")
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
            return await asyncio.to_thread(Path(f"/proc/{rig.pid_of('lte.py')}/status").read_text)

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
