"""Size of reports, time to render them, and how soon a browser paints the largest one.

The explanations are made up. Chromium shows the report in a sandboxed frame, as MLflow does, where
it is there with its driver and the package selenium is installed.

Run ``python benchmarks/report_speed.py [--repeats N]``.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the tests make the explanations

from mlflow_lime.report.pages.report import render_report
from tests.report.contents_of_kinds import content_of, images_of, table_of, texts_of

PAINTED = """
const done = arguments[0];
new PerformanceObserver((list) => {
  const found = list.getEntriesByName("first-contentful-paint");
  if (found.length) done(found[0].startTime);
}).observe({type: "paint", buffered: true});
"""


def workloads() -> dict[str, Any]:
    """Return versions beside a baseline."""
    return {
        "50 rows of 30 features": content_of(table_of(50), table_of(50, shift=0.1)),
        "50 texts of 33 words": content_of(texts_of(50), texts_of(50, seed=1)),
        "50 images of 60 segments": content_of(images_of(50), images_of(50, seed=1)),
        "1,000 rows of 30 features": content_of(table_of(1000), table_of(1000, shift=0.1)),
    }


def middle(repeats: int, work: Callable[[], Any]) -> tuple[float, float]:
    """Return the median processor and wall seconds."""
    found = []
    for _ in range(repeats):
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        found.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpus, walls = zip(*found, strict=True)
    return statistics.median(cpus), statistics.median(walls)


def first_paints(page: str, repeats: int) -> list[float]:
    """Return seconds from the start of the frame's document to its first contentful paint."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    from tests.browser.chromium import chromium, shelf

    found = []
    with shelf() as server, chromium(server) as driver:
        address = server.put("report", page)
        for _ in range(repeats):
            driver.switch_to.default_content()
            driver.get("about:blank")
            driver.get(address)
            WebDriverWait(driver, 60).until(lambda browser: browser.title == "loaded")
            driver.switch_to.frame(driver.find_element(By.TAG_NAME, "iframe"))
            found.append(driver.execute_async_script(PAINTED) / 1000)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print("| report, beside a baseline | MB | CPU s | wall s |\n|---|---|---|---|")
    page = ""
    for name, content in workloads().items():
        page = render_report(content)
        cpu, wall = middle(options.repeats, lambda content=content: render_report(content))
        print(f"| {name} | {len(page.encode()) / 1e6:.2f} | {cpu:.2f} | {wall:.2f} |", flush=True)
    try:
        paints = first_paints(page, options.repeats)
    except (ImportError, OSError) as error:
        print(f"\nNo paint was measured: {error}")
        return
    print(
        f"\nFirst contentful paint of 1,000 rows: {statistics.median(paints):.2f} s "
        f"(slowest {max(paints):.2f} s)"
    )


if __name__ == "__main__":
    main()
