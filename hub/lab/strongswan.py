"""charon, strongSwan's IKE daemon, for one node of a lab: its configuration, and how it is started and told what to do.

Each node has its own: configuration, socket and log lie in one directory. A kernel that has no ESP does without: the
plugin kernel-libipsec encrypts in charon itself and moves packets through a TUN device. There an SA is chosen by its
selectors and by the routes that charon makes in table 220, never by a mark or an interface id.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

PLUGINS = (
    "random nonce aes sha1 sha2 hmac kdf gcm curve25519 openssl pem pkcs1 pkcs8 x509 pubkey constraints "
    "kernel-netlink socket-default vici updown"
)
"""What charon loads: those of Debian's strongSwan 5.9 that IKEv2 with secrets and certificates needs."""
PACKAGES = {
    "charon-systemd": "charon-systemd libcharon-extra-plugins libstrongswan-standard-plugins",
    "swanctl": "strongswan-swanctl",
}
"""Program → Debian packages."""
_STORES = "x509 x509ca x509ocsp x509aa x509ac x509crl pubkey private rsa ecdsa bliss pkcs8 pkcs12 conf.d"


def kernel_has_esp() -> bool:
    """Whether the kernel encrypts by itself; tried in a namespace that is gone afterwards."""
    state = "src 127.0.0.1 dst 127.0.0.2 proto esp spi 1 mode tunnel"
    key = f"aead 'rfc4106(gcm(aes))' 0x{'00' * 20} 128"
    trial = ["unshare", "-n", "sh", "-c", f"ip xfrm state add {state} {key}"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


def strongswan_conf(directory: Path, *, userspace: bool, retransmit_timeout: float = 1.0, tries: int = 3) -> str:
    """The text of strongswan.conf (strongswan.conf(5)) for the charon whose files lie in `directory`.

    After `tries` repetitions, the first after `retransmit_timeout` seconds and each 1.8 times as late as the one
    before, the other end counts as dead.
    """
    plugins = f"kernel-libipsec {PLUGINS}" if userspace else PLUGINS
    return f"""charon-systemd {{
    load = {plugins}
    install_virtual_ip = no
    retransmit_tries = {tries}
    retransmit_timeout = {retransmit_timeout:g}
    journal {{
        default = -1
    }}
    filelog {{
        log {{
            path = {directory}/charon.log
            time_format = %H:%M:%S
            time_add_ms = yes
            flush_line = yes
            default = 1
            enc = 0
            net = 0
        }}
    }}
    plugins {{
        vici {{
            socket = unix://{directory}/charon.vici
        }}
    }}
}}
swanctl {{
    load = random nonce aes sha1 sha2 hmac kdf pem pkcs1 pkcs8 x509 pubkey openssl
}}
"""


def prepare(directory: Path, *, userspace: bool, retransmit_timeout: float = 1.0, tries: int = 3) -> None:
    """Make the directory of one charon, with its strongswan.conf; swanctl's files go to `directory`/swanctl.

    Raises:
        OSError: it cannot be written.
    """
    for store in _STORES.split():
        (directory / "swanctl" / store).mkdir(mode=0o700, parents=True, exist_ok=True)
    text = strongswan_conf(directory, userspace=userspace, retransmit_timeout=retransmit_timeout, tries=tries)
    (directory / "strongswan.conf").write_text(text)


def charon_command(directory: Path) -> list[str]:
    """What runs charon in the present network namespace, in the foreground.

    The socket of one that was killed is still there and looks ready, so it goes first.
    """
    socket = shlex.quote(str(directory / "charon.vici"))
    return ["env", f"STRONGSWAN_CONF={directory}/strongswan.conf", "sh", "-c", f"rm -f {socket}; exec charon-systemd"]


def swanctl_command(directory: Path, *arguments: str) -> list[str]:
    """swanctl for that charon: `--load-all --noprompt` loads `directory`/swanctl/swanctl.conf."""
    environment = [f"STRONGSWAN_CONF={directory}/strongswan.conf", f"SWANCTL_DIR={directory}/swanctl"]
    return ["env", *environment, "swanctl", *arguments, "--uri", f"unix://{directory}/charon.vici"]
