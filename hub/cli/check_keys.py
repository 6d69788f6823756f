"""What `check` says of the age of keys, where this user may look at them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hub.config import Configuration
    from hub.config.problems import Place
    from hub.control.places import Places


def with_old_keys(configuration: Configuration, places: Places) -> Configuration:
    """The same, with a warning about keys that are too old, and certificates that end soon."""
    from hub.provisioner.changes import ProvisionError
    from hub.provisioner.from_intent import wanted_of
    from hub.provisioner.kept_keys import kept_keys, may_look

    intent = configuration.intent
    if intent is None or not places.state.exists() or not may_look(places.state, places.keys, places.secrets):
        return configuration
    from hub.config.problems import in_order, warning
    from hub.provisioner.keys.store import KeyStore
    from policies.key_ages import old_keys

    try:
        kept = kept_keys(wanted_of(intent), KeyStore(places.keys), places.secrets)
    except ProvisionError as error:
        found = [warning(_place(configuration.directory), str(error), error.mend)]
    else:
        old = old_keys(kept, intent.security.key_age, time.time())
        found = [warning(_place(configuration.directory), each.text, each.mend) for each in old]
    return replace(configuration, problems=in_order([*configuration.problems, *found])) if found else configuration


def _place(directory: Path) -> Place:
    """Where `key-age` is written, or would be."""
    from hub.config.document import parse
    from hub.config.load import NETWORK
    from hub.config.problems import Place

    try:
        document, _ = parse(NETWORK, (directory / NETWORK).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        document = None
    return Place(NETWORK) if document is None else document.place("security", "key-age")
