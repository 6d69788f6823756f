"""Events as sentences, for the log. Events that come too often to be news have none."""

from __future__ import annotations

from policies.model.events import (
    AnnouncementsSent,
    ClassChanged,
    Event,
    ForwarderConnected,
    ForwarderLost,
    HealthChanged,
    LivenessChanged,
    RoutesWithdrawn,
    SessionChanged,
    SpeakerLost,
    SpeakerReady,
)


def sentence(event: Event) -> str | None:
    """What happened, in one line; None where nobody would want to read it."""
    match event:
        case LivenessChanged() | HealthChanged() | ClassChanged() | SessionChanged():
            return _state(event)
        case AnnouncementsSent():
            return f"{event.tunnel}: told {_said(event)}"
        case RoutesWithdrawn():
            return f"{event.tunnel}: withdrew {', '.join(str(p) for p in event.prefixes)}"
        case ForwarderConnected():
            return f"forwarder connected: {len(event.liveness)} tunnels, {len(event.classes)} classes"
        case ForwarderLost():
            return "forwarder lost: the kernel goes on forwarding"
        case SpeakerReady():
            return f"ExaBGP {event.process} connected"
        case SpeakerLost():
            lost = f"ExaBGP {event.process} lost"
            return lost if event.exabgp_gone else f"connection to the relay of {lost}"
        case _:
            return None


def _state(event: LivenessChanged | HealthChanged | ClassChanged | SessionChanged) -> str:
    match event:
        case LivenessChanged():
            return f"{event.tunnel}: {event.liveness.state.value}: {event.liveness.reason}"
        case HealthChanged():
            return f"{event.tunnel}: health {event.health.state.value}: {event.health.reason}"
        case ClassChanged():
            state = event.state
            on = state.active.name if state.active is not None else "no tunnel"
            prefixes = "1 prefix" if len(state.prefixes) == 1 else f"{len(state.prefixes)} prefixes"
            return f"{state.name}: the kernel forwards {prefixes} over {on}: {state.reason}"
        case SessionChanged():
            because = f": {event.reason}" if event.reason else ""
            return f"{event.tunnel}: BGP session {event.state.value}{because}"


def speaker_mend(key: str, text: str) -> str:
    """What helps against a problem of a speaker, by the problem's key, and by who refuses in its text."""
    if key.startswith("version "):
        return "the router then opens the session anew, and carries it; nothing is to be done at the hub"
    if "refuses: " in text:
        return "end the other one (pgrep -af hub.controller); it is tried again by itself"
    return "see ExaBGP's log; it is started again by itself"


def _said(event: AnnouncementsSent) -> str:
    announced = [f"{prefix} med {said.med}" for prefix, said in event.announced.items()]
    return ", ".join(announced + [f"{prefix} withdrawn" for prefix in event.withdrawn])
