"""A headless Chromium that reaches nothing but a server of the test, which notes each request."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")

# MLflow fetches an HTML artifact as text and shows it as a blob in a sandboxed frame.
HOST_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"/><title>host</title><link rel="icon" href="data:,"/>
<style>body,iframe{margin:0;border:0;width:100%;height:100vh;display:block}</style></head>
<body><iframe title="report" sandbox="allow-scripts"></iframe><script>
const frame = document.querySelector("iframe");
frame.onload = () => { if (frame.src) document.title = "loaded"; };
fetch(location.hash.slice(1)).then((answer) => answer.text()).then((text) => {
  frame.src = URL.createObjectURL(new Blob([text], {type: "text/html"}));
});
</script></body></html>"""


class Shelf(ThreadingHTTPServer):
    """Serves documents on a free port of the loopback, and notes what was asked for.

    Attributes
    ----------
    documents : dict of str to str
        By their path.
    asked : list of str
        Host and path of every request that is not for one of them.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.documents = {"/host": HOST_PAGE, "/favicon.ico": ""}
        self.asked = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def put(self, name, text):
        """Serve a document, and return the address that shows it as MLflow shows artifacts."""
        self.documents[f"/{name}"] = text
        return f"{self.url}/host#/{name}"

    def handle_error(self, request, client_address):
        self.asked.append("a request that is no HTTP")


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.server.documents.get(self.path)
        own = self.headers.get("Host") == f"127.0.0.1:{self.server.server_port}"
        if body is None or not own:
            self.server.asked.append(f"{self.headers.get('Host')}{self.path}")
        kind = "image/svg+xml" if self.path.endswith(".svg") else "text/html"
        data = (body or "").encode()
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_HEAD = do_GET

    def log_message(self, *args):
        pass


@contextmanager
def shelf() -> Iterator[Shelf]:
    """Serve documents until the block ends."""
    server = Shelf()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def chromium(server: Shelf) -> Iterator[webdriver.Chrome]:
    """Start a browser for which ``evil.example`` is the server, and no other name is known."""
    if not (CHROMIUM.exists() and DRIVER.exists()):
        pytest.skip("there is no chromium with a driver")
    options = Options()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--no-proxy-server",
        "--window-size=1440,900",
        # The console of a sandboxed frame is heard only in the process of the page around it.
        "--disable-features=IsolateSandboxedIframes",
        f"--host-resolver-rules=MAP evil.example 127.0.0.1:{server.server_port},"
        "MAP * ~NOTFOUND,EXCLUDE 127.0.0.1",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        driver.set_script_timeout(120)
        yield driver
    finally:
        driver.quit()


def console(driver):
    """Return what the console said since it was last asked."""
    return [entry["message"] for entry in driver.get_log("browser")]
