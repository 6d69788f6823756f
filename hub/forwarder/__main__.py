"""`python -m hub.forwarder`."""

import gc

gc.disable()  # until the process runs: collecting while modules load only makes the start slower

import sys  # noqa: E402

from hub.forwarder.main import main  # noqa: E402

sys.exit(main())
