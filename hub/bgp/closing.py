"""What the operator reads of a BGP session: why it was closed or does not come up, and what it does not carry. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from policies.model.ids import TunnelId

_SHAPE = re.compile(r"notification (sent|received) \(([0-9]{1,3}),([0-9]{1,3})\)(?:: (.*))?")
"""ExaBGP's reason, and behind it the text that came with the NOTIFICATION."""

_OPEN, _BAD_PEER_AS = 2, 2
_NO_OPEN = (1, 1)
"""How ExaBGP ends a connection over which it waited for an OPEN too long."""
_SPOKEN = {(6, 2), (6, 4)}
"""The only ones whose data is text for people (RFC 9003 section 2)."""
_COMMUNICATION = "Shutdown Communication: "
"""How ExaBGP begins such a text."""

CODES = {
    1: "message header error",
    2: "OPEN message error",
    3: "UPDATE message error",
    4: "hold timer expired",
    5: "finite state machine error",
    6: "cease",
    7: "ROUTE-REFRESH message error",
    8: "send hold timer expired",
}
"""Error codes: RFC 4271 section 4.5, RFC 7313 section 5, RFC 9687 section 6."""

SUBCODES = {
    # RFC 4271 section 6.1
    (1, 1): "connection not synchronized",
    (1, 2): "bad message length",
    (1, 3): "bad message type",
    # RFC 4271 section 6.2, RFC 5492 section 5, RFC 9234 section 4.2
    (2, 1): "unsupported version number",
    (2, 2): "bad peer AS",
    (2, 3): "bad BGP identifier (router ID)",
    (2, 4): "unsupported optional parameter",
    (2, 5): "authentication failure",
    (2, 6): "unacceptable hold time",
    (2, 7): "unsupported capability",
    (2, 11): "role mismatch",
    # RFC 4271 section 6.3
    (3, 1): "malformed attribute list",
    (3, 2): "unrecognized well-known attribute",
    (3, 3): "missing well-known attribute",
    (3, 4): "attribute flags error",
    (3, 5): "attribute length error",
    (3, 6): "invalid ORIGIN attribute",
    (3, 7): "AS routing loop",
    (3, 8): "invalid NEXT_HOP attribute",
    (3, 9): "optional attribute error",
    (3, 10): "invalid network field",
    (3, 11): "malformed AS_PATH",
    # RFC 6608 section 4
    (5, 1): "unexpected message in OpenSent",
    (5, 2): "unexpected message in OpenConfirm",
    (5, 3): "unexpected message in Established",
    # RFC 4486 section 3, RFC 8203, RFC 8538 section 3.1, RFC 9384 section 3
    (6, 1): "maximum number of prefixes reached",
    (6, 2): "administrative shutdown",
    (6, 3): "peer de-configured",
    (6, 4): "administrative reset",
    (6, 5): "connection rejected",
    (6, 6): "other configuration change",
    (6, 7): "connection collision resolution",
    (6, 8): "out of resources",
    (6, 9): "hard reset",
    (6, 10): "BFD down",
    # RFC 7313 section 5
    (7, 1): "invalid message length",
}
"""Error subcodes; 0 says nothing more than the code."""


def worded(reason: str, *, said: int | None, written: int, hub: int) -> str:
    """ExaBGP's reason of a `down` in words, with the numbers of the NOTIFICATION behind them.

    `said` is the AS of the branch's last OPEN, None where none is known, `written` the AS of the branch's file, and
    `hub` the hub's own. A reason of another shape than `notification sent|received (code,subcode)` is left as it is.
    """
    found = _SHAPE.fullmatch(reason)
    if found is None:
        return reason
    by_hub, code, subcode = found[1] == "sent", int(found[2]), int(found[3])
    numbers = f"({code},{subcode})"
    if code == _OPEN:
        whose = "the hub refuses the branch's OPEN" if by_hub else "the branch refuses the hub's OPEN"
        why = _bad_as(said, written, hub, by_hub=by_hub) if subcode == _BAD_PEER_AS else SUBCODES.get((code, subcode))
        return f"{whose}: {why} {numbers}" if why is not None else f"{whose} {numbers}"
    if by_hub and (code, subcode) == _NO_OPEN:
        return f"the hub closed it: no OPEN came in time, or something that is not BGP {numbers}"
    words = SUBCODES.get((code, subcode)) or CODES.get(code, "NOTIFICATION")
    text = (found[4] or "").removeprefix(_COMMUNICATION) if (code, subcode) in _SPOKEN else ""
    return f"the {'hub' if by_hub else 'branch'} closed it: {words}{f': {text}' if text else ''} {numbers}"


def _bad_as(said: int | None, written: int, hub: int, *, by_hub: bool) -> str:
    if not by_hub:
        return f"the hub says AS {hub}, the branch's router expects another"
    if said in (None, written):
        return f"it says another AS than {written}, which is written"
    return f"it says AS {said}, written is {written}"


def not_carried(missing: Mapping[TunnelId, tuple[int, ...]]) -> dict[str, str]:
    """What the operator reads of sessions that lack IP versions, by a key that begins with `version `."""
    texts = {}
    for tunnel, versions in missing.items():
        lacking = " and ".join(f"IPv{version}" for version in versions)
        texts[f"version {tunnel}"] = (
            f"the branch's session over {tunnel} carries no {lacking}, of which the branch has prefixes: "
            f"turn {lacking} unicast on in the branch's router, for this session"
        )
    return texts
