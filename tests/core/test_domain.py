"""Every table domain keeps the protocol that explaining relies on."""

import json
import pickle

import numpy as np
import pytest

from mlflow_lime.core.masks import mask_block
from mlflow_lime.core.tabular.background import Background
from mlflow_lime.core.tabular.bins import BinnedTable
from mlflow_lime.core.tabular.masked import MaskedTable
from mlflow_lime.core.tabular.standardised import StandardisedTable
from tests.tables import frame_of, loan_frame, normal_frame

FRAMES = {
    "numeric": normal_frame(),
    "mixed": loan_frame(),
    "missing": frame_of("float with missing", "str", "datetime"),
}


def around_mean(background):
    return StandardisedTable(background, around="mean")


@pytest.fixture(params=FRAMES)
def frame(request):
    return FRAMES[request.param]


@pytest.fixture(params=[MaskedTable, BinnedTable, StandardisedTable, around_mean])
def domain(request, frame):
    return request.param(Background.from_frame(frame))


def draw(domain, subject, n_rows=32):
    block = mask_block(
        "iid",
        law="bernoulli",
        n_parts=subject.n_active if domain.masked else 0,
        n_draws=subject.n_draws,
        n_rows=n_rows,
        seed=np.random.SeedSequence(0),
    )
    return subject, block


def test_shapes_belong_together(domain, frame):
    subject = domain.subjects(frame.iloc[[0]])[0]
    _, block = drawn = draw(domain, subject)
    assert len(domain.perturb([drawn])) == 32
    assert domain.features(subject, block).shape == (32, subject.n_active)
    assert domain.origin(subject).shape == (subject.n_active,)
    assert len(subject.parts) == len(subject.names)
    assert len(domain.originals([subject] * 3)) == 3
    assert domain.row_bytes(subject) > 0
    assert domain.default_rows(subject) >= 1000
    found = domain.fingerprints([drawn])
    assert found is None or found.shape == (32,)


def test_perturbing_is_a_function_of_its_arguments(domain, frame):
    subject = domain.subjects(frame.iloc[[1]])[0]
    first = domain.perturb([draw(domain, subject)])
    domain.perturb([draw(domain, domain.subjects(frame.iloc[[2]])[0])])
    assert first.equals(domain.perturb([draw(domain, subject)]))


def test_the_features_of_the_instance_are_its_origin(domain, frame):
    """A row of a shared domain that is the instance itself has the instance's features."""
    subject = domain.subjects(frame.iloc[[0]])[0]
    assert np.isfinite(domain.origin(subject)).all()


def test_the_recipe_is_plain_json_and_names_the_background(domain):
    recipe = json.loads(json.dumps(domain.recipe()))
    assert recipe["background"] == domain.table.background.digest()


def test_a_domain_can_be_pickled(domain, frame):
    again = pickle.loads(pickle.dumps(domain))
    one, two = (d.subjects(frame.iloc[[0]])[0] for d in (domain, again))
    assert one.digest == two.digest
    assert domain.perturb([draw(domain, one)]).equals(again.perturb([draw(again, two)]))


def test_keys_are_positions_unless_they_are_given(domain, frame):
    assert [s.key for s in domain.subjects(frame.iloc[3:5])] == ["0", "1"]
    assert [s.key for s in domain.subjects(frame.iloc[3:5], ["a", "b"])] == ["a", "b"]
