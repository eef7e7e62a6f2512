"""The application that takes MLflow's webhooks: verify, answer, and queue; nothing else.

What a delivery is refused for, in the order of the checks; nothing of a body is read before the
headers are in order, and nothing of it is parsed before its signature holds:

====  ==============================================================================
413   it says that it is longer than `LONGEST_BODY`, or is when it comes
415   it is not ``application/json``
401   no signature, headers of another form, a timestamp that is too old or in the
      future, or a signature of none of the secrets
408   its body does not come
400   it is not JSON in UTF-8, or has other parts than MLflow sends
422   it has the form of an event, but MLflow sends no such event
409   it came before
503   the queue cannot be written, or too many wait for it: MLflow sends it again
====  ==============================================================================

Everything else is answered with 202 and a ``status``: ``queued``, ``known`` (the version has a
job already), or ``ignored`` and why.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from mlflow_lime.registration.events import (
    EventError,
    Ignored,
    UnknownEventError,
    offer_of,
    read_event,
)
from mlflow_lime.registration.exposition import CONTENT_TYPE, Counter, Histogram, gauge_lines
from mlflow_lime.registration.job import Offer, State
from mlflow_lime.registration.plans import Plans
from mlflow_lime.registration.queue import JobQueue
from mlflow_lime.registration.signature import TOLERANCE, Flaw, is_signed, read_claim

__all__ = ["LONGEST_BODY", "PATH", "Answer", "Deliveries", "create_app"]

PATH = "/webhook"
LONGEST_BODY = 256 * 1024
"""Bytes of the longest body that is read."""
MOST_WAITING = 256
"""Deliveries that wait for the queue at most."""
PATIENCE = 10.0
"""Seconds that a body may take to come, and a delivery to be written."""
PROBE_PATIENCE = 2.0
"""Seconds that the queue may take to say how it is."""
PROBE_AGE = 1.0
"""Seconds for which what the queue said is told again."""
QUIET_SECONDS = 60.0
"""Seconds between two lines in the log about refusals of one kind."""

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to one delivery.

    Attributes
    ----------
    code : int
        Status of HTTP.
    status : str
        ``queued``, ``known``, ``ignored``, ``refused``, or ``unavailable``.
    reason : str
        Why, in one word; empty where it was queued.
    text : str
        Why, in a sentence.
    """

    code: int
    status: str
    reason: str = ""
    text: str = ""

    def body(self) -> bytes:
        """Return it as JSON."""
        parts = {"status": self.status, "reason": self.reason, "text": self.text}
        return json.dumps({key: value for key, value in parts.items() if value}).encode()


def _refused(code: int, reason: str, text: str) -> Answer:
    return Answer(code, "refused", reason, text)


def _ignored(why: Ignored, text: str) -> Answer:
    return Answer(202, "ignored", why.value, text)


_QUEUED = Answer(202, "queued")
_KNOWN = Answer(202, "known", text="This version has a job already.")
_TOO_LARGE = _refused(413, "too_large", f"The body is longer than {LONGEST_BODY} bytes.")
_NOT_JSON_TYPE = _refused(415, "content_type", "Expected Content-Type: application/json.")
_FORGED = _refused(401, "signature", "The signature is none of the configured secret.")
_SLOW = _refused(408, "slow", f"The body did not come within {PATIENCE:g} seconds.")
_CUT = _refused(400, "cut", "The connection ended before the body did.")
_NO_EVENT = _refused(400, "malformed_body", "The body is not an event as MLflow sends it.")
_UNKNOWN = _refused(422, "unknown_event", "MLflow sends no such event.")
_REPLAYED = _refused(409, "replayed", "This delivery came before.")
_FLAWS = {
    Flaw.UNSIGNED: _refused(401, "unsigned", "The delivery has no signature."),
    Flaw.MALFORMED: _refused(401, "malformed_headers", "Expected the X-MLflow-... headers once."),
    Flaw.STALE: _refused(
        401, "stale", "The timestamp is too old or in the future; see the clocks."
    ),
}
_IGNORED = {
    Ignored.TEST: _ignored(Ignored.TEST, "This is MLflow's test; a real version would be queued."),
    Ignored.EVENT: _ignored(Ignored.EVENT, "Nothing to explain comes with this event."),
    Ignored.MODEL: _ignored(Ignored.MODEL, "No pattern names this model."),
    Ignored.ALIAS: _ignored(Ignored.ALIAS, "The configuration waits for another alias."),
    Ignored.PROMPT: _ignored(Ignored.PROMPT, "A prompt is not explained."),
}
_FULL = Answer(503, "unavailable", "full", "Too many deliveries wait for the queue.")
_UNWRITABLE = Answer(503, "unavailable", "queue", "The queue cannot be written.")


class Deliveries:
    """What happens to deliveries; one for a process.

    Parameters
    ----------
    plans : Plans
    queue : JobQueue
    secrets : sequence of str
        Each of them may have signed a delivery; none for any sender at all.
    tolerance : float
        Seconds that the clock of the sender may be before or behind ours.
    """

    def __init__(
        self, plans: Plans, queue: JobQueue, *, secrets: Sequence[str], tolerance: float = TOLERANCE
    ) -> None:
        self.plans = plans
        self.queue = queue
        self.tolerance = tolerance
        self._secrets = tuple(secrets)
        # An id must be remembered for as long as its timestamp is taken, which may begin in the
        # future, and for some more where a clock is set back a little.
        self._keep = 2 * tolerance + 300.0
        # One thread: the queue takes one writer at a time, and its connections stay open.
        self._writer = ThreadPoolExecutor(1, "mlflow-lime deliveries")
        self._waiting = 0
        self._told: dict[str, tuple[float, int]] = {}
        self.answered = Counter(
            "mlflow_lime_deliveries_total", "Deliveries answered.", ["code", "status", "reason"]
        )
        self.seconds = Histogram(
            "mlflow_lime_delivery_seconds", "Seconds from the headers to the answer.", _BOUNDS
        )

    async def take(self, request: Request) -> Response:
        """Answer one delivery."""
        began = time.perf_counter()
        answer = await self._answer(request)
        self.seconds.observe(time.perf_counter() - began)
        self.answered.add(str(answer.code), answer.status, answer.reason)
        if answer.code >= 400:
            self._tell(answer)
        return Response(answer.body(), answer.code, media_type="application/json")

    def close(self) -> None:
        """Wait for what is being written."""
        self._writer.shutdown(wait=True, cancel_futures=True)

    async def _answer(self, request: Request) -> Answer:
        early = _flaw_of_form(request)
        if early is not None:
            return early
        claim = read_claim(
            request.scope["headers"],
            now=time.time(),
            tolerance=self.tolerance,
            signed=bool(self._secrets),
        )
        if isinstance(claim, Flaw):
            return _FLAWS[claim]
        body = await _read_body(request)
        if isinstance(body, Answer):
            return body
        if self._secrets and not is_signed(claim, body, self._secrets):
            return _FORGED
        try:
            event = read_event(body)
        except EventError:
            return _NO_EVENT
        except UnknownEventError:
            return _UNKNOWN
        offer = offer_of(event, self.plans)
        if isinstance(offer, Ignored):
            return _IGNORED[offer]
        return await self._queue(claim.delivery, offer)

    async def _queue(self, delivery: str, offer: Offer) -> Answer:
        if self._waiting >= MOST_WAITING:
            return _FULL
        self._waiting += 1
        accept = partial(self.queue.accept, delivery, [offer], keep_seconds=self._keep)
        writing = asyncio.get_running_loop().run_in_executor(self._writer, accept)
        writing.add_done_callback(self._written)
        try:
            # What is being written goes on; if it ends well, the next delivery is a repetition.
            added = await asyncio.wait_for(asyncio.shield(writing), PATIENCE)
        except Exception:  # whatever it is, MLflow is to send it again
            return _UNWRITABLE
        if added is None:
            return _REPLAYED
        return _QUEUED if added else _KNOWN

    def _written(self, writing: "asyncio.Future[int | None]") -> None:
        self._waiting -= 1
        if not writing.cancelled() and writing.exception() is not None:
            self._note(
                "error", f"a delivery cannot be queued: {type(writing.exception()).__name__}"
            )

    def _tell(self, answer: Answer) -> None:
        self._note(answer.reason, f"refused with {answer.code}: {answer.text}")

    def _note(self, kind: str, text: str) -> None:
        """Write a line about one kind of refusal, and how many more there were, now and then."""
        now = time.monotonic()
        last, more = self._told.get(kind, (-QUIET_SECONDS, 0))
        if now - last < QUIET_SECONDS:
            self._told[kind] = (last, more + 1)
            return
        self._told[kind] = (now, 0)
        _LOG.warning("%s%s", text, f" ({more} more of these before)" if more else "")


def _flaw_of_form(request: Request) -> Answer | None:
    """Return what is wrong before any header of MLflow's own is read."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared[:20]) > LONGEST_BODY:
        return _TOO_LARGE
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return None if kind == "application/json" else _NOT_JSON_TYPE


async def _read_body(request: Request) -> bytes | Answer:
    """Return the body; reading ends where it is too long, whatever it said of its length."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(PATIENCE):
            async for part in request.stream():
                size += len(part)
                if size > LONGEST_BODY:
                    return _TOO_LARGE
                parts.append(part)
    except TimeoutError:
        return _SLOW
    except ClientDisconnect:
        return _CUT
    return b"".join(parts)


class _Probe:
    """Asks the queue how it is, in a thread of its own, and at most once at a time."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._thread = ThreadPoolExecutor(1, "mlflow-lime probe")
        self._asking: asyncio.Future[dict[State, int]] | None = None
        self._asked = 0.0

    async def counts(self) -> dict[State, int] | None:
        """Return the number of jobs in each state; None where the queue cannot be written."""
        now = time.monotonic()
        if self._asking is None or (self._asking.done() and now - self._asked > PROBE_AGE):
            self._asked = now
            loop = asyncio.get_running_loop()
            self._asking = loop.run_in_executor(self._thread, self._queue.ledger.probe)
            self._asking.add_done_callback(lambda asked: asked.cancelled() or asked.exception())
        try:
            return await asyncio.wait_for(asyncio.shield(self._asking), PROBE_PATIENCE)
        except Exception:  # a full disk, a lock, a file that is gone: all mean the same here
            return None

    def close(self) -> None:
        """End the thread; the queue must not be closed under it."""
        self._thread.shutdown(wait=True, cancel_futures=True)


def create_app(
    deliveries: Deliveries,
    *,
    troubles: Callable[[], Iterable[str]] = tuple,
    counters: Iterable[Counter] = (),
) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    deliveries : Deliveries
    troubles : callable, optional
        Returns why the process is not ready, beside what the queue says: a sentence each.
    counters : iterable of Counter, optional
        Shown with the metrics.

    Returns
    -------
    FastAPI
        Call ``app.state.close()`` when it has served, before the queue is closed.
    """
    app = FastAPI(
        title="mlflow-lime", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    probe = _Probe(deliveries.queue)
    shown = tuple(counters)

    async def health(request: Request) -> Response:
        return _json({"status": "alive"})

    async def ready(request: Request) -> Response:
        reasons = list(troubles())
        if await probe.counts() is None:
            reasons.append("the queue cannot be written")
        if reasons:
            return _json({"status": "not ready", "reasons": reasons}, code=503)
        return _json({"status": "ready"})

    async def metrics(request: Request) -> Response:
        counts = await probe.counts()
        lines = [*deliveries.answered.lines(), *deliveries.seconds.lines()]
        for counter in shown:
            lines.extend(counter.lines())
        lines.extend(_queue_lines(counts))
        return Response("\n".join(lines) + "\n", media_type=CONTENT_TYPE)

    def close() -> None:
        probe.close()
        deliveries.close()

    app.add_route(PATH, deliveries.take, methods=["POST"])
    app.add_route("/health", health, methods=["GET"])
    app.add_route("/ready", ready, methods=["GET"])
    app.add_route("/metrics", metrics, methods=["GET"])
    app.state.close = close
    return app


def _json(content: object, *, code: int = 200) -> Response:
    return Response(json.dumps(content), code, media_type="application/json")


def _queue_lines(counts: dict[State, int] | None) -> Iterable[str]:
    writable = {"": float(counts is not None)}
    yield from gauge_lines(
        "mlflow_lime_queue_writable", "Whether the queue can be written.", writable, label=""
    )
    if counts is not None:
        values = {state.value: float(number) for state, number in counts.items()}
        yield from gauge_lines("mlflow_lime_jobs", "Jobs of this queue.", values, label="state")
