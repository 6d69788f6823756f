"""Start ExaBGP in this process, with its outgoing queue mended: `python -m speaker.bgp.launcher CONFIG`.

The mends are those of `speaker.bgp.mends`. They are made only for versions that are known, and tried at every start: an
ExaBGP that would tell a branch something else than was asked is not started.
"""

from __future__ import annotations

import errno
import os
import pwd
import re
import signal
import socket
import sys
import time
from _thread import start_new_thread
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from speaker.bgp.mends import (
    IP_FREEBIND,
    MendError,
    bear_a_reload_while_a_session_comes_up,
    free_bind,
    leave_out_report_of_broken_headers,
    let_go_of_ttl_security,
    mend_outgoing_queue,
    test_outgoing_queue,
)
from speaker.notify import Systemd
from speaker.priority import give_way_when_busy

OLDEST = (5, 0, 15)
TOO_NEW = (5, 1)
PATIENCE_SECONDS = 5.0
"""How long to wait for the configuration before saying so."""
GONE_SECONDS = 2.0
"""How long the configuration must be gone before ExaBGP ends: a file that somebody removed comes back before that."""
WHILE_CONFIGURED = "--while-configured"


class CannotStartError(Exception):
    """ExaBGP cannot be started as it is; the text says why, and the mend."""


def start(configuration: Path, *, mended: bool = True, while_configured: bool = False) -> NoReturn:
    """Become ExaBGP with this configuration, until it ends.

    Args:
        configuration: a file that `speaker.bgp.configuration.render` wrote.
        mended: False only to show what the mend is for.
        while_configured: end when the configuration is gone, which says that this process is wanted no more.

    Raises:
        CannotStartError: ExaBGP is missing or not of a known version, a mend does not hold, or a port is taken.
        SystemExit: ExaBGP ended, with its exit status.
    """
    os.environ.update(settings())
    check_version(_release())
    try:
        free_bind()
        let_go_of_ttl_security()
        bear_a_reload_while_a_session_comes_up()
        leave_out_report_of_broken_headers()
        if mended:
            mend_outgoing_queue()
            test_outgoing_queue()
    except MendError as error:
        raise CannotStartError(f'{error}: install a known version with pip install "exabgp==5.0.15"') from error
    systemd = Systemd()
    systemd.ready(f"waits for {configuration}, which the controller writes")
    if while_configured:
        start_new_thread(_end_without, (configuration,))
    _await_file(configuration, systemd.alive, systemd.every)
    check_listening(configuration.read_text(encoding="ascii"))
    # Not before the settings are in the environment: ExaBGP reads them when it is imported.
    from exabgp.application.main import main
    from exabgp.environment import base, getenv

    getenv()
    # The settings are read now; this only keeps ExaBGP from advising to write a file of them at every start.
    base.ENVFILE = str(configuration)
    sys.argv = ["exabgp", "server", str(configuration.absolute())]
    systemd.status(f"runs with {configuration}")
    sys.exit(main())


def settings() -> dict[str, str]:
    """ExaBGP's settings as environment variables. It stays the user that it is: whoever starts it narrows that."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = "root"
    return {
        "exabgp_api_cli": "false",
        "exabgp_api_ack": "true",
        "exabgp_api_respawn": "true",
        "exabgp_api_show-routes-format": "v2",
        "exabgp_daemon_drop": "false",
        "exabgp_daemon_daemonize": "false",
        "exabgp_daemon_user": user,
        "exabgp_log_destination": "stderr",
        "exabgp_log_level": "WARNING",
        "exabgp_log_short": "true",
        "exabgp_tcp_bind": "",
    }


def check_version(release: str) -> None:
    """Refuse an ExaBGP that the mend was not made for.

    Raises:
        CannotStartError: the version is not of the known line.
    """
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", release)
    numbers = tuple(int(number) for number in found.groups()) if found else ()
    if not (numbers and OLDEST <= numbers < TOO_NEW):
        raise CannotStartError(
            f'ExaBGP {release} is not a known version: install one with pip install "exabgp>=5.0.15,<5.1"'
        )


def check_listening(configuration: str) -> None:
    """Find out before ExaBGP does, and say it better, that a port is not to be had.

    Raises:
        CannotStartError: a port is in use, or may not be bound.
    """
    for address, port in listened_on(configuration):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
            try:
                sock.bind((address, port))
                sock.listen(1)
            except OSError as error:
                raise CannotStartError(_refused(address, port, error)) from error


def listened_on(configuration: str) -> list[tuple[str, int]]:
    """The addresses and ports on which a rendered configuration listens."""
    pairs = re.findall(r"local-address (\S+);.*?listen (\d+);", configuration, re.DOTALL)
    return [(address, int(port)) for address, port in pairs]


def _refused(address: str, port: int, error: OSError) -> str:
    where = f"ExaBGP cannot listen on {address} port {port}"
    if error.errno == errno.EADDRINUSE:
        return f'{where}: another program does; find it with "ss -ltnp sport = :{port}" and stop it'
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{where}: it may not; give it CAP_NET_BIND_SERVICE, or choose a port above 1023"
    return f"{where}: {error.strerror}"


def _end_without(configuration: Path) -> None:
    """End this process, as a service manager would, once its configuration has been gone for a while."""
    gone_since: float | None = None
    while gone_since is None or time.monotonic() - gone_since < GONE_SECONDS:
        time.sleep(GONE_SECONDS / 4)
        if os.path.lexists(configuration):
            gone_since = None
        elif gone_since is None:
            gone_since = time.monotonic()
    sys.stderr.write(f"pointsman: {configuration} is gone: this exabgp is wanted no more\n")
    os.kill(os.getpid(), signal.SIGTERM)


def _await_file(configuration: Path, alive: Callable[[], None] = lambda: None, sign_every: float | None = None) -> None:
    """The controller writes the configuration; either may be started first. Signs of life are given meanwhile."""
    begun = signed = time.monotonic()
    said = False
    while True:
        if sign_every is not None and time.monotonic() - signed >= sign_every:
            signed = time.monotonic()
            alive()
        try:
            configuration.read_bytes()
        except FileNotFoundError:
            if not said and time.monotonic() - begun > PATIENCE_SECONDS:
                said = True
                sys.stderr.write(f"pointsman: exabgp waits for {configuration}, which the controller writes\n")
            time.sleep(0.05)
        except OSError as error:
            raise CannotStartError(f"{configuration}: {error.strerror}") from error
        else:
            return


def _release() -> str:
    try:
        from exabgp.version import release
    except ImportError as error:
        raise CannotStartError('ExaBGP is not installed: pip install "exabgp>=5.0.15,<5.1"') from error
    return str(release)


def main(arguments: list[str]) -> None:
    """Run the launcher as a program."""
    *options, configuration = arguments or [""]
    if options not in ([], [WHILE_CONFIGURED]) or configuration.startswith("-") or not configuration:
        sys.exit(f"usage: python -m speaker.bgp.launcher [{WHILE_CONFIGURED}] CONFIG")
    give_way_when_busy()
    try:
        start(Path(configuration), while_configured=bool(options))
    except CannotStartError as error:
        sys.exit(f"pointsman: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
