"""Custom checks as programs: what their end means, and that whatever they do ends with them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from waiting import until

from hub.observe.answer import Answer, CannotAskError
from hub.observe.custom import Context, to_environment
from hub.observe.programs import LARGEST_OUTPUT, answer_of, first_line, last_line, run
from policies.model.targets import Outcome, Run

PATIENT = 20.0
CONTEXT = Context("bandung", "fiber", "wg51000-bandung", "10.255.0.0", "10.255.0.1", 2.0)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def written(directory: Path, text: str, *, name: str = "check.sh", mode: int = 0o755) -> Path:
    file = directory / name
    file.write_text(text)
    file.chmod(mode)
    return file


def ran(
    directory: Path, threads: ThreadPoolExecutor, *arguments: str, name: str = "check.sh", timeout: float = PATIENT
) -> Answer:
    question = Run(name, arguments, python=name.endswith(".py"))
    return asyncio.run(run(question, (directory,), to_environment(CONTEXT), timeout, threads))


@pytest.mark.parametrize(
    ("script", "outcome", "text"),
    [
        ("exit 0", Outcome.ANSWERED, ""),
        ("echo 'DISK OK - 40% free|/=60%'; exit 0", Outcome.ANSWERED, "DISK OK - 40% free"),
        ("echo too full; exit 1", Outcome.FAILED, "too full"),
        ("exit 2", Outcome.FAILED, "exit status 2"),
        ("echo 'cat: no such file' >&2; exit 2", Outcome.FAILED, "cat: no such file"),
        ("echo cannot tell; exit 3", Outcome.UNKNOWN, "cannot tell"),
        ("kill -SEGV $$", Outcome.UNKNOWN, "killed by SIGSEGV"),
        ("nothing-of-that-name", Outcome.UNKNOWN, ""),
        ("printf '\\033[31mred\\n'; exit 1", Outcome.FAILED, "[31mred"),
        ("if read line; then exit 0; fi; exit 1", Outcome.FAILED, "exit status 1"),
    ],
)
def test_the_exit_status_and_the_first_line_say_what_it_found(
    tmp_path: Path, threads: ThreadPoolExecutor, script: str, outcome: Outcome, text: str
) -> None:
    written(tmp_path, f"#!/bin/sh\n{script}\n")
    answer = ran(tmp_path, threads)
    assert answer.outcome is outcome
    assert text in answer.text


def test_a_check_is_told_what_it_is_for(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    written(tmp_path, '#!/bin/sh\necho "$POINTSMAN_BRANCH $POINTSMAN_TUNNEL $POINTSMAN_ADDRESS $1 $PWD"\n')
    assert ran(tmp_path, threads, "-x").text == f"bandung fiber 10.255.0.1 -x {tmp_path}"


def test_a_check_gets_nothing_of_the_controllers_environment(
    tmp_path: Path, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    written(tmp_path, '#!/bin/sh\necho "<$TOKEN>"\n')
    assert ran(tmp_path, threads).text == "<>"


def test_a_check_that_hangs_fails_and_leaves_nothing_behind(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    child = tmp_path / "child"
    written(tmp_path, f"#!/bin/sh\nsleep 1000 &\necho $! >{child}\nwait\n")

    async def hang() -> Answer:
        answer = await run(Run("check.sh"), (tmp_path,), {}, 2.0, threads)
        number = int(child.read_text())
        await until(
            lambda: not Path(f"/proc/{number}").exists() or "State:\tZ" in Path(f"/proc/{number}/status").read_text()
        )
        return answer

    answer = asyncio.run(hang())
    assert (answer.outcome, answer.text) == (Outcome.FAILED, "it did not end in 2 s and was killed")


def test_what_a_check_leaves_running_ends_with_it(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    child = tmp_path / "child"
    written(tmp_path, f"#!/bin/sh\nsleep 1000 &\necho $! >{child}\necho fine\n")

    async def leave() -> Answer:
        answer = await run(Run("check.sh"), (tmp_path,), {}, PATIENT, threads)
        number = int(child.read_text())
        await until(
            lambda: not Path(f"/proc/{number}").exists() or "State:\tZ" in Path(f"/proc/{number}/status").read_text()
        )
        return answer

    assert asyncio.run(leave()).text == "fine"


def test_of_endless_output_the_beginning_is_kept(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    written(tmp_path, "#!/bin/sh\necho first\nhead -c 3000000 /dev/zero | tr '\\0' x\nhead -c 3000000 /dev/zero >&2\n")
    answer = ran(tmp_path, threads)
    assert (answer.outcome, answer.text) == (Outcome.ANSWERED, "first")
    assert LARGEST_OUTPUT <= 4096


def test_a_check_that_is_given_up_is_killed(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    number = tmp_path / "number"
    written(tmp_path, f"#!/bin/sh\necho $$ >{number}\nsleep 1000\n")

    async def give_up() -> None:
        running = asyncio.create_task(run(Run("check.sh"), (tmp_path,), {}, PATIENT, threads))
        await until(lambda: number.exists() and number.read_text().strip())
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        process = int(number.read_text())
        await until(lambda: not Path(f"/proc/{process}").exists())

    asyncio.run(give_up())


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        (None, 0, "there is no file"),
        ("#!/bin/sh\n", 0o644, "cannot be executed"),
        ("#!/no/such/shell\n", 0o755, ""),
    ],
)
def test_a_check_that_cannot_be_started_says_nothing_of_what_it_checks(
    tmp_path: Path, threads: ThreadPoolExecutor, text: str | None, mode: int, why: str
) -> None:
    if text is not None:
        written(tmp_path, text, mode=mode)
    try:
        answer = ran(tmp_path, threads)
    except CannotAskError as error:
        answer = error.answer()
    assert answer.outcome is Outcome.UNKNOWN
    assert why in answer.text


@pytest.mark.parametrize(
    ("body", "outcome", "text"),
    [
        (
            "return Result(True, f'{context.branch} {context.tunnel} {context.arguments}')",
            "ANSWERED",
            "bandung fiber ('-x',)",
        ),
        ("return True", "ANSWERED", ""),
        ("return Result(False, 'too full')", "FAILED", "too full"),
        ("return Result(None, 'cannot tell')", "UNKNOWN", "cannot tell"),
        ("print('noise'); return Result(False, 'quiet')", "FAILED", "quiet"),
        ("return 7", "UNKNOWN", "it returned 7, which is no Result"),
        ("return Result('yes')", "UNKNOWN", "which is no Result"),
        ("raise ValueError('oh')", "UNKNOWN", "ValueError: oh"),
        ("raise SystemExit(0)", "UNKNOWN", "SystemExit: 0"),
        ("import os; os.abort()", "UNKNOWN", "killed by SIGABRT"),
    ],
)
def test_a_check_in_python_says_what_it_found(
    tmp_path: Path, threads: ThreadPoolExecutor, body: str, outcome: str, text: str
) -> None:
    written(
        tmp_path,
        f"from hub.observe.custom import Context, Result\n\ndef check(context: Context) -> Result:\n    {body}\n",
        name="check.py",
        mode=0o644,
    )
    answer = ran(tmp_path, threads, "-x", name="check.py")
    assert (answer.outcome.name, text in answer.text) == (outcome, True), answer


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def chek(context):\n    return True\n", "no function check"),
        ("def check(:\n", "SyntaxError"),
        ("import nowhere\n", "nowhere"),
    ],
)
def test_a_python_file_that_is_no_check_is_not_known(
    tmp_path: Path, threads: ThreadPoolExecutor, text: str, why: str
) -> None:
    written(tmp_path, text, name="check.py", mode=0o644)
    answer = ran(tmp_path, threads, name="check.py")
    assert (answer.outcome, why in answer.text) == (Outcome.UNKNOWN, True), answer


def test_a_python_check_that_hangs_is_killed(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    written(tmp_path, "def check(context):\n    while True:\n        pass\n", name="check.py", mode=0o644)
    answer = ran(tmp_path, threads, name="check.py", timeout=1.0)
    assert (answer.outcome, answer.text) == (Outcome.FAILED, "it did not end in 1 s and was killed")


def test_lines_are_one_line_of_printable_text() -> None:
    assert first_line("\n\x00\n  a\x07b | x=1\nsecond") == "ab"
    assert first_line("x" * 1000) == "x" * 200
    assert last_line("Traceback\n  File\nValueError: oh\n\n") == "ValueError: oh"
    assert answer_of(-64, "", "", 0.1).text == "killed by SIGRTMAX"
