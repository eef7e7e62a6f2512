"""What users import and what is logged: both are interfaces that do not drift by accident."""

import re
from pathlib import Path

import pytest

import mlflow_lime
from mlflow_lime import names

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", mlflow_lime.__all__)
def test_a_public_name_can_be_imported(name):
    assert getattr(mlflow_lime, name) is not None


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Explane'"):
        mlflow_lime.Explane  # noqa: B018


def test_the_logged_metrics_are_those_that_gates_may_rest_on():
    assert list(names.METRICS) == [
        "lime/fidelity_r2",
        "lime/fidelity_r2_p10",
        "lime/partial_r2",
        "lime/partial_r2_p10",
        "lime/local_gap",
        "lime/decision_agreement",
        "lime/stability_topk",
        "lime/ess_share",
        "lime/converged_share",
        "lime/flat_share",
        "lime/rows_predicted",
        "lime/instances",
        "lime/failed",
        "lime/comprehensiveness",
        "lime/comprehensiveness_gain",
        "lime/sufficiency",
        "lime/sufficiency_gain",
        "lime/deletion_auc",
        "lime/deletion_gain",
        "lime/insertion_auc",
        "lime/insertion_gain",
        "lime/off_manifold",
        "lime/realism_auc",
        "lime/permuted_r2",
        "lime/sensitivity",
        "lime/deeplift_agreement",
        "lime/deeplift_overlap",
        "lime/deeplift_completeness_error",
        "lime/deeplift_comprehensiveness",
        "lime/deeplift_deletion_auc",
        "lime/deeplift_insertion_auc",
        "lime/lrp_agreement",
        "lime/lrp_overlap",
        "lime/lrp_conservation_error",
        "lime/lrp_comprehensiveness",
        "lime/lrp_deletion_auc",
        "lime/lrp_insertion_auc",
        "lime/lrp_bias_share",
        "lime/trust_rows",
        "lime/drift_alarm",
        "lime/drift_p_value",
        "lime/drift_instances",
        "lime/drift_untrusted",
        "lime/drift_label_flips",
        "lime/drift_changed_share",
        "lime/drift_same_answer_new_reason",
        "lime/drift_weights_changed",
        "lime/drift_parts_changed",
        "lime/drift_importance_change",
        "lime/drift_total_change",
        "lime/drift_topk_overlap",
        "lime/drift_rank_agreement",
        "lime/drift_sign_flips",
        "lime/findings",
        "lime/findings_error",
        "lime/seconds",
    ]


def test_the_documentation_lists_every_logged_metric_with_its_meaning():
    page = (DOCS / "logged-names.md").read_text()
    rows = dict(re.findall(r"^\| `(lime/[a-z0-9_]+)` \| (.+) \|$", page, flags=re.MULTILINE))
    assert rows == names.METRICS


def test_the_documentation_lists_every_tag_and_artifact():
    page = (DOCS / "logged-names.md").read_text()
    for value in vars(names).values():
        if isinstance(value, str) and value.startswith(("lime", "lime/")) and "\n" not in value:
            assert f"`{value}" in page, value


@pytest.mark.parametrize("name", names.METRICS)
def test_every_metric_is_told_in_plain_words(name):
    assert f"`{name}`" in (DOCS / "numbers.md").read_text()
