"""Memory and time of every step after the model has answered, for a large reference set.

Instances of 30 features are pinned, stored and read; two versions' explanations of them, real ones
of one model at 256 rows whose weights and replicates are perturbed, go through the journal, the
aggregates and the files, a sqlite store of MLflow, the comparison, and the page. For each step:
seconds of wall and of processor time, the growth of the peak of resident memory over its level
before the first step (while the step runs), and what is resident after it.

Run ``python benchmarks/large_sets.py [n_instances] [--folder FOLDER]``.
"""

import argparse
import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlflow_lime import TabularExplainer, names
from mlflow_lime.checks.check import Evidence
from mlflow_lime.checks.registry import run_checks
from mlflow_lime.compare.compare import compare_explanations, drift_metrics
from mlflow_lime.config import Config
from mlflow_lime.core.explanation import Explanation
from mlflow_lime.core.layout import Layout
from mlflow_lime.core.options import Sampling
from mlflow_lime.core.packed import pack
from mlflow_lime.core.stored import StoredOutcomes, blocks
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.journal import Journal
from mlflow_lime.reference.pick import pick_instances
from mlflow_lime.reference.reference_set import ReferenceSet
from mlflow_lime.report.drift_items import drift_items
from mlflow_lime.tracking.answers import Answers
from mlflow_lime.tracking.gathering import gather_content
from mlflow_lime.tracking.log import Destination, write_items
from mlflow_lime.tracking.logged_explanations import load_outcomes
from mlflow_lime.tracking.reporting import report_items
from mlflow_lime.tracking.reviewed import Reviewed
from mlflow_lime.tracking.versions import ModelVersionRef

ROWS = 256
MODELS = 200
"""Instances that are explained in earnest; the others are made from them."""

Found = TypeVar("Found")


def resident(field: str) -> float:
    """Return resident memory in MB: now (``VmRSS``), or at its peak (``VmHWM``)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return float("nan")


class Steps:
    """Measures steps, each from a fresh peak."""

    def __init__(self) -> None:
        gc.collect()
        self.base = resident("VmRSS")
        self.peak = 0.0
        print(f"{'step':<44}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}{'after MB':>9}")

    def __call__(self, name: str, work: Callable[[], Found]) -> Found:
        """Do a step, and print what it took."""
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        began, spent = time.perf_counter(), time.process_time()
        found = work()
        wall, cpu = time.perf_counter() - began, time.process_time() - spent
        peak, after = resident("VmHWM") - self.base, resident("VmRSS") - self.base
        self.peak = max(self.peak, peak)
        print(f"{name:<44}{wall:>8.1f}{cpu:>8.1f}{peak:>+9.0f}{after:>+9.0f}", flush=True)
        return found


def data(n: int) -> tuple[pd.DataFrame, Any]:
    """Return n rows like those of breast cancer, and a model of it."""
    table = load_breast_cancer(as_frame=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(table.data, table.target)
    random = np.random.default_rng(0)
    rows = table.data.iloc[random.integers(0, len(table.data), n)]
    noise = random.normal(1.0, 0.01, size=rows.shape)
    return (rows * noise).reset_index(drop=True), model


def models_of(frame: pd.DataFrame, model: Any) -> list[Explanation]:
    """Return real explanations of the first rows."""
    explainer = TabularExplainer(
        frame.head(500), model.predict_proba, sampling=Sampling(rows=ROWS, max_rows=ROWS)
    )
    return [item for item in explainer.explain(frame.head(MODELS)) if isinstance(item, Explanation)]


def version(
    reference: ReferenceSet, models: list[Explanation], seed: int, moved: float
) -> Iterator[Explanation]:
    """Yield an explanation of every instance, in part moved away from what it was made from."""
    random = np.random.default_rng(seed)
    for i, (key, digest) in enumerate(zip(reference.keys, reference.digests, strict=True)):
        made = models[i % len(models)]
        label = made.labels[0]
        scale = np.abs(label.weights).max() * (0.02 + moved * (i % 3 == 0))
        shift = random.normal(size=label.weights.shape) * scale
        fits = label.replicate_weights
        changed = replace(
            label,
            weights=label.weights + shift,
            low=label.low + shift,
            high=label.high + shift,
            replicate_weights=fits + shift + random.normal(size=fits.shape) * scale / 20,
            partial_r2=max(label.partial_r2, 0.5),  # so that all are compared
        )
        yield replace(made, key=key, digest=digest, labels=(changed, *made.labels[1:]))


def stored(journal: Journal, explanations: Iterator[Explanation]) -> None:
    """Put explanations into a journal, a hundred at a time."""
    for block in blocks(map(pack, explanations), 100):
        journal.add_packed(block)


def logged(answers: Answers, config: Config, run_id: str, client: MlflowClient) -> None:
    """Measure and log what there is to log of a review."""
    items = answers.measured(config).items(config, title="credit/1", seconds=1.0)
    write_items(client, items, Destination(run_id, timestamp=1))


def presented(run_id: str, config: Config, client: MlflowClient) -> None:
    """Write the page of a review."""
    reviewed = Reviewed(
        ModelVersionRef(uri=f"runs:/{run_id}", run_id=run_id), client.get_run(run_id)
    )
    content = gather_content(reviewed, client)
    write_items(client, report_items(content, config), Destination(run_id, timestamp=1))


def compared(
    before: StoredOutcomes, after: StoredOutcomes, config: Config, run_id: str, other: str
) -> None:
    """Compare two versions, and log what there is to log of it."""
    drift = compare_explanations(before[0], after[0], most=config.outputs.max_instances)
    items = drift_items(drift, baseline="credit/1", baseline_run=other)
    write_items(MlflowClient(), items, Destination(run_id, timestamp=1))
    found = drift_metrics(drift)
    print(
        f"  {found['drift_instances']:.0f} compared, {found['drift_untrusted']:.0f} left out, "
        f"{found['drift_changed_share']:.1%} changed, p = {drift.p_value:.2g}"
    )


def pinned(frame: pd.DataFrame, n: int) -> tuple[ReferenceSet, dict[str, bytes]]:
    """Pick n rows, pin them, and return the set and its files."""
    picked = pick_instances(frame, "random", count=n)
    reference = ReferenceSet.pin(
        frame.iloc[list(picked.positions)],
        Layout.of_table(Background.from_frame(frame.head(5000))),
        positions=picked.positions,
        reasons=picked.reasons,
    ).with_labels([("1",)] * n)
    return reference, reference.files()


def main(n: int, folder: Path) -> None:
    """Run all steps in a folder."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(uri)
    mlflow.set_tracking_uri(uri)
    experiment = client.create_experiment("large", artifact_location=str(folder / "artifacts"))
    runs = [str(client.create_run(experiment).info.run_id) for _ in range(2)]
    config = Config.model_validate(
        {"metrics": {"faithfulness": False, "realism": False, "sensitivity": 0}}
    )
    frame, model = data(n)
    models = models_of(frame, model)
    steps = Steps()
    print(f"{n:,} instances of {frame.shape[1]} features")
    reference, files = steps("pin, and make the files", lambda: pinned(frame, n))
    print("  " + ", ".join(f"{name}: {len(own) / 1e6:.1f} MB" for name, own in files.items()))
    del reference
    reference = steps("read the set", lambda: ReferenceSet.read(files))
    files.clear()
    for i, run_id in enumerate(runs):
        journal = Journal(folder / f"{i}.jsonl")
        made = version(reference, models, i, 0.4 * i)
        with journal:
            steps(
                f"version {i + 1}: journal",
                lambda made=made, journal=journal: stored(journal, made),
            )
        outcomes = steps(
            f"version {i + 1}: index of the journal",
            lambda journal=journal: journal.stored(reference.keys),
        )
        questions: Any = SimpleNamespace(
            keys=reference.keys,
            reference=reference,
            scoring={},
            notes=(),
            subjects=(),
            explainer=SimpleNamespace(
                predictor=SimpleNamespace(counter=SimpleNamespace(rows=0)),
                domain=SimpleNamespace(masked=True),
            ),
        )
        answers = Answers.of(questions, outcomes)
        steps(
            f"version {i + 1}: aggregates, files, logging",
            lambda answers=answers, run_id=run_id: logged(answers, config, run_id, client),
        )
        del outcomes, answers
        journal.discard()
    sides = [
        steps(
            f"version {i + 1}: open",
            lambda run_id=run_id: load_outcomes(client.get_run(run_id), client),
        )
        for i, run_id in enumerate(runs)
    ]
    steps("drift of both", lambda: compared(sides[0], sides[1], config, runs[1], runs[0]))
    client.set_tag(runs[0], names.TAG_STATUS, "completed")
    steps("page", lambda: presented(runs[1], config, client))
    inputs = reference.inputs
    evidence = Evidence(
        explanations=sides[1][0],
        layout=reference.layout,
        inputs=None if inputs is None else inputs.set_axis(list(reference.keys), axis="index"),
    )
    outcomes = steps("checks", lambda: run_checks(evidence))
    print("  " + ", ".join(f"{item.code} {item.state}" for item in outcomes))
    print(f"largest growth of the peak: {steps.peak:+.0f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("n", nargs="?", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as temporary:
        main(chosen.n, Path(temporary))
