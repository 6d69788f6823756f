"""Tests of policies: what is written in policies/tests/, played against the core on a virtual clock, and judged."""
