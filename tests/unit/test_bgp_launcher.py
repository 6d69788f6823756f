"""The launcher's checks, without starting ExaBGP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from bgp_network import network

from speaker.bgp.configuration import Rendering, render
from speaker.bgp.launcher import CannotStartError, check_listening, check_version, listened_on

PROVE = """
import os
from speaker.bgp import launcher, mends
os.environ.update(launcher.settings())
try:
    mends.test_outgoing_queue()
except mends.MendError as error:
    print("before:", error)
mends.mend_outgoing_queue()
mends.test_outgoing_queue()
print("after: good")
"""


def test_the_self_test_fails_without_the_mend_and_holds_with_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROVE], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout == "before: ExaBGP's outgoing queue sends [10, 20] where 10 is meant\nafter: good\n"


NO_EARLIER = """
import os
from speaker.bgp import launcher, mends
os.environ.update(launcher.settings())
from exabgp.bgp.neighbor import Neighbor
mends.bear_a_reload_while_a_session_comes_up()
neighbor, earlier = Neighbor(), Neighbor()
print(list(neighbor.previous.changes), bool(neighbor.previous))
neighbor.previous = earlier
print(neighbor.previous is earlier)
neighbor.previous = None
print(list(neighbor.previous.changes))
"""


def test_a_neighbor_without_an_earlier_definition_has_no_earlier_routes() -> None:
    done = subprocess.run([sys.executable, "-c", NO_EARLIER], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout == "[] False\nTrue\n[]\n"


@pytest.mark.parametrize("release", ["5.0.15", "5.0.99"])
def test_a_known_version_is_started(release: str) -> None:
    check_version(release)


@pytest.mark.parametrize("release", ["4.2.25", "5.0.14", "5.1.0", "6.0.0", "main", ""])
def test_an_unknown_version_is_not(release: str) -> None:
    with pytest.raises(CannotStartError, match="not a known version: install"):
        check_version(release)


def test_the_rendered_configuration_tells_where_exabgp_listens() -> None:
    text = render(network(1), Rendering("/usr/bin/python3", "/run/x.sock", port=1790))
    assert listened_on(text) == [("10.255.1.0", 1790), ("10.255.1.2", 1790)]


def test_a_port_in_use_is_found_before_exabgp_finds_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(CannotStartError, match=f"127.0.0.1 port {port}: another program does"):
            check_listening(f"local-address 127.0.0.1;\nlisten {port};")


def test_an_address_that_is_not_there_yet_is_no_error() -> None:
    check_listening("local-address 192.0.2.77;\nlisten 40179;")


def test_it_says_how_to_use_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "speaker.bgp.launcher"], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr == "usage: python -m speaker.bgp.launcher [--while-configured] CONFIG\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"__init__.py": "raise ImportError('pretended')"}, "ExaBGP is not installed: pip install "),
        ({"__init__.py": "", "version.py": "release = '4.2.21'"}, "ExaBGP 4.2.21 is not a known version: install "),
        ({"__init__.py": "", "version.py": "release = '5.0.15'"}, "ExaBGP's listener is not the one that we know "),
    ],
    ids=["missing", "old", "broken"],
)
def test_an_exabgp_that_cannot_be_used_is_one_line_before_its_configuration_is_waited_for(
    tmp_path: Path, files: dict[str, str], expected: str
) -> None:
    (tmp_path / "exabgp").mkdir()
    for name, content in files.items():
        (tmp_path / "exabgp" / name).write_text(content)
    command = [sys.executable, "-m", "speaker.bgp.launcher", str(tmp_path / "none.conf")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(tmp_path)}
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"pointsman: {expected}")
    assert done.stderr.count("\n") == 1


def test_a_process_that_is_wanted_no_more_ends_with_its_configuration(tmp_path: Path) -> None:
    configuration = tmp_path / "exabgp-2.conf"
    configuration.write_text("")
    waits = (
        "import sys, time; from pathlib import Path; import speaker.bgp.launcher as launcher; "
        "launcher.GONE_SECONDS = 0.2; "
        "launcher.start_new_thread(launcher._end_without, (Path(sys.argv[1]),)); "
        "print('runs', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", waits, str(configuration)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "runs\n"
        configuration.unlink()
        assert process.wait(30) == -signal.SIGTERM
        assert process.stderr.read() == f"pointsman: {configuration} is gone: this exabgp is wanted no more\n"
