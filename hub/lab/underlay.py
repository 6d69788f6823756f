"""Which addresses the lab's internet has: from 100.64.0.0/10, the range between providers and customers (RFC 6598).

One /16 an ISP, one /30 a customer in it, and 100.127.255.0/24 for the exchange that joins the ISPs.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

MOST_ISPS = 63
MOST_CUSTOMERS = 1 << 14


def isp_network(isp: int) -> IPv4Network:
    """The network of the ISP with this index, from 0 to `MOST_ISPS` - 1."""
    return IPv4Network((f"100.{64 + isp}.0.0", 16))


def customer_addresses(isp: int, customer: int) -> tuple[IPv4Address, IPv4Address]:
    """The ISP's address and the customer's on their common /30."""
    base = isp_network(isp).network_address + 4 * customer
    return base + 1, base + 2


def exchange_address(isp: int) -> IPv4Address:
    """The ISP's address at the exchange."""
    return IPv4Address("100.127.255.0") + isp + 1
