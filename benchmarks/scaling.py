"""What engines cost, how they scale on this machine, and what that foretells of larger ones.

``python benchmarks/scaling.py throughput [--n 10000] [--repeats 2]`` explains the same instances on
every engine. ``python benchmarks/scaling.py costs [--master local[2,4]]`` measures the terms of the
cost model of docs/scaling.md, and prints what they foretell; on a cluster of your own, name its
master. ``python benchmarks/scaling.py review --n 100000`` explains and compares two registered
versions on a large reference set, and prints time and memory of the driver. Run them on a quiet
machine, with ``OMP_NUM_THREADS=1``.
"""

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Any

import mlflow
import numpy as np
import psutil
from empty_work import Empty, Nothing
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from workloads import verdict

from mlflow_lime import parse_config
from mlflow_lime.core.layout import Layout
from mlflow_lime.engine.cutting import Cutter
from mlflow_lime.engine.processes import Processes
from mlflow_lime.engine.spark.engine import Spark
from mlflow_lime.engine.threads import Threads
from mlflow_lime.reference.portion import Portion
from mlflow_lime.reference.reference_set import ReferenceSet
from mlflow_lime.tracking.answering import Answering, answering_of
from mlflow_lime.tracking.columns import describe_background
from mlflow_lime.tracking.comparison import compare_versions
from mlflow_lime.tracking.data import load_background
from mlflow_lime.tracking.questions import load_scorer
from mlflow_lime.tracking.review import review_version

MODELS = {
    "forest": lambda: RandomForestClassifier(100, random_state=0),
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
}
TAIL = 2.0
"""Seconds of the last task, which others wait for."""


class Job:
    """Instances like those of the breast cancer data, and a model that is saved."""

    def __init__(self, folder: Path, model: str, n: int) -> None:
        frame, target = load_breast_cancer(return_X_y=True, as_frame=True)
        self.uri = str(folder / model)
        if not Path(self.uri).exists():
            mlflow.sklearn.save_model(
                MODELS[model]().fit(frame, target),
                self.uri,
                serialization_format="cloudpickle",
                input_example=frame.head(2),
                pip_requirements=["mlflow"],
            )
        random = np.random.default_rng(0)
        many = frame.sample(n, replace=True, random_state=0).reset_index(drop=True)
        many *= 1 + random.normal(0, 0.01, many.shape)
        self.scorer = load_scorer(self.uri, parse_config({}), frame.head(2))
        known = load_background(frame, max_rows=1000, seed=0)
        layout = Layout.of_table(describe_background(known, parse_config({}), self.scorer, None))
        pinned = ReferenceSet.pin(many, layout, positions=range(n), reasons=["random"] * n)
        self.reference = pinned.with_labels([("1",)] * n)

    def work(self, rows: int, *, here: bool = False) -> Answering:
        """Return what is done, with the model where it is done here."""
        config = parse_config({"sampling": {"rows": rows, "max_rows": rows}})
        return answering_of(self.uri, config, self.reference, self.scorer if here else None)

    def tasks(self, n: int, workers: int) -> Cutter[Portion]:
        """Return the instances in tasks."""
        return Cutter(range(n), lambda rows: Portion.of(self.reference, rows), workers)


@dataclass
class Ran:
    """One job on one engine."""

    seconds: float
    first: float
    rate: float
    digest: str
    driver: float
    java: float
    tasks: int


def java_seconds() -> float:
    """Return the CPU seconds of Java machines below this process, without their workers'."""
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        if child.name() == "java":
            used = child.cpu_times()
            total += used.user + used.system
    return total


def ran(engine: Any, work: Any, job: Job, n: int) -> Ran:
    """Explain n instances, and return how fast: of all, and once every worker is busy."""
    started, cpu, java = time.perf_counter(), time.process_time(), java_seconds()
    cutter = job.tasks(n, engine.workers)
    lines: list[bytes] = []
    ends: list[tuple[float, int]] = []
    with closing(engine.run(work, iter(cutter))) as results:
        for result in results:
            lines += result.lines
            cutter.record(result.size, result.seconds)
            ends.append((time.perf_counter() - started, len(lines)))
    busy = next(end for end in ends if end[1] >= n // 20)
    return Ran(
        seconds=ends[-1][0],
        first=ends[0][0],
        rate=(ends[-1][1] - busy[1]) / (ends[-1][0] - busy[0]),
        digest=hashlib.sha256(b"\n".join(sorted(lines))).hexdigest()[:12],
        driver=time.process_time() - cpu,
        java=java_seconds() - java,
        tasks=len(ends),
    )


def engines() -> Iterator[tuple[str, Any]]:
    yield "one process", Processes(1)
    yield "two processes", Processes(2)
    for cores in (1, 2):
        spark = Spark({"spark.master": f"local[{cores},4]", "spark.log.level": "ERROR"})
        yield f"Spark local[{cores}]", spark
        spark.close()


def throughput(folder: Path, model: str, n: int, rows: int, repeats: int) -> None:
    job = Job(folder, model, n)
    found: dict[str, list[Ran]] = {}
    for _ in range(repeats):
        for name, engine in engines():
            found.setdefault(name, []).append(ran(engine, job.work(rows), job, n))
    print(f"{n:,} instances of 30 features, {rows} rows each, {model}")
    print(f"{'':18}{'job s':>8}{'first s':>9}{'instances/s once all are busy':>32}{'digest':>15}")
    for name, runs in found.items():
        best = {key: median(getattr(run, key) for run in runs) for key in ("seconds", "first")}
        rate = median(run.rate for run in runs)
        print(
            f"{name:18}{best['seconds']:8.1f}{best['first']:9.1f}{rate:32.1f}{runs[0].digest:>15}"
        )
    rates = {name: median(run.rate for run in runs) for name, runs in found.items()}
    whole = {name: median(n / run.seconds for run in runs) for name, runs in found.items()}
    for label, values in (("once all are busy", rates), ("whole job, with its start", whole)):
        share = values["Spark local[2]"] / values["two processes"]
        twice = values["Spark local[2]"] / values["Spark local[1]"]
        local = values["two processes"] / values["one process"]
        print(f"{label}: Spark / local, two workers {share:.2f}", verdict(share >= 0.85))
        print(f"{label}: two Spark workers / one {twice:.2f}", verdict(twice >= 1.8))
        print(f"{label}: two processes / one {local:.2f}")
    digests = {run.digest for runs in found.values() for run in runs}
    print("the same bits from every engine", verdict(len(digests) == 1))


def costs(folder: Path, model: str, n: int, master: str) -> None:
    job = Job(folder, model, n)
    work_seconds: dict[int, float] = {}
    lists = (128, 256, 512, 1024)
    for rows in lists:
        few = max(50, n * 128 // (rows * 4))
        runs = [ran(Threads(1), job.work(rows, here=True), job, few) for _ in range(3)]
        work_seconds[rows] = median(run.seconds for run in runs) / few
    per_row, per_instance = np.polyfit(lists, [work_seconds[rows] for rows in lists], 1)
    off = max(abs(per_instance + per_row * r - s) / s for r, s in work_seconds.items())
    spark = Spark({"spark.master": master, "spark.log.level": "ERROR"})
    started = time.perf_counter()
    workers = spark.workers
    session = time.perf_counter() - started
    cold = ran(spark, job.work(ROWS), job, n // 4)
    warm = ran(spark, job.work(ROWS), job, n)
    per_job, job_cpu = empty(spark, 400)
    spark.close()
    driver = max(0.0, (warm.driver + warm.java - warm.tasks * job_cpu) / n)
    size = sum(len(line) for line in job.work(ROWS, here=True).open()(job_portion(job, 50))) / 50
    print(f"measured on {master} ({workers} workers), {model}, {n:,} instances, in milliseconds")
    print(f"  a model row                           {1e3 * per_row:10.4f}")
    print(f"  an instance beside its rows           {1e3 * per_instance:10.3f}")
    print(f"  (largest error of this line: {100 * off:.0f} % of {list(work_seconds)} rows)")
    print(f"  a task without work                   {1e3 * per_job:10.1f}")
    print(f"  the same, CPU of driver and Java      {1e3 * job_cpu:10.1f}")
    print(f"  an instance, CPU of driver and Java   {1e3 * driver:10.3f}")
    print(f"  start: session {session:.1f} s, first results {cold.first:.1f} s later")
    print(f"  an explanation is {size:,.0f} bytes")
    model_of = CostModel(session + cold.first, job_cpu, per_instance, per_row, driver)
    foretold = model_of.seconds(n, ROWS, workers) - model_of.start
    print(f"  foretold for the warm job: {foretold:.1f} s; it took {warm.seconds:.1f} s")
    print(f"\nforetold for 1,000,000 instances of {ROWS} rows")
    print(f"{'workers':>9}{'seconds':>10}{'work':>9}{'driver':>9}{'efficiency':>12}")
    for w in (1, 2, 10, 100, 1000):
        total = model_of.seconds(10**6, ROWS, w)
        work = model_of.work(10**6, ROWS, w)
        share = model_of.work(10**6, ROWS, 1) / w / total
        print(
            f"{w:9}{total:10,.0f}{work:9,.0f}{model_of.driving(10**6, ROWS, w):9,.0f}{share:12.2f}"
        )


def empty(spark: Spark, n: int) -> tuple[float, float]:
    """Return the wall seconds of a task without work, and the CPU of driver and Java."""
    for _ in spark.run(Nothing(), (Empty(i) for i in range(n // 4))):
        pass
    before = time.perf_counter(), time.process_time(), java_seconds()
    for _ in spark.run(Nothing(), (Empty(i) for i in range(n))):
        pass
    cpu = time.process_time() - before[1] + java_seconds() - before[2]
    return (time.perf_counter() - before[0]) / n, cpu / n


def reviewed(folder: Path, model: str, n: int, rows: int) -> None:
    """Explain two registered versions on n instances, compare them, and print time and memory."""
    frame, target = load_breast_cancer(return_X_y=True, as_frame=True)
    random = np.random.default_rng(0)
    many = frame.sample(n, replace=True, random_state=0).reset_index(drop=True)
    many *= 1 + random.normal(0, 0.01, many.shape)
    many.to_parquet(folder / "instances.parquet", index=False)
    del many
    for seed in (0, 1):
        few = frame.sample(400, random_state=seed).index
        with mlflow.start_run():
            mlflow.sklearn.log_model(
                MODELS[model]().fit(frame.loc[few], target[few]),
                name="model",
                registered_model_name="large",
                serialization_format="cloudpickle",
                input_example=frame.head(2),
                pip_requirements=["mlflow"],
            )
    config = parse_config(
        {
            "data": {"source": str(folder / "instances.parquet")},
            "reference": {"pick": "random", "count": n},
            "sampling": {"rows": rows, "max_rows": rows},
            "report": {"compare": False},
        }
    )
    one = parse_config({"data": {"source": str(folder / "instances.parquet")}})
    review_version("models:/large/1", one)  # so that everything is imported
    print(f"{n:,} instances of 30 features, {rows} rows each, {model}; memory of the driver")
    start = psutil.Process().memory_info().rss
    for version in (1, 2):
        with Peak() as peak:
            started = time.perf_counter()
            review_version(f"models:/large/{version}", config, new_set=version == 1)
            seconds = time.perf_counter() - started
        grown = (peak.highest - start) / 2**20
        print(
            f"  version {version} explained, measured and logged: {seconds:.0f} s, +{grown:.0f} MB"
        )
    with Peak() as peak:
        started = time.perf_counter()
        compare_versions("models:/large/2", "previous", config)
        seconds = time.perf_counter() - started
    grown = (peak.highest - start) / 2**20
    print(f"  compared, with the page: {seconds:.1f} s, +{grown:.0f} MB")


class Peak:
    """The most memory of this process, looked at 20 times a second."""

    def __enter__(self) -> "Peak":
        self.highest = 0
        self._over = Event()
        self._thread = Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        process = psutil.Process()
        while not self._over.wait(0.05):
            self.highest = max(self.highest, process.memory_info().rss)


def job_portion(job: Job, n: int) -> Portion:
    return Portion.of(job.reference, range(n))


@dataclass
class CostModel:
    """Seconds of a job: see docs/scaling.md.

    Attributes
    ----------
    start, job, instance, row, driver : float
        Seconds of the start; of one of Spark's jobs on the driver; of an instance beside its rows;
        of a model row; of an instance on the driver.
    """

    start: float
    job: float
    instance: float
    row: float
    driver: float

    def work(self, n: int, rows: int, workers: int) -> float:
        """Return the seconds that each worker is busy."""
        return n * (self.instance + rows * self.row) / workers

    def driving(self, n: int, rows: int, workers: int) -> float:
        """Return the seconds that the driver is busy: a job holds a quarter of the workers."""
        jobs = self.work(n, rows, 1) / TAIL / max(1, workers // 4)
        return n * self.driver + jobs * self.job

    def seconds(self, n: int, rows: int, workers: int) -> float:
        """Return the seconds of a job."""
        busy = max(self.work(n, rows, workers), self.driving(n, rows, workers))
        return self.start + busy + min(TAIL, busy) / 2


ROWS = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["throughput", "costs", "review"])
    parser.add_argument("--model", choices=list(MODELS), default="forest")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--master", default="local[2,4]")
    chosen = parser.parse_args()
    # Workers find the empty work beside this file as well.
    here = str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        if chosen.what == "throughput":
            throughput(Path(folder), chosen.model, chosen.n, chosen.rows, chosen.repeats)
        elif chosen.what == "review":
            reviewed(Path(folder), chosen.model, chosen.n, chosen.rows)
        else:
            costs(Path(folder), chosen.model, chosen.n, chosen.master)


if __name__ == "__main__":
    main()
