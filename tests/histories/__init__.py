"""Random histories of a whole small network on a virtual clock: the real core and ledger, everything else a model."""
