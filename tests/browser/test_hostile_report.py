"""Hostile names in a real browser: no script of theirs runs, and no request leaves."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from mlflow_lime.report.overview import draw_overview
from mlflow_lime.report.pages.report import render_report
from mlflow_lime.report.wording import clean
from tests.browser.chromium import chromium, console, shelf
from tests.report.hostile import HOSTILE
from tests.report.hostile_content import content_of, content_of_many

SHAPE = """
const read = (text) => new DOMParser().parseFromString(text, "text/html");
const shape = (text) => [...read(text).querySelectorAll("*")]
  .map((node) => `${node.tagName} ${node.getAttributeNames()}`).join("\\n");
const done = arguments[arguments.length - 1];
(async () => {
  const shapes = [];
  for (const path of arguments[0]) shapes.push(shape(await (await fetch(path)).text()));
  done(shapes);
})().catch((error) => done(String(error)));
"""


@pytest.fixture(scope="module")
def server():
    with shelf() as running:
        yield running


@pytest.fixture(scope="module")
def driver(server):
    with chromium(server) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_asked_yet(server):
    server.asked.clear()


def show(driver, address):
    """Open a page as MLflow shows it, and step into its frame."""
    driver.switch_to.default_content()
    console(driver)
    driver.get("about:blank")
    driver.get(address)
    WebDriverWait(driver, 60).until(lambda found: found.title == "loaded")
    driver.switch_to.frame(driver.find_element(By.TAG_NAME, "iframe"))


def pwned(driver):
    """Return whether a script of somebody else ran in the page or above it."""
    inside = driver.execute_script("return window.__pwned")
    driver.switch_to.default_content()
    return inside, driver.execute_script("return window.__pwned")


def test_what_is_looked_for_would_be_found(driver, server):
    page = "<img src=http://evil.example/pixel.png onerror=window.__pwned=1><script>x.y</script>"
    show(driver, server.put("control", f"<!DOCTYPE html>{page}"))
    WebDriverWait(driver, 20).until(lambda found: found.execute_script("return window.__pwned"))
    assert pwned(driver) == (1, None)
    assert [line for line in console(driver) if "x is not defined" in line]
    assert server.asked == ["evil.example/pixel.png"]


@pytest.mark.parametrize("part", range(4))
def test_a_report_of_hostile_names_runs_nothing_and_asks_for_nothing(driver, server, part):
    page = render_report(content_of_many(HOSTILE[part::4]))
    show(driver, server.put(f"part{part}", page.encode(errors="replace").decode()))
    assert len(driver.find_elements(By.CSS_SELECTOR, "details.card")) == 2 * len(HOSTILE[part::4])
    driver.find_element(By.ID, "collapse").click()
    driver.find_element(By.ID, "expand").click()
    driver.find_element(By.ID, "theme").click()
    driver.find_element(By.ID, "search").send_keys("<script")
    driver.execute_script(
        "for (const list of document.querySelectorAll('select'))"
        " for (const option of list.options) { list.value = option.value; list.onchange(); }"
    )
    driver.find_element(By.XPATH, "//button[text()='Reset']").click()
    assert pwned(driver) == (None, None)
    assert console(driver) == []
    assert server.asked == []


def test_the_browser_reads_each_report_with_the_markup_of_its_harmless_twin(driver, server):
    paths, texts = [], list(filter(clean, HOSTILE))
    for number, text in enumerate(["harmless", *texts]):
        page = render_report(content_of(text)).encode(errors="replace").decode()
        server.put(f"one{number}", page)
        paths.append(f"/one{number}")
    driver.switch_to.default_content()
    driver.get(f"{server.url}/host")
    harmless, *found = driver.execute_async_script(SHAPE, paths)
    assert "DETAILS" in harmless
    assert [text for text, shape in zip(texts, found, strict=True) if shape != harmless] == []
    assert server.asked == []


@pytest.mark.parametrize("text", HOSTILE[::50])
def test_an_overview_of_hostile_names_is_a_picture_and_nothing_else(driver, server, text):
    explained = content_of(text).side.explanations
    server.put("overview.svg", draw_overview(explained, title=text))
    driver.switch_to.default_content()
    console(driver)
    driver.get(f"{server.url}/overview.svg")
    assert driver.execute_script("return document.documentElement.localName") == "svg"
    assert driver.execute_script("return window.__pwned") is None
    assert console(driver) == []
    assert server.asked == []
