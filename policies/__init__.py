"""The pure core: what Pointsman knows, judges and decides.

Everything here is a value or a function of values. No sockets, no files, no clock: time is passed in. Imports
nothing of `speaker` or `hub`, and only the standard library.
"""
