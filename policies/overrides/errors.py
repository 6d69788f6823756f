"""What an operator is told when a word of his is not taken."""

from __future__ import annotations


class NotDoneError(ValueError):
    """Nothing was changed; the text says the thing, why, and the mend."""
