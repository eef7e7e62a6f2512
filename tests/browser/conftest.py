"""A real server, two explained versions of a model, and a real browser without a window."""

import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.servers import MlflowServer

with warnings.catch_warnings():
    # MLflow warns about type hints of its own when this is imported.
    warnings.simplefilter("ignore")
    import mlflow.sklearn

SIZE = (1440, 900)
PATIENCE = 30.0
"""Seconds that a page may take on a busy machine."""

_SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--lang=en",
)


def missing() -> str:
    """Return why no browser can be started here; empty where one can."""
    if find_spec("selenium") is None:
        return "the package selenium is not installed"
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            return f"there is no {program}; install Debian's chromium and chromium-driver"
    version = tuple(int(number) for number in mlflow.__version__.split(".")[:2])
    return "" if version >= (3, 17) else f"MLflow {mlflow.__version__} has other pages than 3.17"


@pytest.fixture(scope="session", autouse=True)
def _browser_or_skip() -> None:
    why = missing()
    if why and os.environ.get("CI") and "MLflow" not in why:
        pytest.fail(f"{why}, and where CI is set the browser's tests are not skipped")
    if why:
        pytest.skip(why)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """``mlflow server`` on sqlite, which hands out the artifacts itself."""
    with MlflowServer(tmp_path_factory.mktemp("server")) as started:
        before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
        mlflow.set_tracking_uri(started.uri)
        mlflow.set_registry_uri(started.uri)
        yield started
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])


@dataclass(frozen=True)
class Reviewed:
    """A registered model with two explained versions.

    Attributes
    ----------
    name : str
        The registered model.
    sources, reviews : dict of str to str
        Source run and review run by version.
    experiment : str
    """

    name: str
    sources: dict[str, str]
    reviews: dict[str, str]
    experiment: str


OWN_WORDS = "Scores applications for **small loans**; ask the credit desk before you promote it."


def applications() -> pd.DataFrame:
    """Return made-up applications for credit, some of which were not paid back."""
    random = np.random.default_rng(11)
    n = 400
    table = pd.DataFrame(
        {
            "amount": random.gamma(2.0, 2000, n).round(-1),
            "duration": random.integers(4, 60, n),
            "age": random.integers(19, 75, n),
            "savings": random.choice(["none", "some", "much"], n),
            "housing": random.choice(["own", "rent", "free"], n),
            "other credits": random.integers(0, 4, n),
        }
    )
    risk = table["amount"] / 4000 + table["duration"] / 30 + table["other credits"] / 3
    risk -= (table["savings"] == "much") * 1.5 + table["age"] / 60
    noise = random.normal(0, 0.4, n)
    return table.assign(repaid=np.where(risk + noise < np.median(risk), "good", "bad"))


def _fitted(table: pd.DataFrame, model: Any) -> Any:
    features = table.drop(columns="repaid")
    names = ["savings", "housing"]
    numbers = [column for column in features if column not in names]
    columns = make_column_transformer((StandardScaler(), numbers), (OneHotEncoder(), names))
    return make_pipeline(columns, model).fit(features, table["repaid"])


def _register(name: str, table: pd.DataFrame, model: Any) -> tuple[str, str]:
    """Log and register a version with its accuracy; return its number and its run."""
    fitted = _fitted(table.iloc[:300], model)
    held_out = table.iloc[300:]
    with mlflow.start_run(run_name=f"train {type(model).__name__}") as run:
        info = mlflow.sklearn.log_model(
            fitted,
            name="model",
            registered_model_name=name,
            input_example=table.drop(columns="repaid").head(3),
            pip_requirements=["mlflow"],
            serialization_format="cloudpickle",
        )
        accuracy = fitted.score(held_out.drop(columns="repaid"), held_out["repaid"])
        mlflow.log_metric("accuracy", accuracy, model_id=info.model_id)
    return str(info.registered_model_version), run.info.run_id


@pytest.fixture(scope="session")
def reviewed(server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Reviewed:
    """Two versions of a model, registered and explained through the server."""
    from mlflow_lime.config import Config
    from mlflow_lime.tracking.review import review_version

    folder = tmp_path_factory.mktemp("credit")
    table = applications()
    table.to_parquet(folder / "held_out.parquet", index=False)
    config = Config.model_validate(
        {
            "data": {"source": str(folder / "held_out.parquet"), "target": "repaid"},
            "reference": {"count": 8},
            "sampling": {"rows": 128, "max_rows": 256},
        }
    ).in_folder(folder)
    name = "credit (small loans)"
    client = MlflowClient()
    experiment = mlflow.set_experiment("credit").experiment_id
    sources, reviews = {}, {}
    with _home(folder):
        for model in (LogisticRegression(), RandomForestClassifier(40, random_state=0)):
            number, sources_run = _register(name, table, model)
            client.update_model_version(name, number, OWN_WORDS)
            review = review_version(f"models:/{name}/{number}", config, client=client)
            sources[number], reviews[number] = sources_run, review.run_id
    return Reviewed(name, sources, reviews, experiment)


@contextmanager
def _home(folder: Path) -> Iterator[None]:
    """Keep journals in a folder of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_LIME_HOME", str(folder / "home"))
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        yield


_MLFLOWS_OWN = ("/users/current", "/favicon.ico", "maximum nesting of 10 spans")
"""What MLflow's pages complain of by themselves: that nobody is logged in, and much Markdown."""


class Browser:
    """Chromium at a server, with waits for what a page shows after a while."""

    def __init__(self, driver: Any, uri: str, pictures: Path) -> None:
        self.driver = driver
        self.uri = uri
        self.pictures = pictures

    def open(self, link: str) -> None:
        """Open a relative link of the server, as from a page that was never visited before."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.uri}/{link}")

    def until(self, done: Callable[[Any], Any], what: str) -> Any:
        """Return what a condition gives once it holds."""
        from selenium.common.exceptions import (
            NoSuchElementException,
            StaleElementReferenceException,
            TimeoutException,
        )
        from selenium.webdriver.support.ui import WebDriverWait

        ignored = (NoSuchElementException, StaleElementReferenceException)
        wait = WebDriverWait(self.driver, PATIENCE, ignored_exceptions=ignored)
        try:
            return wait.until(done)
        except TimeoutException:
            self.keep("failed")
            text = self.driver.find_element("css selector", "body").text
            raise AssertionError(f"{what} did not come; the page says:\n{text[:2000]}") from None

    def find(self, selector: str) -> Any:
        """Return the first element that is shown, once there is one."""
        return self.until(
            lambda driver: next(
                (e for e in driver.find_elements("css selector", selector) if e.is_displayed()),
                None,
            ),
            selector,
        )

    def link(self, text: str) -> Any:
        """Return the link whose text has some words in it."""
        return self.until(
            lambda driver: next(
                (e for e in driver.find_elements("css selector", "a") if text in e.text), None
            ),
            f"a link {text!r}",
        )

    def says(self, *words: str) -> None:
        """Wait until the page says every one of some words."""
        self.until(
            lambda driver: all(
                word in driver.find_element("css selector", "body").text for word in words
            ),
            f"{words}",
        )

    def keep(self, name: str) -> None:
        """Keep a picture of the page."""
        self.driver.save_screenshot(str(self.pictures / f"{name}.png"))

    def errors(self) -> list[str]:
        """Return what went wrong according to the console since it was asked last."""
        severe = (entry for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE")
        messages = (entry["message"] for entry in severe)
        return [said for said in messages if not any(own in said for own in _MLFLOWS_OWN)]

    @contextmanager
    def new_tab(self, opens: Callable[[], None]) -> Iterator[None]:
        """Stay in the tab that something opens, and close it in the end."""
        before = self.driver.current_window_handle
        known = set(self.driver.window_handles)
        opens()
        (tab,) = self.until(lambda driver: set(driver.window_handles) - known, "a new tab")
        self.driver.switch_to.window(tab)
        yield
        self.driver.close()
        self.driver.switch_to.window(before)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: the folder that MLFLOW_LIME_SCREENSHOTS names, or a temporary one."""
    named = os.environ.get("MLFLOW_LIME_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium with a profile of its own, which no page has written anything into."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    profile = tmp_path_factory.mktemp("profile")
    for switch in (*_SWITCHES, f"--user-data-dir={profile}", f"--window-size={SIZE[0]},{SIZE[1]}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, Service(str(shutil.which("chromedriver"))))
    driver.set_page_load_timeout(PATIENCE)
    yield driver
    driver.quit()


_WELCOME = {
    "_mlflow_model_registry_promo_modal_dismissed_v1": "true",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
    "mlflow.assistant.panelOpen_v1": "false",
}
"""What MLflow shows at a first visit, over the page or beside it, is closed."""


@pytest.fixture
def browser(chromium: Any, server: MlflowServer, pictures: Path) -> Browser:
    """Chromium at the server, at an empty page."""
    found = Browser(chromium, server.uri, pictures)
    chromium.get(f"{server.uri}/health")
    for key, value in _WELCOME.items():
        chromium.execute_script("localStorage.setItem(...arguments)", key, value)
    chromium.set_window_size(*SIZE)
    found.errors()
    return found
