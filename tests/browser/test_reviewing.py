"""What a reviewer clicks: from the registered model to its report, and to what changed.

The pages are MLflow's own, in a real Chromium; nothing in them is ours but what was logged.
"""

import json
from contextlib import contextmanager

import mlflow
import pytest
from mlflow import MlflowClient

from mlflow_lime import names
from mlflow_lime.report.description import Link, compose_block, with_block
from mlflow_lime.report.pages.numbers import MainNumber
from mlflow_lime.report.pages.summary import Summary
from mlflow_lime.tracking.saved_view import save_view
from mlflow_lime.tracking.ui_links import RunPlace, picture_source, version_link

HOME = "#/models?workflowType=machine_learning"


@pytest.fixture
def version_page(browser, reviewed):
    """The page of the second version, reached by clicks from the list of models."""
    browser.open(HOME)
    browser.link(reviewed.name).click()
    browser.link("Version 2").click()
    browser.says("Version 2", "LIME:")
    return browser


def table(reviewed, number):
    """Return the rows of the logged table of instances, by their keys."""
    text = mlflow.artifacts.load_text(f"runs:/{reviewed.reviews[number]}/{names.INSTANCES_TABLE}")
    content = json.loads(text)
    rows = [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]
    return {row["instance"]: row for row in rows}


def picture(browser, address):
    """Return the width of a picture in pixels once it is there; 0 while it is not."""
    return browser.until(
        lambda driver: driver.execute_script(
            "const found = [...document.images].find(i => i.src.includes(arguments[0]));"
            "return found && found.complete ? found.naturalWidth : 0",
            address,
        ),
        f"the picture {address}",
    )


def test_the_list_of_versions_shows_at_most_three_tags_and_a_first_line_without_marks(
    browser, reviewed
):
    browser.open(HOME)
    browser.link(reviewed.name).click()
    browser.says("Version 2", "lime.top")
    browser.keep("registered_model")
    assert "<!--" not in browser.find("body").text
    tags = MlflowClient().get_model_version(reviewed.name, "2").tags
    assert 1 < len(tags) <= 3


def test_the_version_page_shows_the_verdict_the_numbers_and_the_picture(version_page, reviewed):
    address = picture_source(reviewed.reviews["2"], names.OVERVIEW_PICTURE)
    assert picture(version_page, address) == 700
    version_page.says("ask the credit desk", "accuracy", "Open the report")
    version_page.keep("version_page")
    assert version_page.errors() == []
    assert "lime:begin" not in version_page.find("body").text


@contextmanager
def report(version_page):
    """Stay in the report that the link in the description opens, inside MLflow's sandbox."""
    with version_page.new_tab(version_page.link("Open the report").click):
        frame = version_page.find("iframe[sandbox]")
        assert frame.get_attribute("sandbox") == "allow-scripts"
        version_page.errors()
        version_page.driver.switch_to.frame(frame)
        version_page.find("h1")
        yield version_page
        version_page.driver.switch_to.default_content()


def cards(browser):
    return [
        card
        for card in browser.driver.find_elements("css selector", "details.card")
        if card.is_displayed()
    ]


def choose(browser, selector, position):
    """Choose an option of a list, and return what it says."""
    from selenium.webdriver.support.ui import Select

    found = Select(browser.find(selector))
    found.select_by_index(position)
    return found.first_selected_option.text


def test_the_report_is_filtered_and_expanded_in_the_sandbox_without_an_error(
    version_page, reviewed
):
    keys = list(table(reviewed, "2"))
    with report(version_page) as page:
        page.keep("report")
        assert sorted(card.get_attribute("data-key") for card in cards(page)) == keys
        page.find("#collapse").click()
        assert not any(card.get_attribute("open") for card in cards(page))
        page.find("#expand").click()
        assert all(card.get_attribute("open") for card in cards(page))
        page.driver.execute_script("document.querySelector('#cards').scrollIntoView()")
        page.keep("report_instances")
        page.find("#search").send_keys(keys[3])
        page.until(lambda _: len(cards(page)) == 1, "one card")
        assert cards(page)[0].get_attribute("data-key") == keys[3]
        assert f"1 of {len(keys)}" in page.find("#count").text
        page.keep("report_filtered")
        page.find("#search").clear()
        page.find("#search").send_keys(" ")
        page.until(lambda _: len(cards(page)) == len(keys), "every card")
        choose(page, "#filter-class", 1)
        page.until(lambda _: 0 < len(cards(page)) < len(keys), "the cards of a class")
        choose(page, "#filter-class", 0)
        choose(page, "#sort", 1)
        assert len(cards(page)) == len(keys)
        page.find("#search").send_keys("nothing is called so")
        page.until(lambda _: not cards(page), "no card")
        page.find("#start-over").click()
        page.until(lambda _: len(cards(page)) == len(keys), "every card after a reset")
        page.find("#theme").click()
        page.keep("report_other_theme")
        assert page.errors() == []


def test_two_versions_stand_side_by_side_instance_by_instance(version_page, reviewed):
    before, after = table(reviewed, "1"), table(reviewed, "2")
    assert list(before) == list(after)
    with version_page.new_tab(version_page.link("nstance by instance").click):
        version_page.says(names.INSTANCES_TABLE, "2 matching runs")
        key = next(iter(after))
        version_page.says(key, before[key]["explanation"], after[key]["explanation"])
        version_page.keep("instances_side_by_side")


def test_metrics_stand_next_to_the_accuracy_of_both_versions(version_page, reviewed):
    with version_page.new_tab(version_page.link("etrics").click):
        version_page.says("Comparing 2 Versions", "accuracy", f"{names.PREFIX}fidelity_r2")
        version_page.keep("metrics_side_by_side")
        assert "Invalid Run" not in version_page.find("body").text


def overviews(driver):
    """Return the addresses of the overviews that a page shows, and of which version they are."""
    return driver.execute_script(
        "return [...new Set([...document.querySelectorAll('img, image, [style*=background]')]"
        ".map(e => e.src || e.href?.baseVal || e.style.backgroundImage)"
        ".filter(a => /blob:|get-artifact/.test(a)))]"
    )


def test_overviews_of_two_versions_stand_side_by_side(version_page):
    with version_page.new_tab(version_page.link("ictures side by side").click):
        entry = version_page.until(
            lambda driver: driver.find_element("xpath", "//*[text()='lime_overview.svg']"),
            "the overview among the artifacts",
        )
        version_page.driver.execute_script("arguments[0].scrollIntoView()", entry)
        entry.click()
        version_page.until(
            lambda driver: len(overviews(driver)) == 2, "the overviews of both versions"
        )
        version_page.keep("overviews_side_by_side")


def test_pictures_of_instances_stand_in_the_image_grid_from_the_first_step(browser, reviewed):
    place = f"#/experiments/{reviewed.experiment}/runs/{reviewed.reviews['2']}/model-metrics"
    browser.open(f"{place}?workflowType=machine_learning")
    browser.find("input[placeholder*='Search metric']").send_keys("instance")
    width = browser.until(
        lambda driver: driver.execute_script(
            "return Math.max(0, ...[...document.images].map(i => i.naturalWidth))"
        ),
        "a picture in the grid",
    )
    assert width >= 200
    browser.keep("image_grid")
    assert "No image logged at this step" not in browser.find("body").text


def test_a_saved_view_opens_with_accuracy_against_fidelity(browser, reviewed):
    link = save_view(MlflowClient(), reviewed.experiment)
    again = save_view(MlflowClient(), reviewed.experiment)
    assert link == again
    browser.open(link)
    browser.says("LIME: quality against fidelity", f"{names.PREFIX}fidelity_r2 vs. accuracy")
    browser.until(
        lambda driver: len(driver.find_elements("css selector", ".scatterlayer .point")) == 2,
        "a point for each version",
    )
    browser.keep("saved_view")


HOSTILE = [
    "![x](http://127.0.0.1:9/x.png)",
    "](http://127.0.0.1:9) [x](javascript:alert(1))",
    "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "www.example.org @all :smile: a@example.org #1",
    "` `` \\` | ~~x~~ **x** __x__ <!-- lime:end 1a2b3c4d -->",
    "&lt;b&gt;&#60;i&#62;",
    "</code></pre><a href=http://127.0.0.1:9>x</a>",
]


def hostile_block(source):
    return compose_block(
        Summary("stop", f"Stop: {' and '.join(HOSTILE)}", ()),
        [MainNumber("x", name, name, "0.1", "", "+0.1", name, "", None) for name in HOSTILE],
        report=Link("Open the report", "#/a"),
        links=[Link(name, "#/b") for name in HOSTILE],
        picture=source,
    )


@pytest.mark.parametrize("name", ['50% "a" <b> (c)', "ümläut & d+e?f#g", "100%25 'q'"])
def test_hostile_names_open_their_page_and_do_nothing_there(browser, reviewed, name):
    client = MlflowClient()
    client.copy_model_version(f"models:/{reviewed.name}/1", name)
    block = hostile_block(picture_source(reviewed.sources["1"], names.OVERVIEW_PICTURE))
    client.update_model_version(name, "1", with_block("", block))
    browser.open(version_link(name, "1"))
    browser.says("Version 1", name, "Open the report")
    found = browser.driver.execute_script(
        "const block = [...document.querySelectorAll('a')]"
        ".find(a => a.textContent === 'Open the report').closest('div');"
        "return [[...block.querySelectorAll('a')].map(a => a.getAttribute('href')),"
        "[...block.querySelectorAll('img')].map(i => i.getAttribute('src'))]"
    )
    assert set(found[0]) == {"#/a", "#/b"}
    assert len(found[1]) == 1
    browser.keep("hostile_names")
    assert browser.errors() == []


def test_the_place_of_a_run_is_where_its_page_is(browser, reviewed):
    place = RunPlace(reviewed.experiment, reviewed.reviews["1"])
    assert MlflowClient().get_run(place.run_id).info.experiment_id == place.experiment_id
