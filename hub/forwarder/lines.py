"""What the forwarder says, as bytes. A long list of prefixes is made to text once, for it is said with every move."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hub.control.lines import Message, encode
from hub.forwarder.steps import Steps, pieces

LONG = 500
"""Prefixes of a class whose text is remembered."""
_PREFIXES_A_PIECE = 1000


class LineWriter:
    """A LineWriter makes lines of messages, and remembers the text of the prefixes of each large class."""

    def __init__(self) -> None:
        self._texts: dict[str, tuple[tuple[tuple[str, ...], bytes], ...]] = {}

    def line(self, message: Message) -> bytes:
        """One line, newline included, as `hub.control.lines.encode` makes it."""
        match message:
            case {"class": state}:
                return self._with_prefixes({"class": _marked(state)}, [state])
            case {"snapshot": {"classes": [*states]}} | {"status": {"classes": [*states]}}:
                (kind, content), *_ = message.items()
                marked = {kind: {**content, "classes": [_marked(state) for state in states]}}
                return self._with_prefixes(marked, states)
            case {"gone": name}:
                self._texts.pop(name, None)
        return encode(message)

    def prepare(self, name: str, prefixes: tuple[str, ...]) -> Steps[None]:
        """Make the text of a class's prefixes, in steps, unless it is the same as before."""
        if len(prefixes) < LONG or any(known == prefixes for known, _text in self._texts.get(name, ())):
            return
        texts = []
        for piece in pieces(prefixes, _PREFIXES_A_PIECE):
            texts.append(json.dumps(piece, separators=(",", ":"))[1:-1].encode())
            yield
        self._remember(name, prefixes, b"[" + b",".join(texts) + b"]")

    def _remember(self, name: str, prefixes: tuple[str, ...], text: bytes) -> None:
        """Also the text before this one: the class may have to be told of once more as it was."""
        self._texts[name] = ((prefixes, text), *self._texts.get(name, ())[:1])

    def _with_prefixes(self, marked: Message, states: list[Message]) -> bytes:
        parts, texts = encode(marked).split(_MARK), self._texts_of(states)
        return b"".join([parts[0], *(piece for part in parts[1:] for piece in (next(texts), part))])

    def _texts_of(self, states: list[Message]) -> Iterator[bytes]:
        return (self._text(state["name"], state["prefixes"]) for state in states if len(state["prefixes"]) >= LONG)

    def _text(self, name: str, prefixes: tuple[str, ...]) -> bytes:
        for known, text in self._texts.get(name, ()):
            if known is prefixes:
                return text
        text = json.dumps(prefixes, separators=(",", ":")).encode()
        self._remember(name, prefixes, text)
        return text


_MARK = b'"\\u0000"'
"""Stands for a list of prefixes; no name or reason has a control character."""


def _marked(state: Message) -> Message:
    return {**state, "prefixes": "\0"} if len(state["prefixes"]) >= LONG else state
