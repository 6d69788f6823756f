"""Why an IKE peer is not up: what charon writes into its log, as a reason and what helps. Pure.

The messages are those of strongSwan 5.9.8. Each of them was provoked between two charons, some with the branch as the
one that begins and some with the hub (`tests/integration/test_provisioner_ipsec_reasons.py`). A peer that refuses what
the hub has begun need not say why (RFC 7296, section 2.21.2): such a reason names all that it may be.
`docs/explanation/ipsec.md` has the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What went wrong, in the words of IKEv2's notifications where it has some (RFC 7296, section 3.10.1)."""

    AUTHENTICATION = "authentication failed"
    IDENTITY = "unknown identity"
    CERTIFICATE = "certificate"
    PROPOSAL = "no proposal chosen"
    SELECTORS = "traffic selectors unacceptable"
    ADDRESS = "unknown address"
    VERSION = "IKEv1"
    TIMEOUT = "no answer"
    ENDED = "ended by the branch"
    KERNEL = "the kernel refuses the SA"


@dataclass(frozen=True, slots=True)
class Reason:
    """A Reason is why there is no SA, and what helps. A more `telling` one of the same attempt counts before others."""

    kind: Kind
    text: str
    mend: str
    telling: int = 1


_PSK = "write the same secret at both ends (psk-file), with the identities that `pointsman router print` shows"
_IDENTITY = "write the branch's identity as it sends it (auth: id), or let the branch send the one that is wanted"
_REFUSED = (
    "the branch's log says why: compare the secret or the certificates, their authority, and both identities with what "
    "`pointsman router print` shows"
)
_IKE = "let ike have one proposal that the branch has too"
_OURS = "let ike have one proposal that the branch has too, and the branch's peer the address of the hub's uplink"
_ESP = "let esp have one proposal that the branch has too, its group included (PFS)"
_TS = "protect exactly the two loopbacks at the branch, or with xfrm its prefixes and link addresses"
_CERTIFICATE = "look at the certificates and the clocks of both ends"
_UDP = "let UDP 500 and 4500 through at both ends, fragments included"

_TABLE: tuple[tuple[str, Kind, str, str, int], ...] = (
    (r"tried \d+ shared keys? for '.*' - '(?P<who>.*)', but MAC mismatched", Kind.AUTHENTICATION,
     "the branch has another secret (authentication failed)", _PSK, 3),
    (r"no shared key found for .*'(?P<who>[^']*)'", Kind.AUTHENTICATION, "charon has no secret for {who}",
     "apply again; if the tunnel has certificates, let the branch use its own and no secret", 3),
    (r"received AUTHENTICATION_FAILED notify|parsed INFORMATIONAL request \d+ \[.*N\(AUTH_FAILED\)",
     Kind.AUTHENTICATION, "the branch refuses the hub, and does not say why (authentication failed)", _REFUSED, 2),
    (r"no private key found for '(?P<who>.*)'", Kind.CERTIFICATE, "charon has no key for {who}", "apply again", 3),
    (r"subject certificate invalid \((?P<who>valid from .* to .*)\)", Kind.CERTIFICATE,
     "the branch's certificate is not valid now ({who})", "make another certificate, or put the clock right", 4),
    (r"issuer certificate invalid \((?P<who>valid from .* to .*)\)", Kind.CERTIFICATE,
     "the authority's certificate is not valid now ({who})", "make another authority, or put the clock right", 4),
    (r"certificate was revoked", Kind.CERTIFICATE, "the branch's certificate was revoked", "make another certificate",
     4),
    (r"no issuer certificate found for \"(?P<who>.*)\"", Kind.CERTIFICATE,
     "nobody is known who signed the branch's certificate ({who})", "write the authority that signed it", 3),
    (r"no trusted .* public key found for '(?P<who>.*)'", Kind.CERTIFICATE,
     "no trusted certificate for {who}", _CERTIFICATE, 2),
    (r"no matching peer config found", Kind.IDENTITY, "the branch says another identity than is wanted", _IDENTITY, 2),
    (r"selected peer config '.*' unacceptable", Kind.AUTHENTICATION,
     "what the branch sends does not fit its connection (identity, certificate, or way of authentication)",
     _IDENTITY, 2),
    (r"no IKE config found for (?P<hub>\S+)\.\.\.(?P<who>\S+), sending NO_PROPOSAL_CHOSEN", Kind.ADDRESS,
     "it comes from {who} to {hub}, and no tunnel is expected there",
     "look at the address of the branch's uplink and the endpoint that it connects to", 3),
    (r"parsed (?:ID_PROT|AGGRESSIVE) request", Kind.VERSION, "the branch speaks IKEv1, which is retired (RFC 9395)",
     "let the branch use IKEv2 (RouterOS: exchange-mode=ike2 of its peer)", 4),
    (r"received proposals unacceptable", Kind.PROPOSAL,
     "the branch offers no IKE proposal that is wanted (no proposal chosen)", _IKE, 3),
    (r"no acceptable proposal found", Kind.PROPOSAL,
     "the branch offers no ESP proposal that is wanted (no proposal chosen)", _ESP, 3),
    (r"received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built", Kind.PROPOSAL,
     "the branch accepts no ESP proposal of the hub (no proposal chosen)", _ESP, 3),
    (r"received NO_PROPOSAL_CHOSEN notify", Kind.PROPOSAL,
     "the branch accepts no IKE proposal of the hub, or does not expect its address (no proposal chosen)", _OURS, 2),
    (r"traffic selectors (?P<who>.*) unacceptable", Kind.SELECTORS,
     "the branch wants other networks protected: {who} (traffic selectors unacceptable)", _TS, 3),
    (r"received TS_UNACCEPTABLE notify", Kind.SELECTORS,
     "the branch wants other networks protected (traffic selectors unacceptable)", _TS, 2),
    (r"unable to install .*IPsec", Kind.KERNEL,
     "the hub's kernel does not take the SA", "look at dmesg and charon's log: a missing cipher or module", 3),
    (r"deleting half open IKE_SA with (?P<who>\S+) after timeout", Kind.TIMEOUT,
     "{who} began and then said no more: its second packet does not come", _UDP, 1),
    (r"establishing IKE_SA failed, peer not responding", Kind.TIMEOUT,
     "no answer: the branch is silent when the hub begins", _UDP, 3),
    (r"giving up after \d+ retransmits", Kind.TIMEOUT, "no answer any more", _UDP, 2),
    (r"received DELETE for IKE_SA", Kind.ENDED, "the branch ended it", "look at the branch's router", 1),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), kind, text, mend, telling) for pattern, kind, text, mend, telling in _TABLE)


def reason_of(message: str) -> Reason | None:
    """What a line of charon's log says of a failure; None: nothing. What is shown of it is plain and short."""
    for pattern, kind, text, mend, telling in _COMPILED:
        found = pattern.search(message)
        if found is not None:
            named = {key: _plain(value) for key, value in found.groupdict().items() if value is not None}
            who = named.get("who") or "somebody"
            return Reason(kind, text.format(who=who, hub=named.get("hub", "")), mend, telling)
    return None


def _plain(text: str) -> str:
    """The other end chooses its identity: nothing of it reaches a terminal as it is."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:120]
