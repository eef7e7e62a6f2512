"""The pages for everybody: axe-core finds nothing, contrast, phone width, keyboard alone."""

from importlib.resources import files

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from mlflow_lime.report.pages.content import Content
from mlflow_lime.report.pages.report import render_report
from tests.browser.chromium import chromium, shelf
from tests.report.contents_of_kinds import (
    content_of,
    images_of,
    inside_of,
    series_of,
    table_of,
    texts_of,
)

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, {runOnly: {type: "tag", values: arguments[0]}}).then(
  (found) => done(found.violations.map((rule) =>
    `${rule.id}: ` + rule.nodes.map((node) => `${node.target} ${node.failureSummary}`))),
  (error) => done([String(error)]));
"""
# What axe does not look at: the letters of inline pictures, on what the page has below them.
LETTERS = """
const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const shares = [0.2126, 0.7152, 0.0722];
const light = (rgb) => shares.reduce((sum, share, j) => sum + share * channel(rgb[j]), 0);
const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
const ground = (node) => {
  for (let up = node.closest("svg"); up; up = up.parentElement) {
    const found = numbers(getComputedStyle(up).backgroundColor);
    if (found.length === 3 || found[3] === 1) return found;
  }
  return [255, 255, 255];
};
const low = [];
for (const node of document.querySelectorAll("svg text")) {
  const below = node.closest("svg").querySelector("rect.bg");
  const back = below ? numbers(getComputedStyle(below).fill) : ground(node);
  const pair = [light(numbers(getComputedStyle(node).fill)), light(back)].sort((a, b) => b - a);
  const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
  if (contrast < 4.5) low.push(`${node.textContent} ${contrast.toFixed(2)}`);
}
return low;
"""
FOCUS = """
const seen = [];
const node = document.activeElement;
if (!node || node === document.body) return null;
const style = getComputedStyle(node);
const box = node.getBoundingClientRect();
return {
  name: node.id || `${node.localName}.${node.className} ${node.textContent.slice(0, 30)}`,
  place: [...document.querySelectorAll("*")].indexOf(node),
  ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
  seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight,
};
"""
REACHABLE = """
const found = document.querySelectorAll(
  "button, input, select, summary, a[href], [tabindex='0']");
const all = [...document.querySelectorAll("*")];
return [...found].filter((node) => node.checkVisibility()).map((node) => all.indexOf(node));
"""


def documents():
    """Yield the pages that are looked at."""
    sides = {
        "table": (table_of(8, 12), table_of(8, 12, shift=0.1)),
        "texts": (texts_of(6), texts_of(6, seed=1)),
        "images": (images_of(4, side=96, segments=20), images_of(4, side=96, segments=20, seed=1)),
    }
    for name, (side, former) in sides.items():
        yield name, render_report(content_of(side, former))
    for name, side in (
        ("table-inside", table_of(4, 12)),
        ("texts-inside", texts_of(3)),
        ("images-inside", images_of(3, side=96, segments=20)),
        ("series-inside", series_of(3, n_steps=60, n_features=2)),
    ):
        refused = ["'encoder.norm' (layer_norm) divides activations by their own spread"]
        yield name, render_report(Content(inside_of(side, refused=refused)))


PAGES = (
    "table",
    "texts",
    "images",
    "table-inside",
    "texts-inside",
    "images-inside",
    "series-inside",
)


@pytest.fixture(scope="module")
def server():
    with shelf() as running:
        for name, page in documents():
            running.put(name, page)
        yield running


@pytest.fixture(scope="module")
def driver(server):
    with chromium(server) as running:
        yield running


def show(driver, server, name, *, theme="light", width=1440):
    media = [{"name": "prefers-color-scheme", "value": theme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.get(f"{server.url}/{name}")
    driver.execute_script(
        "for (const node of document.querySelectorAll('details')) {"
        " node.open = true; node.style.contentVisibility = 'visible'; }"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_violation(driver, server, name, theme, width):
    axe = pytest.importorskip("axe_core_python")
    show(driver, server, name, theme=theme, width=width)
    assert driver.execute_script("return innerWidth") == width
    driver.execute_script(files(axe).joinpath("axe.min.js").read_text("utf-8"))
    assert driver.execute_async_script(AXE, RULES) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_letters_in_pictures_stand_out_from_what_is_below(driver, server, name, theme):
    show(driver, server, name, theme=theme)
    assert driver.execute_script(LETTERS) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_on_a_phone_does_not_scroll_sideways(driver, server, name):
    show(driver, server, name, width=360)
    wide = "return [document.documentElement.scrollWidth, document.body.scrollWidth]"
    assert max(driver.execute_script(wide)) <= 360


@pytest.mark.parametrize("name", ["table", "texts"])
def test_every_control_is_reached_by_the_keyboard_and_shows_its_focus(driver, server, name):
    show(driver, server, name)
    wanted = set(driver.execute_script(REACHABLE))
    reached = set()
    driver.execute_script("document.body.tabIndex = -1; document.body.focus()")
    for _ in range(len(wanted) + 5):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        found = driver.execute_script(FOCUS)
        if found is None or found["place"] in reached:
            break
        assert found["seen"], f"{found['name']} has the focus and is not seen"
        assert found["ring"], f"{found['name']} has the focus and does not show it"
        reached.add(found["place"])
    assert wanted - reached == set()
    assert len(reached) > 10


def test_cards_and_filters_work_by_the_keyboard_alone(driver, server):
    show(driver, server, "table")
    summary = driver.find_element(By.CSS_SELECTOR, "details.card summary")
    card = driver.find_element(By.CSS_SELECTOR, "details.card")
    states = [card.get_attribute("open")]
    for key in (Keys.ENTER, Keys.SPACE):
        summary.send_keys(key)
        states.append(card.get_attribute("open"))
    assert states == ["true", None, "true"]
    driver.find_element(By.ID, "collapse").send_keys(Keys.ENTER)
    assert card.get_attribute("open") is None
    driver.find_element(By.ID, "expand").send_keys(Keys.SPACE)
    assert card.get_attribute("open") == "true"
    theme = driver.find_element(By.ID, "theme")
    before = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    theme.send_keys(Keys.ENTER)
    assert driver.execute_script("return getComputedStyle(document.body).backgroundColor") != before
    key = driver.find_elements(By.CSS_SELECTOR, ".card")[3].get_attribute("data-key")
    driver.find_element(By.ID, "search").send_keys(key.partition(" ")[2])
    shown = [node for node in driver.find_elements(By.CSS_SELECTOR, ".card") if node.is_displayed()]
    assert [node.get_attribute("data-key") for node in shown] == [key]
    assert "1 of 8 instances" in driver.find_element(By.ID, "count").text
