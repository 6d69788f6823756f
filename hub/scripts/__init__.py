"""Policy scripts at work: examined, run in processes of their own, watched, and read again when their file changes.

    files -> keeper (one a script) -> worker process (adjust) -> adjustments -> the controller's loop

A script never delays a decision: the loop decides with the last good adjustments, and again when there are new ones.
"""
