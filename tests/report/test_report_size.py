"""How large a report may be, and how long it may take."""

import re
import time

import pytest

from mlflow_lime.report.pages.report import render_report
from tests.report.contents_of_kinds import (
    content_of,
    images_of,
    series_of,
    table_of,
    texts_of,
)


def weigh(content):
    """Return the megabytes of a report, and the processor seconds that it took."""
    start = time.process_time()
    page = render_report(content)
    return len(page.encode()) / 1e6, time.process_time() - start


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a baseline"])
def test_fifty_instances_of_thirty_features_take_two_seconds_and_one_megabyte(beside):
    former = table_of(50, shift=0.1) if beside else None
    megabytes, seconds = weigh(content_of(table_of(50), former))
    assert megabytes < 1
    assert seconds < 2


def test_fifty_texts_take_one_megabyte():
    megabytes, _ = weigh(content_of(texts_of(50), texts_of(50, seed=1)))
    assert megabytes < 1


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a baseline"])
def test_fifty_images_take_three_megabytes(beside):
    former = images_of(50, seed=1) if beside else None
    megabytes, _ = weigh(content_of(images_of(50), former))
    assert megabytes < 3


def test_a_thousand_instances_beside_a_baseline_take_ten_megabytes():
    megabytes, _ = weigh(content_of(table_of(1000), table_of(1000, shift=0.1)))
    assert megabytes < 10


def test_fifty_sequences_of_eight_features_take_two_megabytes():
    megabytes, _ = weigh(content_of(series_of(50), series_of(50, seed=1)))
    assert megabytes < 2


def test_many_sequences_have_coarser_lines():
    few = render_report(content_of(series_of(20)))
    many = render_report(content_of(series_of(450)))
    assert len(many) / 450 < 0.6 * len(few) / 20
    words = re.compile(r'<path class="[ta]\d" [^>]*><title>')
    assert words.search(few)
    assert not words.search(many)
