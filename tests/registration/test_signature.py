"""Signatures are checked as MLflow makes them, and nothing else is taken for one."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.webhooks import delivery as mlflow_delivery

from mlflow_lime.registration.signature import (
    DELIVERY_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    TOLERANCE,
    Claim,
    Flaw,
    is_signed,
    read_claim,
    sign,
)

SECRET = "a secret of some length"
NOW = 1_700_000_000
BODY = b'{"entity": "model_version"}'


def headers(**changes):
    found = {
        DELIVERY_HEADER: b"1f2e-3d4c",
        TIMESTAMP_HEADER: b"%d" % NOW,
        SIGNATURE_HEADER: sign(SECRET, "1f2e-3d4c", NOW, BODY),
    }
    found |= {name.replace("_", "-"): value for name, value in changes.items()}
    return [(name.lower().encode(), value) for name, value in found.items() if value is not None]


@given(secret=st.text(min_size=1), body=st.text(), moment=st.integers(1, 10**12 - 1))
def test_a_signature_is_the_one_that_mlflow_makes(secret, body, moment):
    secret, body = (text.encode("utf-8", "replace").decode() for text in (secret, body))
    expected = mlflow_delivery._generate_hmac_signature(secret, "1f2e", str(moment), body)
    assert sign(secret, "1f2e", moment, body.encode()).decode() == expected


def test_the_headers_of_a_delivery_are_read():
    claim = read_claim(headers(), now=NOW)
    assert (claim.delivery, claim.timestamp) == ("1f2e-3d4c", NOW)
    assert is_signed(claim, BODY, [SECRET])


def test_any_of_several_secrets_may_have_signed():
    claim = read_claim(headers(), now=NOW)
    assert is_signed(claim, BODY, ["the new secret, which is first", SECRET])
    assert not is_signed(claim, BODY, ["the new secret, which is first"])
    assert not is_signed(claim, BODY, [])


@given(bit=st.integers(0, len(BODY) * 8 - 1))
def test_a_body_with_one_bit_changed_is_not_signed(bit):
    changed = bytearray(BODY)
    changed[bit // 8] ^= 1 << bit % 8
    assert not is_signed(read_claim(headers(), now=NOW), bytes(changed), [SECRET])


@given(bit=st.integers(0, 47 * 8 - 1))
def test_a_signature_with_one_bit_changed_is_refused(bit):
    changed = bytearray(sign(SECRET, "1f2e-3d4c", NOW, BODY))
    changed[bit // 8] ^= 1 << bit % 8
    claim = read_claim(headers(X_MLflow_Signature=bytes(changed)), now=NOW)
    assert isinstance(claim, Flaw) or not is_signed(claim, BODY, [SECRET])


def test_another_spelling_of_the_same_bytes_is_no_signature():
    text = sign(SECRET, "1f2e-3d4c", NOW, BODY)
    digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = digits.index(text[-2:-1])
    other = text[:-2] + digits[last ^ 1 : (last ^ 1) + 1] + b"="
    assert base64.b64decode(other[3:]) == base64.b64decode(text[3:])
    claim = read_claim(headers(X_MLflow_Signature=other), now=NOW)
    assert not is_signed(claim, BODY, [SECRET])


@pytest.mark.parametrize("moved", ["delivery", "timestamp"])
def test_the_id_and_the_time_are_signed_too(moved):
    values = {"delivery": "1f2e-3d4c", "timestamp": NOW}
    signature = sign(SECRET, body=BODY, **values)
    values[moved] = {"delivery": "other", "timestamp": NOW + 1}[moved]
    assert not is_signed(Claim(**values, signature=signature), BODY, [SECRET])


@pytest.mark.parametrize("seconds", [-TOLERANCE - 1, TOLERANCE + 1, 10**9])
def test_a_time_far_from_ours_is_stale(seconds):
    assert read_claim(headers(), now=NOW + seconds) is Flaw.STALE


@pytest.mark.parametrize("seconds", [-TOLERANCE, 0, TOLERANCE])
def test_a_time_near_ours_is_taken(seconds):
    assert isinstance(read_claim(headers(), now=NOW + seconds), Claim)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X_MLflow_Delivery_Id", None),
        ("X_MLflow_Delivery_Id", b""),
        ("X_MLflow_Delivery_Id", b"a" * 65),
        ("X_MLflow_Delivery_Id", b"a.b"),
        ("X_MLflow_Delivery_Id", b"a\n"),
        ("X_MLflow_Delivery_Id", "é".encode()),
        ("X_MLflow_Timestamp", None),
        ("X_MLflow_Timestamp", b"-1"),
        ("X_MLflow_Timestamp", b"0%d" % NOW),
        ("X_MLflow_Timestamp", b"%d.0" % NOW),
        ("X_MLflow_Timestamp", b" %d" % NOW),
        ("X_MLflow_Timestamp", "١٧٠٠٠٠٠٠٠٠".encode()),
        ("X_MLflow_Timestamp", b"9" * 5000),
        ("X_MLflow_Signature", b"v2," + b"A" * 43 + b"="),
        ("X_MLflow_Signature", b"v1," + b"A" * 44),
        ("X_MLflow_Signature", b"v1, " + b"A" * 43 + b"="),
        ("X_MLflow_Signature", b"v1," + b"A" * 10**5),
        ("X_MLflow_Signature", b"v1," + b"A" * 43 + b"= v1," + b"A" * 43 + b"="),
    ],
)
def test_a_header_of_another_form_is_refused(name, value):
    assert read_claim(headers(**{name: value}), now=NOW) is Flaw.MALFORMED


@pytest.mark.parametrize("name", [DELIVERY_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER])
def test_a_header_that_stands_twice_is_refused(name):
    twice = [pair for pair in headers() if pair[0] == name.lower().encode()]
    assert read_claim(headers() + twice, now=NOW) is Flaw.MALFORMED


def test_a_delivery_without_a_signature_is_told_apart():
    assert read_claim(headers(X_MLflow_Signature=None), now=NOW) is Flaw.UNSIGNED
    claim = read_claim(headers(X_MLflow_Signature=None), now=NOW, signed=False)
    assert claim == Claim("1f2e-3d4c", NOW)
