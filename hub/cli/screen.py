"""Text laid out for whoever reads it: the lines of a terminal, or a pipe's, which have no end."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.text import Text

_PIPE_WIDTH = 10_000
_SEPARATOR = " ·"


def show(view: RenderableType) -> None:
    """Print it: folded to the terminal's width, or for a pipe in whole lines without blanks at their ends.

    Raises:
        BrokenPipeError: nobody reads; rich by itself would end the process with status 1.
    """
    terminal = sys.stdout.isatty()
    console = Console(highlight=False, width=None if terminal else _PIPE_WIDTH)
    with console.capture() as capture:
        console.print(view)
    text = capture.get()
    print(text if terminal else "".join(f"{line.rstrip()}\n" for line in text.splitlines()), end="", flush=True)


class Parts:
    """Pieces of text with dots between them: a line ends between two pieces, and inside one only if it is too long."""

    def __init__(self, parts: Iterable[Text]) -> None:
        self.parts = tuple(parts)
        """The pieces."""

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """As narrow as the longest piece, as wide as all of them on one line."""
        dot = len(_SEPARATOR)
        widths = [part.cell_len + dot for part in self.parts] or [0]
        return Measurement(max(widths), sum(widths) + len(widths) - 1).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines."""
        yield from self._lines(options.max_width)

    def _lines(self, width: int) -> Iterator[Text]:
        line = Text(overflow="fold")
        for number, part in enumerate(self.parts, 1):
            piece = part.copy() if number == len(self.parts) else Text.assemble(part, _SEPARATOR)
            if line and line.cell_len + 1 + piece.cell_len > width:
                yield line
                line = Text(overflow="fold")
            line = Text.assemble(line, " " if line else "", piece, overflow="fold")
        yield line
