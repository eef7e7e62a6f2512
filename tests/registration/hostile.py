"""Deliveries that must be refused, and the status that each must be refused with."""

import json
import time
import uuid
from dataclasses import dataclass, field

from hypothesis import strategies as st

from mlflow_lime.registration.events import EVENTS
from mlflow_lime.registration.receiver import LONGEST_BODY
from mlflow_lime.registration.signature import TOLERANCE, sign

__all__ = ["SECRET", "Delivery", "body_of", "hostile"]

SECRET = "a-secret-of-the-tests-alone"


@dataclass(frozen=True)
class Delivery:
    """A request, and how it is to be answered; `codes` is empty where it is to be taken."""

    body: bytes
    kind: str = "valid"
    codes: tuple[int, ...] = ()
    secret: str = SECRET
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    age: float = 0.0
    length: int | None = -1
    """What Content-Length says; -1 for the truth, None for nothing (chunks)."""
    changes: tuple[tuple[bytes, bytes | None], ...] = ()
    flips: tuple[str, int] | None = None
    cut: int | None = None

    def headers(self):
        """Return the headers, signed now."""
        moment = int(time.time() - self.age)
        found = {
            b"content-type": b"application/json",
            b"x-mlflow-delivery-id": self.id.encode(),
            b"x-mlflow-timestamp": b"%d" % moment,
            b"x-mlflow-signature": sign(self.secret, self.id, moment, self.body),
        }
        if self.length is not None:
            size = len(self.sent()) if self.length == -1 else self.length
            found[b"content-length"] = b"%d" % size
        found |= dict(self.changes)
        if self.flips and self.flips[0] != "body":
            name = f"x-mlflow-{self.flips[0]}".encode()
            found[name] = _flipped(found[name], self.flips[1])
        return [(name, value) for name, value in found.items() if value is not None]

    def sent(self):
        """Return the body as it is sent."""
        if self.flips and self.flips[0] == "body":
            return _flipped(self.body, self.flips[1])
        return self.body if self.cut is None else self.body[: self.cut % len(self.body)]


def _flipped(value, bit):
    changed = bytearray(value)
    bit %= len(changed) * 8
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def body_of(name="credit-x", version="1", kind="model_version.created", **more):
    entity, _, action = kind.partition(".")
    data = {"name": name, "version": version, "source": "models:/m-1", "run_id": None, "tags": {}}
    content = {"entity": entity, "action": action, "timestamp": "2026-01-01T00:00:00+00:00"}
    return json.dumps({**content, "data": {**data, **more}}).encode()


names = st.text(min_size=1, max_size=20).map(lambda text: f"credit-{text}")
valid_bodies = st.builds(body_of, version=st.integers(1, 10**6).map(str))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def _is_event(body):
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and isinstance(content.get("data"), dict)


def _dumped(value):
    return json.dumps(value).encode()


def refused(kind, *codes, **parts):
    return st.builds(Delivery, kind=st.just(kind), codes=st.just(codes), **parts)


forged = refused(
    "forged", 401, body=valid_bodies, secret=st.text("abcdef0123456789", min_size=1, max_size=64)
)
flipped = refused(
    "flipped",
    401,
    body=valid_bodies,
    flips=st.tuples(
        st.sampled_from(["body", "signature", "delivery-id", "timestamp"]), st.integers(0, 2**16)
    ),
)
unsigned = refused(
    "unsigned",
    401,
    body=valid_bodies,
    changes=st.tuples(
        st.tuples(
            st.sampled_from(
                [b"x-mlflow-signature", b"x-mlflow-timestamp", b"x-mlflow-delivery-id"]
            ),
            st.none() | st.binary(max_size=80).map(lambda value: value.hex().encode()),
        )
    ),
)
truncated = refused("truncated", 401, body=valid_bodies, cut=st.integers(0, 10**4))
stale = refused(
    "stale",
    401,
    body=valid_bodies,
    age=st.floats(TOLERANCE + 5, 10**8) | st.floats(-(10**8), -TOLERANCE - 5),
)
oversized = st.builds(
    lambda extra, declared: Delivery(
        b" " * (LONGEST_BODY + extra), "oversized", (413,), length=-1 if declared else None
    ),
    st.integers(1, 5000),
    st.booleans(),
)
boastful = refused("boastful", 413, body=valid_bodies, length=st.integers(LONGEST_BODY + 1, 10**18))
no_json = refused(
    "no json",
    400,
    body=st.binary(max_size=400).filter(lambda body: not _is_event(body))
    | json_values.map(_dumped).filter(lambda body: not _is_event(body))
    | st.integers(1, 50_000).map(lambda depth: b"[" * depth)
    | valid_bodies.map(lambda body: body.decode().encode("utf-16"))
    | valid_bodies.map(lambda body: body[:-1]),
)
wrong_parts = refused(
    "wrong parts",
    400,
    body=st.builds(
        lambda kind, key, value: body_of(kind=kind, **{"alias": "champion", key: value}),
        st.sampled_from(["model_version.created", "model_version_alias.created"]),
        st.sampled_from(["name", "version"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.just("")
        | st.text(min_size=257, max_size=300)
        | st.just("1\n")
        | st.just("\ud800")
        | st.lists(st.integers(), max_size=2),
    ),
)
wrong_version = refused(
    "wrong version",
    400,
    body=st.builds(
        body_of, version=st.sampled_from(["0", "-1", "1.0", "01", "1 ", "٣", "9" * 19, "latest"])
    ),
)
unknown = refused(
    "unknown event",
    422,
    body=st.builds(
        body_of,
        kind=st.from_regex(r"\A[a-z_]{1,20}\.[a-z_]{1,20}\Z").filter(
            lambda kind: kind not in EVENTS
        )
        | st.sampled_from(["model_version.deleted", "Model_version.created", "run.created"]),
    ),
)
other_type = refused(
    "other type",
    415,
    body=valid_bodies,
    changes=st.tuples(
        st.tuples(
            st.just(b"content-type"),
            st.sampled_from(
                [None, b"text/plain", b"application/x-www-form-urlencoded", b"json", b""]
            ),
        )
    ),
)
replayed = refused("replayed", 409, body=valid_bodies, id=st.just("seen-before"))

hostile = st.one_of(
    forged,
    flipped,
    unsigned,
    truncated,
    stale,
    oversized,
    boastful,
    no_json,
    wrong_parts,
    wrong_version,
    unknown,
    other_type,
    replayed,
)
