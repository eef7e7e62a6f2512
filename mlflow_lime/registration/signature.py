"""Signatures of MLflow's webhooks: who sent a delivery, and when.

MLflow signs each delivery as ``v1,`` and base64 of HMAC-SHA256 over ``id.timestamp.body``, keyed
with the secret of the webhook; see `mlflow.webhooks.delivery`.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "DELIVERY_HEADER",
    "SIGNATURE_HEADER",
    "TIMESTAMP_HEADER",
    "TOLERANCE",
    "Claim",
    "Flaw",
    "is_signed",
    "read_claim",
    "sign",
]

DELIVERY_HEADER = "X-MLflow-Delivery-Id"
TIMESTAMP_HEADER = "X-MLflow-Timestamp"
SIGNATURE_HEADER = "X-MLflow-Signature"
TOLERANCE = 300.0
"""Seconds that the clock of the sender may be before or behind ours."""

_NAMES = {name.lower().encode(): name for name in (DELIVERY_HEADER, TIMESTAMP_HEADER)}
_SIGNED = SIGNATURE_HEADER.lower().encode()
_NAMES[_SIGNED] = SIGNATURE_HEADER
# No full stop: it is what divides the parts of the signed text.
_DELIVERY = re.compile(rb"[0-9A-Za-z_-]{1,64}", re.ASCII)
_TIMESTAMP = re.compile(rb"[1-9][0-9]{0,11}", re.ASCII)
_SIGNATURE = re.compile(rb"v1,[0-9A-Za-z+/]{43}=", re.ASCII)


class Flaw(StrEnum):
    """Why the headers of a delivery are refused, before its body is looked at."""

    UNSIGNED = "unsigned"
    """There is no signature."""
    MALFORMED = "malformed"
    """A header is missing, stands twice, is too long, or has another form."""
    STALE = "stale"
    """The timestamp is too old, or in the future."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the headers of a delivery say; true only where `is_signed` holds.

    Attributes
    ----------
    delivery : str
        Id of the delivery, the same when it is repeated.
    timestamp : int
        When it was sent first, in seconds since the epoch.
    signature : bytes
        ``v1,`` and base64; empty where there was none and none is wanted.
    """

    delivery: str
    timestamp: int
    signature: bytes = b""


def read_claim(
    headers: Iterable[tuple[bytes, bytes]],
    *,
    now: float,
    tolerance: float = TOLERANCE,
    signed: bool = True,
) -> Claim | Flaw:
    """Read the headers of a delivery.

    Parameters
    ----------
    headers : iterable of (bytes, bytes)
        Names in lower case, and values.
    now : float
        Seconds since the epoch.
    tolerance : float
        Seconds that the timestamp may be from `now`.
    signed : bool
        Whether a signature must be there.

    Examples
    --------
    >>> named = {b"x-mlflow-delivery-id": b"1f2e", b"x-mlflow-timestamp": b"1700000000"}
    >>> read_claim(named.items(), now=1700000060, signed=False)
    Claim(delivery='1f2e', timestamp=1700000000, signature=b'')
    >>> read_claim(named.items(), now=1700000060).value
    'unsigned'
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _NAMES:
            if name in found:
                return Flaw.MALFORMED
            found[name] = value
    delivery, timestamp = (found.get(name, b"") for name in list(_NAMES)[:2])
    signature = found.get(_SIGNED, b"") if signed else b""
    if signed and not signature:
        return Flaw.UNSIGNED
    if signed and not _SIGNATURE.fullmatch(signature):
        return Flaw.MALFORMED
    if not _DELIVERY.fullmatch(delivery) or not _TIMESTAMP.fullmatch(timestamp):
        return Flaw.MALFORMED
    if abs(now - int(timestamp)) > tolerance:
        return Flaw.STALE
    return Claim(delivery.decode(), int(timestamp), signature)


def sign(secret: str, delivery: str, timestamp: int, body: bytes) -> bytes:
    """Return the signature that MLflow gives a delivery.

    Examples
    --------
    >>> sign("0123456789abcdef", "1f2e", 1700000000, b"{}")
    b'v1,0zRHtdCEo/lx7tdxsHQJ+a6lBchai2ATscF/1JoEhXA='
    """
    text = b"%s.%d.%s" % (delivery.encode(), timestamp, body)
    return b"v1," + base64.b64encode(hmac.digest(secret.encode(), text, hashlib.sha256))


def is_signed(claim: Claim, body: bytes, secrets: Sequence[str]) -> bool:
    """Return whether one of the secrets signed a body, in a time that tells nothing about them.

    The text of the signature is compared, not the bytes that it stands for, so that each delivery
    has one valid signature only.

    Examples
    --------
    >>> claim = Claim("1f2e", 1700000000, sign("0123456789abcdef", "1f2e", 1700000000, b"{}"))
    >>> is_signed(claim, b"{}", ["another-secret-x", "0123456789abcdef"])
    True
    >>> is_signed(claim, b"{ }", ["0123456789abcdef"])
    False
    """
    right = False
    for secret in secrets:
        expected = sign(secret, claim.delivery, claim.timestamp, body)
        right |= hmac.compare_digest(expected, claim.signature)
    return right
