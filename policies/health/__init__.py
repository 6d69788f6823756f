"""Health: from the fates of probes to what is believed of a tunnel. Pure: samples in, `HealthView` out.

`memory.remember` takes samples up, `judge.judge` says what they mean. docs/explanation/health.md has the arithmetic.
"""
