"""The SAs of an IPsec tunnel in a line, and why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.figures import size_words
from policies.lengths import spoken

Report = Mapping[str, Any]


def sa_words(sa: Report | None) -> str:
    """`IKE established 2h with 203.0.113.7:4500 (NAT) · AES_GCM_16-256 · rekeyed in 40m`; "" where it is no IPsec."""
    if sa is None:
        return ""
    if sa["state"] == "down":
        return f"no IKE SA{_for(sa['since'])}{failure_words(sa)}"
    child = sa["child"]
    nat = " (NAT)" if sa["nat"] else ""
    words = [f"IKE {sa['state']}{_for(sa['since'])} with {sa['remote']}{nat}"]
    if child is None:
        words.append("no child SA")
    else:
        words += [child["esp"], f"{size_words(child['bytes_in'])} in, {size_words(child['bytes_out'])} out"]
        words += [] if child["rekey_at"] is None else [f"keys change in {spoken(-child['rekey_at']['ago'])}"]
    return " · ".join(words) + (failure_words(sa) if child is None else "")


def failure_words(sa: Report) -> str:
    """Why the last attempt failed, and the mend."""
    failure = sa.get("failure")
    if failure is None:
        return ""
    sure = "" if failure["sure"] else " (as far as can be told)"
    mend = f"; mend: {failure['mend']}" if failure["mend"] else ""
    return f": {failure['reason']}{sure}, {spoken(failure['at']['ago'])} ago{mend}"


def _for(since: Report | None) -> str:
    return "" if since is None else f" {spoken(since['ago'])}"
