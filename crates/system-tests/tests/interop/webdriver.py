"""A headless Chromium driven by the W3C WebDriver protocol, with the standard library alone."""

import json
import os
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

COMMAND_SECONDS_MAX = 40
CONDITION_SECONDS_MAX = 20
# The key of an element's id (WebDriver, section 12.1).
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One window. Leaving the `with` block ends the browser and its driver."""

    def __init__(self, size):
        self.size = size

    def __enter__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )
        try:
            self.url = f"http://127.0.0.1:{self._driver_port()}"
            self.url += f"/session/{self._post('/session', self._capabilities())['sessionId']}"
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_):
        try:
            self._request("DELETE", "")
        finally:
            self._end()

    def _end(self):
        self.driver.terminate()
        self.driver.wait(COMMAND_SECONDS_MAX)
        self.driver.stdout.close()
        self.profile.cleanup()

    def _driver_port(self):
        for line in self.driver.stdout:
            if found := re.search(r"started successfully on port (\d+)", line):
                return found[1]
        raise RuntimeError("chromedriver did not start")

    def _capabilities(self):
        quiet = ["quic", "background-networking", "component-update", "sync", "gpu", "extensions"]
        arguments = ["--headless", "--no-first-run", "--hide-scrollbars", f"--user-data-dir={self.profile.name}"]
        arguments += [f"--disable-{feature}" for feature in quiet]
        arguments.append(f"--window-size={self.size[0]},{self.size[1]}")
        if os.geteuid() == 0:
            # Containers run as root, and the sandbox does not start as root.
            arguments.append("--no-sandbox")
        always = {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        return {"capabilities": {"alwaysMatch": always}}

    def open(self, url):
        self._post("/url", {"url": url})

    def click(self, selector):
        """Clicks the element as soon as that is possible."""
        self._until(lambda: self._post(f"/element/{self._find(selector)}/click", {}) is None, selector)

    def type(self, selector, text):
        """Types the text into the element as soon as that is possible."""
        self._until(lambda: self._post(f"/element/{self._find(selector)}/value", {"text": text}) is None, selector)

    def text(self, selector):
        """Waits until the element has a text, and returns it."""
        return self._until(lambda: self._request("GET", f"/element/{self._find(selector)}/text"), selector)

    def scroll_to(self, selector):
        self.run("document.querySelector(arguments[0]).scrollIntoView({block: 'end'})", selector)

    def run(self, script, *arguments):
        """Runs the script, and returns its result."""
        return self._post("/execute/sync", {"script": script, "args": arguments})

    def before_every_page(self, script):
        """Runs the script in every page, before the page's own scripts."""
        command = {"cmd": "Page.addScriptToEvaluateOnNewDocument", "params": {"source": script}}
        self._post("/goog/cdp/execute", command)

    def log(self, kind):
        """The entries of this log since the last call."""
        return self._post("/se/log", {"type": kind})

    def screenshot(self):
        """The window as a PNG in base64."""
        return self._request("GET", "/screenshot")

    def _find(self, selector):
        return self._post("/element", {"using": "css selector", "value": selector})[ELEMENT]

    def _until(self, condition, what):
        deadline = time.monotonic() + CONDITION_SECONDS_MAX
        while True:
            try:
                if found := condition():
                    return found
                error_text = "empty"
            except urllib.error.HTTPError as error:
                error_text = json.load(error)["value"]["message"]
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: {error_text}")
            time.sleep(0.05)

    def _post(self, path, body):
        return self._request("POST", path, json.dumps(body).encode())

    def _request(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"}, method=method)
        # Requests to the local driver bypass any proxy.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=COMMAND_SECONDS_MAX) as response:
            return json.load(response)["value"]
