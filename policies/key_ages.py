"""How old keys are, and which are too old: a key that leaked long ago still opens. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

WIREGUARD, SECRET, CERTIFICATE = "wireguard", "secret", "certificate"
ENDS_SOON = timedelta(days=30)
"""How long before its end a certificate is a problem: another one needs its time."""
_SHOWN = 3
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A KeptKey is what may be told of what a tunnel's ends know each other by; nothing of it is secret.

    `kind` is `wireguard` (the keys of both ends, and the preshared one), `secret` (of IPsec) or `certificate` (the
    hub's). `made` and `ends` are in seconds of the wall clock, None where nothing says it; of a secret it is when its
    file was written. `file` is its name in `secrets`. `exchanging_since`: new keys stand beside these. `fault` is why
    nothing is known.
    """

    tunnel: str
    kind: str
    made: float | None = None
    ends: float | None = None
    file: str = ""
    preshared: bool = False
    branch_made_its_own: bool = False
    exchanging_since: float | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class OldKeys:
    """An OldKeys is what is wrong with the age of keys, of one tunnel or of several; `key` names it for good."""

    key: str
    text: str
    mend: str


def old_keys(kept: Iterable[KeptKey], limit: timedelta, now: float) -> tuple[OldKeys, ...]:
    """What is too old by this limit, and which certificates end soon; `now` is in seconds of the wall clock.

    What is wrong with many tunnels is said once: they are often set up on one day.
    """
    every = tuple(kept)
    return (*_aged(every, limit, now), *_ending(every, now))


def is_old(kept: KeptKey, limit: timedelta, now: float) -> bool:
    """Whether this one is older than it may become; a certificate has an end of its own."""
    return kept.kind != CERTIFICATE and kept.made is not None and now - kept.made > limit.total_seconds()


def _aged(every: Iterable[KeptKey], limit: timedelta, now: float) -> Iterator[OldKeys]:
    old = [each for each in every if is_old(each, limit, now)]
    more = f"more than the {limit.days} days of key-age"
    if wireguard := _oldest_first(each for each in old if each.kind == WIREGUARD):
        text = f"the WireGuard keys of {_names(wireguard)} are {_old(wireguard, now)}, {more}"
        yield OldKeys("key-age:wireguard", text, f"pointsman keys rotate {wireguard[0].tunnel}{_and_so_on(wireguard)}")
    if secrets := _oldest_first(each for each in old if each.kind == SECRET):
        text = f"the IPsec secrets of {_names(secrets)} are {_old(secrets, now)}, {more}"
        yield OldKeys("key-age:secret", text, f"pointsman keys rotate {secrets[0].tunnel}{_and_so_on(secrets)}")


def _ending(every: Iterable[KeptKey], now: float) -> Iterator[OldKeys]:
    certificates = [each for each in every if each.kind == CERTIFICATE and each.ends is not None]
    ending = sorted(
        (each for each in certificates if (each.ends or 0.0) - now < ENDS_SOON.total_seconds()),
        key=lambda each: (each.ends or 0.0, each.tunnel),
    )
    if ending:
        left = ((ending[0].ends or 0.0) - now) / _DAY
        when = f"ends in {left:.0f} days" if left >= 1 else "ends within a day" if left > 0 else "has ended"
        text = f"the certificate {ending[0].file} of {_names(ending)} {when}"
        yield OldKeys("key-age:certificate", text, "make another one, by the same authority, and write it in its place")


def _oldest_first(found: Iterable[KeptKey]) -> list[KeptKey]:
    return sorted(found, key=lambda each: (each.made or 0.0, each.tunnel))


def _names(found: list[KeptKey]) -> str:
    names = [each.tunnel for each in found]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _old(found: list[KeptKey], now: float) -> str:
    made, up_to = found[0].made, "up to " if len(found) > 1 else ""
    return f"{up_to}{(now - (now if made is None else made)) / _DAY:.0f} days old"


def _and_so_on(found: list[KeptKey]) -> str:
    return "" if len(found) == 1 else ", and so on: pointsman keys list"
