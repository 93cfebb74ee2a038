"""Which addresses may be told: public ones only. Asked when an endpoint is saved, and again each time something is sent.

A name may mean another machine by then, so the connection is made to the address that was looked at, not to the name.
"""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import idna
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from tenancy.errors import FieldProblem, Invalid

MAX_URL: Final = 500
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# IPv4 addresses travel inside of these, to wherever they lead (RFC 6052, RFC 8215).
_CARRIERS: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


class InvalidUrl(Invalid):
    """The address cannot be told anything; ``errors`` name the field ``url``."""


@dataclass(frozen=True)
class Target:
    """A URL taken apart: whom to connect to, what to ask for. ``host`` is what the certificate must name."""

    is_secure: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_secure else 80) else f"{host}:{self.port}"


def read_url(url: str) -> Target:
    """Take an address apart. Raises InvalidUrl for anything but http(s) without a password; https only in production."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise _refuse(_("This is not a web address.")) from None
    if parts.scheme not in {"https", "http"} or not host or len(url) > MAX_URL or not url.isprintable():
        raise _refuse(_("Give a web address, as https://crm.example.com/hooks."))
    if parts.scheme == "http" and settings.PRODUCTION:
        raise _refuse(_("Use https: over http anybody on the way can read what is told."))
    if parts.username is not None or parts.password is not None or parts.fragment or " " in url:
        raise _refuse(_("Leave out user names, passwords and what comes after #."))
    is_secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii():
        raise _refuse(_("Percent-encode letters with accents in the address."))
    return Target(is_secure, _plain_host(host), port or (443 if is_secure else 80), path)


def host_of(url: str) -> str:
    """The machine that a kept address names, for people."""
    return urlsplit(url).hostname or url


def _plain_host(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        raise _refuse(_("This is not the name of a machine.")) from None


def resolve(target: Target) -> str:
    """The address to connect to. Raises InvalidUrl where the name is unknown, or means any machine that is not public."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except OSError:
        raise _refuse(_("No machine of this name is known.")) from None
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not addresses or not (settings.WEBHOOKS_TO_INTERNAL or all(map(is_public, addresses))):
        raise _refuse(_("This address leads into a private network. Only public addresses are told."))
    return str(addresses[0])


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, be it carried inside of another."""
    if isinstance(address, ipaddress.IPv6Address):
        carried = _carried(address)
        if carried is not None:
            return is_public(carried)
        if address in ipaddress.ip_network("2001::/32"):  # Teredo: leads to whoever runs the relay
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if any(address in network for network in _CARRIERS):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if int(address) >> 32 == 0 and int(address) > 1:  # ::a.b.c.d, as it was once written
        return ipaddress.IPv4Address(int(address))
    return address.ipv4_mapped or address.sixtofour


def _refuse(message: object) -> InvalidUrl:
    text = str(message)
    return InvalidUrl(text, errors=[FieldProblem("url", "refused", text)])
