"""Certificates of both ends of the tunnel bandung/fiber, and that tunnel with them in place of its secret."""

from __future__ import annotations

import shutil
from pathlib import Path

from ipsec_network import Network, branch_connection, tunnel
from made_network import run

from hub.provisioner.wanted import WantedIpsec

FIBER = tunnel("fiber")


def certificates(directory: Path, *, days: str = "30", hub_days: str = "30", authority_days: str = "30") -> None:
    """An authority, and a certificate of each end signed by it, with the ends' identities as alternative names.

    `days` is how long the branch's is valid.
    """
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    authority, its_key = directory / "authority.pem", directory / "authority.key"
    request, extension = directory / "authority.csr", directory / "authority.ext"
    extension.write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n")
    _openssl("req", *curve, "-subj", "/CN=Kencana", "-keyout", its_key, "-out", request)
    by_itself = ("-signkey", its_key, "-days", authority_days, "-extfile", extension)
    _openssl("x509", "-req", "-in", request, *by_itself, "-out", authority)
    for name, identity, valid in (("hub", FIBER.hub_identity, hub_days), ("branch", FIBER.branch_identity, days)):
        request, extension = directory / f"{name}.csr", directory / f"{name}.ext"
        extension.write_text(f"subjectAltName=DNS:{identity}\n")
        _openssl("req", *curve, "-subj", f"/CN={identity}", "-keyout", directory / f"{name}.key", "-out", request)
        signed = ("-CA", authority, "-CAkey", its_key, "-CAcreateserial", "-days", valid, "-extfile", extension)
        _openssl("x509", "-req", "-in", request, *signed, "-out", directory / f"{name}.pem")
    for path in directory.glob("*.key"):
        path.chmod(0o600)


def revoke_branch(directory: Path) -> Path:
    """The list of revoked certificates (DER) in which the branch's is."""
    settings = directory / "ca.conf"
    (directory / "index").touch()
    settings.write_text(
        f"[ca]\ndefault_ca = us\n[us]\ndatabase = {directory}/index\ndefault_md = sha256\ndefault_crl_days = 30\n"
        "crl_extensions = extensions\n[extensions]\nauthorityKeyIdentifier = keyid\n"
    )
    usual = ("ca", "-config", settings, "-keyfile", directory / "authority.key", "-cert", directory / "authority.pem")
    _openssl(*usual, "-revoke", directory / "branch.pem")
    _openssl(*usual, "-gencrl", "-out", directory / "crl.pem")
    _openssl("crl", "-in", directory / "crl.pem", "-outform", "DER", "-out", directory / "crl.der")
    return directory / "crl.der"


def with_certificates(network: Network, directory: Path) -> WantedIpsec:
    """The tunnel with certificates in place of the secret; the branch's files where its charon looks for them."""
    secrets, stores = network.state / "secrets", network.branch_charon.directory / "swanctl"
    for name in ("hub.pem", "hub.key", "authority.pem"):
        shutil.copy(directory / name, secrets / name)
    shutil.copy(directory / "branch.pem", stores / "x509")
    shutil.copy(directory / "branch.key", stores / "private")
    shutil.copy(directory / "authority.pem", stores / "x509ca")
    files = {"certificate_file": "hub.pem", "key_file": "hub.key", "authority_file": "authority.pem"}
    return tunnel("fiber", secret_file=None, **files)


def branch_with_certificate(wanted: WantedIpsec, *, start: str = "start") -> str:
    """The branch's end of that tunnel."""
    text = branch_connection(wanted, start=start).replace("auth = psk", "auth = pubkey\n certs = branch.pem", 1)
    return text.replace("auth = psk", "auth = pubkey", 1)


def _openssl(*arguments: str | Path) -> None:
    run("openssl", *map(str, arguments))
