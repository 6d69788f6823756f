"""The judgements, one file a place. Each check is a pure function of (facts, wanted) that yields findings."""
