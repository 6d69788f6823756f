"""What is wrong with the scripts that policies name, found before they are put to work: by `check` and `apply`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from hub.config import Configuration
from hub.config.problems import Place, Problem, error
from hub.scripts.files import UnreadableScriptError, is_name, label_of, read_script
from hub.scripts.limits import LIMITS, Limits
from hub.scripts.lines import Failure, RefusedError, branch_json, network_json, read_answer
from hub.scripts.process import NotLoadedError, Worker, WorkerFailedError
from hub.scripts.trial import trials
from policies.model.intent import Intent

_SHORTER = "make it short: it has to answer for all branches at once"
_MEND = "mend the line"
_PURE = "compute it from branch and network alone, in the same way each time"


def script_problems(
    directory: Path, names: Iterable[str], intent: Intent | None = None, limits: Limits = LIMITS
) -> list[Problem]:
    """All that is wrong with these scripts of a configuration directory, each loaded in a worker of its own.

    With an `intent` they are also tried: with all branches under them, while all is well, and with each tunnel degraded
    and down. Files are not read again: what changes meanwhile is found when it is loaded.
    """
    wanted = sorted(set(names))
    if not wanted:
        return []
    with ThreadPoolExecutor(1, "check of scripts") as pool:  # the caller may have an event loop of its own
        return pool.submit(asyncio.run, _all_problems(directory, wanted, intent, limits)).result()


def with_script_problems(configuration: Configuration, directory: Path) -> Configuration:
    """The configuration with what is wrong with its scripts, whose files are below `directory`.

    It takes a process for each script, so it is for who has time: `check`, `plan` and `apply`.
    """
    intent = configuration.intent
    if intent is None:
        return configuration
    names = {branch.policy.script for branch in intent.branches.values() if branch.policy.script is not None}
    found = script_problems(directory, names, intent)
    if not found:
        return configuration
    return replace(configuration, intent=None, problems=(*configuration.problems, *found))


async def _all_problems(directory: Path, names: list[str], intent: Intent | None, limits: Limits) -> list[Problem]:
    return [problem for name in names for problem in await _problems(directory, name, intent, limits)]


async def _problems(directory: Path, name: str, intent: Intent | None, limits: Limits) -> list[Problem]:
    label = label_of(name)
    if not is_name(name):
        mend = "call it like even_out.py: small letters, digits and _, in policies/"
        return [error(Place(label), "is no name of a policy script", mend)]
    try:
        text = await asyncio.to_thread(read_script, directory, name)
        worker = await Worker.start(label, text, limits, _ignore)
    except UnreadableScriptError as found:
        return [error(_place(label, found.line), str(found), found.mend)]
    except NotLoadedError as found:
        return [error(Place(label, slip.line, slip.column), slip.text, slip.mend) for slip in found.slips]
    except WorkerFailedError as found:
        return [_failed(label, found.failure, " while it was loaded", _SHORTER)]
    except OSError as found:
        return [error(Place(label), f"cannot be tried, as no process can be started: {found.strerror}")]
    try:
        return await _tried(label, name, worker, intent, limits) if intent is not None else []
    finally:
        await worker.end()


async def _tried(label: str, name: str, worker: Worker, intent: Intent, limits: Limits) -> list[Problem]:
    """The first problem of each line of the script."""
    found: dict[int, Problem] = {}
    for number, (when, network, branches) in enumerate(trials(intent, name)):
        told = [branch_json(branch) for branch in branches.values()]
        line = json.dumps({"ask": number, "network": network_json(network), "branches": told}).encode() + b"\n"
        try:
            answer = read_answer(await worker.ask(line, limits.answer), number, branches)
        except WorkerFailedError as problem:
            return [*found.values(), _failed(label, problem.failure, f" {when}", _SHORTER)]
        except RefusedError as problem:
            return [*found.values(), _failed(label, Failure(0, f"its worker {problem}"), f" {when}", _MEND)]
        if answer.refused is not None:
            found.setdefault(answer.refused.line, _failed(label, answer.refused, f" {when}", _PURE))
        for branch, failure in answer.failed.items():
            found.setdefault(failure.line, _failed(label, failure, f", for {branch} {when}", _MEND))
    return list(found.values())


def _failed(label: str, failure: Failure, when: str, mend: str) -> Problem:
    return error(_place(label, failure.line), f"{failure.text}{when}", mend)


def _place(label: str, line: int) -> Place:
    return Place(label, line, 1) if line else Place(label)


def _ignore(_line: bytes) -> None:
    """What a script prints while it is checked is nobody's."""
