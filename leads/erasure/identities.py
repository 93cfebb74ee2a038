"""Who was erased and is not taken in again: recognised by hashes of what they were known by."""

import hashlib
from collections.abc import Iterable
from typing import Final

from leads.conditions.statements import Statement

# The code of the fault with which a person who was erased is refused.
ERASED_CODE: Final = "erased"


def hash_identity(kind: str, value: str) -> str:
    """How an identity (``email``, ``external_id``, ``phone``) is kept: SHA-256 of ``kind:value``, in hexadecimal."""
    return hashlib.sha256(f"{kind}:{value}".encode()).hexdigest()


def identities_of(email: str | None, external_id: str | None, phone: str | None) -> tuple[str, ...]:
    """The hashes of what somebody is known by, the strongest first."""
    known = (("email", email), ("external_id", external_id), ("phone", phone))
    return tuple(hash_identity(kind, value) for kind, value in known if value)


def list_kept_out(hashes: Iterable[str]) -> set[str]:
    """Those of the hashes that belong to somebody who was erased and is not taken in again."""
    asked = list(hashes)
    return {found for (found,) in _KEPT_OUT.rows(hashes=asked)} if asked else set()


def is_anyone_kept_out() -> bool:
    """Whether the current tenant has erased anybody who is not to be taken in again."""
    return bool(_ANYONE.rows()[0][0])


_ANYONE: Final = Statement.text("SELECT EXISTS (SELECT FROM leads_erasedidentity)")
_KEPT_OUT: Final = Statement.text(
    "SELECT hash FROM leads_erasedidentity WHERE hash = ANY (%(hashes)s::text[])"
)
