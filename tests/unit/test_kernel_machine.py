"""The emulated machine of scripts/test-kernel, as far as it can be had without booting one."""

from __future__ import annotations

from pathlib import Path

import pytest
from kernel_initrd import load_order
from kernel_ipsec_traffic import unanswered
from kernel_machine import Machine, qemu
from kernel_package import KernelError, known, newest_release

DEPENDENCIES = """\
kernel/fs/9p/9p.ko: kernel/net/9p/9pnet.ko kernel/fs/netfs/netfs.ko
kernel/net/9p/9pnet.ko:
kernel/net/9p/9pnet_virtio.ko: kernel/drivers/virtio/virtio.ko kernel/net/9p/9pnet.ko
kernel/fs/netfs/netfs.ko:
kernel/drivers/virtio/virtio.ko:
kernel/drivers/virtio/virtio-pci.ko.xz: kernel/drivers/virtio/virtio.ko
"""
BUILT_IN = ["kernel/fs/netfs/netfs.ko"]


@pytest.mark.parametrize(
    ("said", "release"),
    [
        ("linux-image-amd64\n  Depends: linux-image-6.1.0-56-amd64\n", "6.1.0-56-amd64"),
        (
            "  Depends: linux-image-6.8.0-31-generic\n  Depends: linux-modules-extra-6.8.0-31-generic\n",
            "6.8.0-31-generic",
        ),
        ("", None),
    ],
    ids=["Debian", "Ubuntu", "unknown"],
)
def test_the_newest_kernel_is_the_one_that_the_package_needs(said: str, release: str | None) -> None:
    assert newest_release(said) == release


def test_only_packages_that_apt_knows_are_fetched() -> None:
    shown = "Package: linux-image-7\nVersion: 7\n\nPackage: linux-modules-7\nVersion: 7\n"
    wanted = ["linux-image-7", "linux-modules-7", "linux-modules-extra-7"]
    assert known(wanted, shown) == wanted[:2]


def test_modules_are_loaded_after_those_that_they_need_each_once_and_none_that_is_built_in() -> None:
    order = [Path(file).name for file in load_order(["virtio_pci", "9pnet_virtio", "9p"], DEPENDENCIES, BUILT_IN)]
    assert order == ["virtio.ko", "virtio-pci.ko.xz", "9pnet.ko", "9pnet_virtio.ko", "9p.ko"]


def test_a_kernel_without_a_module_that_the_root_needs_is_refused() -> None:
    with pytest.raises(KernelError, match='no module "overlay"'):
        load_order(["overlay"], DEPENDENCIES, BUILT_IN)


def line_of_qemu(*, kvm: bool) -> str:
    machine = Machine(Path("/cache/vmlinuz"), Path("/cache/initrd"), Path("/cache/modules"), kvm=kvm)
    return " ".join(qemu(machine, Path("/tmp/a,b"), shell=False))


def test_the_hosts_root_cannot_be_written_to() -> None:
    assert "path=/,mount_tag=root,security_model=none,readonly=on" in line_of_qemu(kvm=False)


def test_a_comma_in_the_jobs_directory_is_no_option_of_qemu() -> None:
    assert "path=/tmp/a,,b,mount_tag=job" in line_of_qemu(kvm=False)


@pytest.mark.parametrize("kvm", [False, True])
def test_virtualisation_is_used_where_it_is_wanted(kvm: bool) -> None:
    assert ("-accel kvm" in line_of_qemu(kvm=kvm)) is kvm


@pytest.mark.parametrize(
    ("sent", "answered", "lost"),
    [
        (10, range(1, 11), 0),
        (10, range(1, 9), 0),
        (10, [1, 2, 3, 5, 6, 7, 8, 9, 10], 1),
        (10, [1, 2, 3, 4, 5, 6, 7, 8, 10], 1),
        (10, range(1, 5), 4),
        (10, [], 8),
    ],
    ids=["all", "the last two on their way", "one in the middle", "the last but one, overtaken", "dead since", "none"],
)
def test_pings_without_an_answer_are_counted_but_for_those_on_their_way(sent: int, answered: range, lost: int) -> None:
    said = "".join(f"64 bytes from 192.0.2.1: icmp_seq={number} ttl=64 time=1 ms\n" for number in answered)
    assert unanswered(f"{said}\n--- ping statistics ---\n{sent} packets transmitted, x received\n") == lost
