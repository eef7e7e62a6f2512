"""Everything that a review page shows, with one text wherever a text can come from outside."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mlflow_lime.checks.check import Outcome
from mlflow_lime.compare.drift import Drift, InstanceDrift, PartDrift
from mlflow_lime.core.contents import TextContent
from mlflow_lime.core.explanation import Explanation, FailedExplanation
from mlflow_lime.metrics.attributions import Attribution, Attributions
from mlflow_lime.metrics.trust import Estimate, Trust
from mlflow_lime.report.facts import InstanceFacts
from mlflow_lime.report.pages.content import Content, GateSaid, Other, Side
from tests.report.with_contents import quarters
from tests.strategies import make_explanation, make_label


def content_of(text: str, *, image: bool = False) -> Content:
    """Return a version with a baseline and a version that cannot be compared, all named `text`."""
    return Content(
        side=side_of(text, image=image),
        others=(
            Other(side_of(text, image=image, shift=0.1), drift_of(text)),
            Other(side_of(text, image=image), why_not=text),
        ),
        outcomes=tuple(
            Outcome("LIM001", text, severity, state, text, (f"00 {text}", text), 0.5, text)
            for severity, state in (
                ("error", "raised"),
                ("warning", "raised"),
                ("info", "passed"),
                ("info", "skipped"),
            )
        ),
        gate=GateSaid("fail", text, (text, text)),
    )


def side_of(text: str, *, image: bool = False, shift: float = 0.0) -> Side:
    """Return a version of a table, a text and perhaps an image, one that failed, and facts."""
    name = named(text)
    names = (name, f"{name} 2", "plain")
    shared = {"class_names": (text, f"other {text}"), "notes": (text,)}
    table = make_explanation(
        [make_label(np.array([0.3, -0.2, 0.1]) + shift, label=text)],
        names=names,
        parts=tuple(f"{name} = {text}" for name in names),
        key=f"00 {text}",
        **shared,
    )
    read = make_explanation(
        [make_label([0.4, -0.3], label=text, fidelity_r2=0.1)],
        names=names[:2],
        parts=names[:2],
        key=f"01 {text}",
        contents=(text_of(text),),
        scores=np.array([0.2, 0.8]),
        **shared,
    )
    explained = [table, read, *([picture_of(text, **shared)] if image else [])]
    keys = [item.key for item in explained]
    return Side(
        name=text,
        explanations=tuple(explained),
        failed=(FailedExplanation(f"09 {text}", text, text),),
        facts=InstanceFacts(
            reasons=dict.fromkeys(keys, text),
            true_labels=dict.fromkeys(keys, text),
            slices={text: dict.fromkeys(keys, text)},
        ),
        metrics={"lime/fidelity_r2": 0.5, "accuracy": 0.9, text: 0.1, f"lime/{text}": 0.2},
        trust=Trust(
            summary={"partial_r2": Estimate(0.5, 0.4, 0.6, 2), text: Estimate(0.5, 0.4, 0.6, 2)},
            notes=(text,),
        ),
        attributions=inside_of(explained, text),
        provenance={"run": text, text: text},
        config_text=text,
        notes=(text,),
    )


def inside_of(explained: Sequence[Explanation], text: str) -> Attributions:
    """Return what a method makes of each instance, and layers and settings named `text`."""
    return Attributions(
        instances={
            item.key: {
                "lrp": Attribution(item.labels[0].label, 2 * item.labels[0].weights, 0.0, 1.0, 0.0)
            }
            for item in explained
        },
        settings={"lrp": text, text: text},
        unit=text,
        refused={"deeplift": (text, text), text: (text,)},
        notes=(text,),
    )


def named(text: str) -> str:
    """Return the name of a part: neither columns nor words have lone surrogates in theirs."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def text_of(text: str) -> TextContent:
    """Return a text that holds it twice, marked and not."""
    spans = [[0, len(text), 0], [len(text) + 4, 2 * len(text) + 4, 1]]
    spans = [span for span in spans if span[0] < span[1]]
    return TextContent(
        text, f"{text} xx {text} end", np.array(spans, dtype=np.int32).reshape(-1, 3)
    )


def picture_of(text: str, **shared):
    """Return an explanation of an image in a column of that name."""
    return make_explanation(
        [make_label([0.3, -0.2, 0.1, 0.0], label=text)],
        names=[f"{named(text)} {j}" for j in range(4)],
        parts=[f"{text} {j}" for j in range(4)],
        key=f"02 {text}",
        contents=(quarters(column=text),),
        **shared,
    )


def drift_of(text: str) -> Drift:
    """Return changes of parts and of an instance, one left out and one missing."""
    parts = tuple(
        PartDrift(name, 0.1, 0.4, 0.3, 0.2, 0.4, 0.001, 0.002, changed=True)
        for name in (text, f"{text} 2")
    )
    instances = (_changed(f"00 {text}", text), _changed(f"01 {text}", text, untrusted=text))
    return Drift(
        instances,
        parts,
        0.001,
        alarm=True,
        missing={f"09 {text}": text},
        settings={text: text},
        noise="sampling",
    )


def _changed(key: str, text: str, *, untrusted: str = "") -> InstanceDrift:
    two = np.array([0.1, 0.2])
    return InstanceDrift(
        key=key,
        label=text,
        parts=(f"{text} = 1", f"{text} 2"),
        names=(text, f"{text} 2"),
        before=two,
        after=-two,
        std_errors=two / 10,
        low=-2 * two - 0.1,
        high=-2 * two + 0.1,
        p_values=two / 100,
        discovered=np.array([True, False]),
        prediction_before=0.6,
        prediction_after=0.4,
        answer_before=text,
        answer_after=f"other {text}",
        answer_changed=True,
        topk_overlap=0.5,
        rank_agreement=0.5,
        total_change=0.5,
        sign_flips=1,
        fidelity_before=0.9,
        fidelity_after=0.9,
        untrusted=untrusted,
        p_value=0.01,
    )


def content_of_many(texts: Sequence[str]) -> Content:
    """Return a version with the instances of all these texts."""
    found = [content_of(text) for text in texts]
    sides = [content.side for content in found]
    explained = tuple(item for side in sides for item in side.explanations)
    first = found[0]
    facts = InstanceFacts(
        reasons={k: v for side in sides for k, v in side.facts.reasons.items()},
        true_labels={k: v for side in sides for k, v in side.facts.true_labels.items()},
        slices={k: v for side in sides for k, v in side.facts.slices.items()},
    )
    outcomes = tuple(outcome for content in found for outcome in content.outcomes or ())
    side = replace(first.side, explanations=explained, facts=facts)
    return replace(first, side=side, outcomes=outcomes)
