"""Numbers of a running process, in the text format that Prometheus reads."""

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["CONTENT_TYPE", "Counter", "Histogram", "gauge_lines"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Counter:
    """A number that only grows, one for each combination of labels.

    Parameters
    ----------
    name, about : str
    labels : sequence of str
        Names of the labels; their values must come from a small fixed set.

    Examples
    --------
    >>> counter = Counter("hits_total", "Hits.", ["status"])
    >>> counter.add("202"), counter.add("202")
    (None, None)
    >>> list(counter.lines())[-1]
    'hits_total{status="202"} 2'
    """

    def __init__(self, name: str, about: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self.about = about
        self.labels = tuple(labels)
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0}
        self._lock = threading.Lock()

    def add(self, *values: str, amount: float = 1) -> None:
        """Count once, or `amount` times."""
        with self._lock:
            self._values[values] = self._values.get(values, 0) + amount

    def value(self, *values: str) -> float:
        """Return what was counted."""
        return self._values.get(values, 0)

    def lines(self) -> Iterable[str]:
        """Yield the lines of the text format."""
        with self._lock:
            values = sorted(self._values.items())
        yield from _head(self.name, self.about, "counter")
        for labels, value in values:
            yield f"{self.name}{_marks(dict(zip(self.labels, labels, strict=True)))} {value:.15g}"


class Histogram:
    """How many observations lie below each bound.

    Parameters
    ----------
    name, about : str
    bounds : sequence of float
        Upper bounds, growing.

    Examples
    --------
    >>> histogram = Histogram("seconds", "Time.", [0.1, 1])
    >>> histogram.observe(0.5)
    >>> list(histogram.lines())[2:]
    ['seconds_bucket{le="0.1"} 0', 'seconds_bucket{le="1"} 1', 'seconds_bucket{le="+Inf"} 1', \
'seconds_sum 0.5', 'seconds_count 1']
    """

    def __init__(self, name: str, about: str, bounds: Sequence[float]) -> None:
        self.name = name
        self.about = about
        self.bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._lock = threading.Lock()

    def observe(self, value: float) -> None:
        """Add an observation."""
        with self._lock:
            self._counts[bisect_left(self.bounds, value)] += 1
            self._sum += value

    def lines(self) -> Iterable[str]:
        """Yield the lines of the text format."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        yield from _head(self.name, self.about, "histogram")
        below = 0
        for bound, count in zip([*map("{:g}".format, self.bounds), "+Inf"], counts, strict=True):
            below += count
            yield f'{self.name}_bucket{{le="{bound}"}} {below}'
        yield f"{self.name}_sum {total:.9g}"
        yield f"{self.name}_count {below}"


def gauge_lines(name: str, about: str, values: Mapping[str, float], *, label: str) -> Iterable[str]:
    """Yield the lines of a number that goes up and down, one for each value of a label.

    Examples
    --------
    >>> list(gauge_lines("jobs", "Jobs.", {"waiting": 3}, label="state"))[-1]
    'jobs{state="waiting"} 3'
    """
    yield from _head(name, about, "gauge")
    for key, value in values.items():
        yield f"{name}{_marks({label: key} if label else {})} {value:.15g}"


def _head(name: str, about: str, kind: str) -> Iterable[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"


def _marks(labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
