"""The addresses of clients, as limits count them."""

from ipaddress import IPv6Address, ip_address

_IPV6_NETWORK = 64  # bits: the network that a provider gives to one customer


def limited_address(host: str) -> str:
    """Return what a limit counts: an IPv4 address, or the network of an IPv6 address."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return f"{int(address) >> (128 - _IPV6_NETWORK):x}"
    return host
