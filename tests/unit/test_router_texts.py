"""A branch's end as text: what is printed for routers of every kind, and what their own parsers say of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from router_branches import BRANCHES, ENDS, FIBER, HUB, LTE, SECRETS, WITH_PRESHARED, branch, ipsec

from hub.branch_router.from_intent import end_of
from hub.branch_router.secrets import NO_SECRETS, Secrets
from hub.branch_router.swanctl import quoted_secret, swanctl_config
from hub.branch_router.texts import PARTS, Text, remarks, texts, usual_parts
from policies.model.intent import Branch
from policies.model.transport import Inner, WireGuard

GOLDEN = Path(__file__).parents[1] / "golden" / "router"
SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"


def printed(name: str, *parts: str, secrets: Secrets = SECRETS) -> str:
    """The texts of these parts, of all that are usual where none is named, one below the other."""
    return "\n".join(f"#### {text.path}\n{text.text}" for text in made(name, *parts, secrets=secrets))


def made(name: str, *parts: str, secrets: Secrets = SECRETS) -> Sequence[Text]:
    end = ENDS[name]
    return texts(end, parts or usual_parts(end), secrets)


def text_of(one: Branch, part: str) -> str:
    return "".join(text.text for text in texts(end_of(HUB, one), [part], NO_SECRETS))


@pytest.mark.parametrize("name", BRANCHES)
def test_a_branch_is_told_what_the_golden_file_says(name: str) -> None:
    assert printed(name) == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("dual-stack", ("bird", "wg-quick", "pins", "firewall")),
        ("internal-frr", ("frr", "wg-quick", "pins", "firewall")),
        ("ipsec-gre", ("bird", "wg-quick", "swanctl", "pins", "firewall")),
        ("ipsec-xfrm", ("bird", "swanctl", "pins", "firewall")),
        ("other", ("sheet",)),
    ],
)
def test_what_is_printed_follows_from_what_routes_there_and_what_its_tunnels_are(
    name: str, parts: tuple[str, ...]
) -> None:
    assert usual_parts(ENDS[name]) == parts


@pytest.mark.parametrize("name", BRANCHES)
def test_no_secret_is_printed_unless_it_is_given(name: str) -> None:
    shown = printed(name, *PARTS, secrets=NO_SECRETS)
    every = [SECRETS.password or "", *SECRETS.private.values(), *SECRETS.preshared.values()]
    assert not [secret for secret in every if secret in shown]
    assert [secret for secret in every if secret in printed(name, *PARTS)]


def test_neither_secrets_nor_texts_show_themselves() -> None:
    shown = f"{SECRETS!r}{made('dual-stack')!r}"
    assert not [key for key in (*SECRETS.private.values(), *SECRETS.preshared.values()) if key in shown]
    assert str(SECRETS.password) not in shown


@pytest.mark.parametrize("name", BRANCHES)
def test_what_may_hold_a_secret_is_for_its_owner_only(name: str) -> None:
    secret = [SECRETS.password or "", *SECRETS.private.values(), *SECRETS.preshared.values()]
    open_to_all = [text for text in made(name, *PARTS) if text.mode & 0o077]
    assert not [text.path for text in open_to_all if any(each in text.text for each in secret)]


@pytest.mark.parametrize("name", BRANCHES)
def test_a_mode_that_is_told_is_the_files_own(name: str) -> None:
    for text in made(name, *PARTS):
        assert "mode" not in text.told or f"mode {text.mode:04o}" in text.told


def test_a_line_whose_gateway_comes_by_dhcp_is_pinned_to_what_the_machine_itself_got() -> None:
    assert "by_default wwan0 102" in text_of(branch(WireGuard(), WireGuard()), "pins")


def test_a_line_of_which_nothing_is_written_is_not_pinned_and_that_is_said() -> None:
    unknown = replace(LTE, interface=None, gateway=None)
    one = branch(WireGuard(), WireGuard())
    one = replace(one, tunnels=(one.tunnels[0], replace(one.tunnels[1], uplink=unknown)))
    assert "FwMark = 101" in text_of(one, "wg-quick")
    assert "FwMark = 102" not in text_of(one, "wg-quick")
    assert "# not pinned" in text_of(one, "pins")
    (said,) = remarks(end_of(HUB, one), ["pins"])
    assert "uplinks.wireless in branches/bandung.yaml" in said


def test_where_certificates_belong_is_said_and_where_the_text_looks_for_them() -> None:
    end = ENDS["ipsec-xfrm"]
    (said,) = remarks(end, ["swanctl"])
    assert "x509/pointsman-bandung-wireless.pem" in said
    assert "x509ca/pointsman-bandung-wireless-authority.pem" in said
    text = swanctl_config(end)
    assert "certs = pointsman-bandung-wireless.pem" in text
    assert "cacerts = pointsman-bandung-wireless-authority.pem" in text


def test_a_single_line_needs_no_pin_unless_all_traffic_goes_to_the_hub() -> None:
    one = branch(WireGuard(), WireGuard())
    alone = replace(one, tunnels=(replace(one.tunnels[0], uplink=replace(FIBER, interface=None, gateway=None)),))
    assert remarks(end_of(HUB, alone), ["pins"]) == ()
    everything = replace(HUB, prefixes=(IPv4Network("0.0.0.0/0"),))
    assert len(remarks(end_of(everything, alone), ["pins"])) == 1


def test_a_tunnel_that_somebody_else_made_is_named() -> None:
    assert remarks(ENDS["existing"], ["bird"]) == (
        "bandung/wireless is made by somebody else: its interface at the branch is taken to be wireless",
    )


def test_an_address_behind_another_router_is_not_the_branchs_own() -> None:
    behind = replace(FIBER, behind_nat=True)
    one = branch(ipsec(Inner.GRE), WireGuard())
    one = replace(one, tunnels=(replace(one.tunnels[0], uplink=behind), one.tunnels[1]))
    assert "local_addrs" not in text_of(one, "swanctl")
    assert 'rule 1500 "to 198.51.100.1" 101' in text_of(one, "pins")
    assert 'rule 1500 "from 192.0.2.9 to 198.51.100.1" 101' in text_of(branch(ipsec(Inner.GRE), WireGuard()), "pins")


def test_a_hub_that_is_known_by_name_is_not_filtered_by_address() -> None:
    one = branch(WireGuard(), WireGuard())
    named = replace(one.tunnels[0].hub_uplink, endpoint="hub.example.net")
    one = replace(one, tunnels=(replace(one.tunnels[0], hub_uplink=named), one.tunnels[1]))
    assert "udp dport 51000" not in text_of(one, "firewall")
    assert "udp dport 51001 ip saddr != 203.0.113.1 drop" in text_of(one, "firewall")


def test_a_tunnel_is_not_called_like_an_uplink() -> None:
    one = branch(WireGuard(), WireGuard())
    same = replace(FIBER, interface="fiber")
    end = end_of(HUB, replace(one, tunnels=(replace(one.tunnels[0], uplink=same), one.tunnels[1])))
    assert [tunnel.interface for tunnel in end.tunnels] == ["fiber2", "wireless"]


@pytest.mark.parametrize(
    ("secret", "written"),
    [
        ("plain words", '"plain words"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("0x41", "0sMHg0MQ=="),
        ("0sQUJD", "0sMHNRVUpE"),
        ("a\nb", "0sYQpi"),
    ],
)
def test_a_pre_shared_key_is_read_as_the_text_that_it_is(secret: str, written: str) -> None:
    assert quoted_secret(secret) == written


def _say(*words: str | Path, text: str | None = None) -> tuple[int, str]:
    done = subprocess.run(words, input=text, capture_output=True, text=True, env={**os.environ, "PATH": SYSTEM})
    return done.returncode, done.stdout + done.stderr


def _needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program, path=SYSTEM) is None, reason=f"{program} is not installed")


def _file(tmp_path: Path, name: str, part: str, secrets: Secrets = SECRETS) -> Path:
    path = tmp_path / "file"
    path.write_text("".join(text.text for text in made(name, part, secrets=secrets)))
    return path


@_needs("bird")
@pytest.mark.parametrize("secrets", [SECRETS, NO_SECRETS], ids=["keys", "words"])
@pytest.mark.parametrize("name", BRANCHES)
def test_bird_itself_accepts_it(name: str, secrets: Secrets, tmp_path: Path) -> None:
    assert _say("bird", "-p", "-c", _file(tmp_path, name, "bird", secrets)) == (0, "")


@_needs("vtysh")
@pytest.mark.parametrize("secrets", [SECRETS, NO_SECRETS], ids=["keys", "words"])
@pytest.mark.parametrize("name", BRANCHES)
def test_frr_itself_accepts_it(name: str, secrets: Secrets, tmp_path: Path) -> None:
    assert _say("vtysh", "-C", "-f", _file(tmp_path, name, "frr", secrets)) == (0, "")


@_needs("nft")
@pytest.mark.skipif(os.geteuid() != 0, reason="nft asks the kernel")
@pytest.mark.parametrize("name", BRANCHES)
def test_nft_itself_accepts_it(name: str, tmp_path: Path) -> None:
    assert _say("unshare", "-n", "nft", "-c", "-f", _file(tmp_path, name, "firewall")) == (0, "")


@_needs("wg-quick")
@pytest.mark.skipif(os.geteuid() != 0, reason="wg-quick becomes root")
@pytest.mark.parametrize("name", [name for name, end in ENDS.items() if end.wireguard()])
def test_wg_quick_itself_takes_its_own_words_out(name: str, tmp_path: Path) -> None:
    for text in made(name, "wg-quick"):
        path = tmp_path / Path(text.path).name
        path.write_text(text.text)
        path.chmod(text.mode)
        status, left = _say("wg-quick", "strip", path)
        keys = {line.partition(" =")[0] for line in left.splitlines() if " = " in line}
        wanted = {"PrivateKey", "ListenPort", "FwMark", "PublicKey", "Endpoint", "AllowedIPs", "PersistentKeepalive"}
        assert (status, keys - {"PresharedKey"}) == (0, wanted), left


@pytest.mark.parametrize("name", BRANCHES)
def test_the_shell_itself_can_read_the_scripts(name: str) -> None:
    for text in made(name, "pins", "swanctl"):
        if text.text.startswith("#!"):
            assert _say("sh", "-n", text=text.text) == (0, ""), text.path


def test_a_preshared_key_stands_where_both_ends_want_one() -> None:
    assert "PresharedKey" not in text_of(branch(WireGuard(), WireGuard()), "wg-quick")
    assert text_of(branch(WITH_PRESHARED, WireGuard()), "wg-quick").count("PresharedKey") == 1


def test_an_xfrm_tunnel_offers_everything_of_both_versions_and_the_hub_narrows_that_down() -> None:
    text = swanctl_config(ENDS["ipsec-xfrm"])
    assert "local_ts = 0.0.0.0/0, ::/0" in text
    assert "remote_ts = 0.0.0.0/0, ::/0" in text
    assert "if_id_in = 51000" in text


def test_a_large_prefix_of_the_branch_takes_none_of_the_hubs_out() -> None:
    one = branch(WireGuard(), WireGuard(), prefixes=(IPv4Network("10.1.0.0/24"), IPv4Network("10.1.1.1/32")))
    assert "prefix-list of-hub seq 10 deny 10.1.1.1/32\n" in text_of(one, "frr")
