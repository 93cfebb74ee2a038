"""Signatures of Standard Webhooks (https://www.standardwebhooks.com, specification 1.0.0): v1, HMAC-SHA256."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32


def make_secret() -> str:
    """A new secret, as receivers know it: ``whsec_`` and base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(
    *, message_id: str, sent_at: datetime, body: bytes, secrets_: Sequence[str]
) -> dict[str, str]:
    """The three headers of a message: one signature for each secret, apart by spaces."""
    timestamp = str(int(sent_at.timestamp()))
    signed = b".".join([message_id.encode(), timestamp.encode(), body])
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_sign(signed, secret) for secret in secrets_),
    }


def _sign(signed: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
