"""LIM014 to LIM016: methods that look inside a network."""

from dataclasses import replace

import numpy as np
import pytest

from mlflow_lime.checks.check import Evidence
from mlflow_lime.metrics.attributions import Attribution, Attributions
from tests.checks.cases import grown, outcome
from tests.strategies import make_explanation, make_label

KEYS = [f"{i:02d} #aaaaaa" for i in range(10)]


@pytest.fixture
def evidence():
    """Return evidence on a network about which all methods agree."""
    items = [replace(make_explanation([make_label([0.3, 0.2, -0.1])]), key=key) for key in KEYS]
    own = Attribution("yes", np.array([3.0, 2.0, -1.0]), 0.0, 4.0, 1e-7)
    values = {
        "deeplift_agreement": 1.0,
        "lrp_agreement": 0.9,
        "deeplift_completeness_error": 1e-7,
        "lrp_conservation_error": 1e-6,
    }
    return Evidence(
        explanations=tuple(items),
        trust={key: dict(values) for key in KEYS},
        attributions=Attributions({key: {"deeplift": own, "lrp": own} for key in KEYS}),
    )


def changed(evidence, name, value, keys):
    trust = {key: dict(values) for key, values in evidence.trust.items()}
    for key in keys:
        trust[key][name] = value
    return grown(evidence, trust=trust)


def test_methods_that_agree_raise_nothing(evidence):
    assert [outcome(evidence, f"LIM0{i}").state for i in (14, 15, 16)] == ["passed"] * 3


def test_a_method_of_another_order_is_raised_with_its_instances(evidence):
    few = changed(evidence, "lrp_agreement", -0.4, KEYS[:5])
    assert outcome(few, "LIM014").state == "passed"
    found = outcome(changed(few, "lrp_agreement", 0.1, KEYS[5:7]), "LIM014")
    assert found.state == "raised"
    assert "LRP in 7 of 10; DeepLIFT in 0 of 10" in found.reason
    assert found.instances[:5] == tuple(KEYS[:5])
    assert found.value == 0.7
    assert outcome(few, "LIM014", share=0.4).state == "raised"
    assert outcome(few, "LIM014", share=0.4, min=-0.5).state == "passed"


def test_attributions_that_do_not_add_up_are_raised(evidence):
    found = outcome(changed(evidence, "deeplift_completeness_error", 0.2, KEYS[3:5]), "LIM015")
    assert found.state == "raised"
    assert "more than 1 % of their size unaccounted for: DeepLIFT in 2 of 10" in found.reason
    assert found.instances == tuple(KEYS[3:5])
    lost = changed(evidence, "lrp_conservation_error", 0.2, KEYS[3:5])
    assert outcome(lost, "LIM015", max=0.3).state == "passed"
    assert outcome(lost, "LIM015", share=0.25).state == "passed"


def test_layers_are_named_by_method(evidence):
    layers = ("'memory' (lstm) its gates multiply activations",)
    one = grown(evidence, attributions=replace(evidence.attributions, refused={"lrp": layers}))
    found = outcome(one, "LIM016")
    assert (found.state, found.severity) == ("raised", "info")
    assert found.reason == "LRP: 'memory' (lstm) its gates multiply activations"
    both = Attributions(refused={"deeplift": layers, "lrp": layers}, why_not="layers")
    none = grown(evidence, attributions=both, trust={"a": {}})
    assert outcome(none, "LIM016").reason.startswith("DeepLIFT and LRP: 'memory'")
    assert outcome(none, "LIM014").state == "not applicable"


def test_models_that_are_no_networks_are_not_applicable(evidence):
    onnx = Attributions(why_not="an ONNX model: LIME explains it by itself")
    for missing, words in ((None, "nothing looked inside"), (onnx, "an ONNX model")):
        for code in ("LIM014", "LIM015", "LIM016"):
            found = outcome(grown(evidence, attributions=missing), code)
            assert found.state == "not applicable"
            assert words in found.reason


def test_instances_around_which_nothing_varies_do_not_count(evidence):
    flat = [
        replace(item, labels=(replace(item.labels[0], flat=True),))
        for item in evidence.explanations[:9]
    ]
    items = (*flat, evidence.explanations[9])
    wrong = changed(evidence, "lrp_agreement", -1.0, KEYS[:9])
    assert outcome(grown(wrong, explanations=items), "LIM014").state == "passed"
