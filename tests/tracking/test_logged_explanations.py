"""What was logged is read back, by every name that the version has."""

import pytest

from mlflow_lime.errors import (
    ModelError,
    VersionNotFoundError,
)
from mlflow_lime.tracking.logged_explanations import load_explanations
from mlflow_lime.tracking.versions import resolve_model


@pytest.mark.parametrize("form", ["logged model", "run", "alias"])
def test_every_form_of_uri_is_explained(desk, form):
    uri = desk.register()
    ref = resolve_model(uri)
    desk.client.set_registered_model_alias(desk.name, "champion", "1")
    other = {
        "logged model": f"models:/{ref.model_id}",
        "run": f"runs:/{ref.run_id}/model",
        "alias": f"models:/{desk.name}@champion",
    }[form]
    review = desk.explain(other)
    assert len(review.explanations) == 5
    assert desk.explain(other).repeated
    assert len(load_explanations(other)) == 5
    assert [e.key for e in load_explanations(f"runs:/{review.run_id}")] == [
        e.key for e in review.explanations
    ]
    assert desk.explain(uri).repeated == (form == "alias")


def test_a_version_without_a_review_and_a_run_that_does_not_exist(desk):
    uri = desk.register()
    with pytest.raises(ModelError, match=f"mlflow-lime explain {uri}"):
        load_explanations(uri)
    with pytest.raises(VersionNotFoundError):
        load_explanations("runs:/" + "0" * 32)
