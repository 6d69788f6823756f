"""Policy scripts in simulations: asked here, in this process, after a worker has found that they load and answer.

On a hub they are asked in a process of their own and the answer comes a moment later; here it is there at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from hub.config.problems import Problem
from hub.scripts.check import script_problems
from hub.scripts.code import FailedError, Script
from hub.scripts.files import label_of, read_script
from policies.model.clock import Now
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent
from policies.model.policy import RuleChange
from policies.model.view import View
from policies.ranking import standing_order
from policies.scripts.situation import network_of, situation_of


class Advice:
    """An Advice is what one script says of one branch, while every other branch is on its preferred tunnel.

    When it raises, or returns nonsense, what it said before stands, as on a hub; `faults` has what went wrong.
    """

    def __init__(self, script: Script, label: str, branch: Branch, intent: Intent) -> None:
        self._script, self._label, self._branch, self._intent = script, label, branch, intent
        self._others = [standing_order(other)[0] for other in intent.branches.values() if other.name != branch.name]
        self._said: RuleChange | None = None
        self.faults: list[str] = []

    def __call__(self, view: View, active: TunnelId | None, now: Now) -> RuleChange | None:
        """What it says now."""
        network = network_of(self._intent, {}, now)
        mine = [tunnel for tunnel in self._branch.tunnels if tunnel.id == active]
        on_hub_uplink, on_isp = dict(network.on_hub_uplink), dict(network.on_isp)
        for tunnel in (*self._others, *mine):
            on_hub_uplink[tunnel.hub_uplink.name] += 1
            on_isp[tunnel.uplink.isp] += 1
        network = replace(network, on_hub_uplink=on_hub_uplink, on_isp=on_isp)
        try:
            adjustment = self._script.adjust(situation_of(self._branch, view, active, now), network)
        except FailedError as failed:
            fault = f"{self._label}:{failed.line}: {failed.text}" if failed.line else f"{self._label}: {failed.text}"
            if fault not in self.faults:
                self.faults.append(fault)
        else:
            self._said = adjustment.change if adjustment is not None else None
        return self._said


def problems_of_scripts(directory: Path, branches: Iterable[Branch], intent: Intent) -> list[Problem]:
    """What is wrong with the scripts that these branches have; only if nothing is they may be asked here."""
    by_name = {branch.name: branch for branch in branches}
    names = {branch.policy.script for branch in by_name.values() if branch.policy.script is not None}
    return script_problems(directory, names, replace(intent, branches={**intent.branches, **by_name}))


def advice_for(directory: Path, branch: Branch, intent: Intent) -> Advice | None:
    """The advice of the branch's script, None if it has none.

    Raises:
        UnusableError: it cannot be loaded, which `problems_of_scripts` says sooner.
        UnreadableScriptError: its file cannot be read, likewise.
    """
    name = branch.policy.script
    if name is None:
        return None
    label = label_of(name)
    return Advice(Script(label, read_script(directory, name)), label, branch, intent)
