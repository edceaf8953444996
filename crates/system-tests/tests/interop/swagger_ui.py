"""Opens the gateway's documentation in Chromium, places an order with "Try it out", and opens the pages of problems.

usage: TOKEN=... swagger_ui.py GATEWAY_URL

GATEWAY_URL may have a path. Fails where a page sends a request to an address outside of it, logs an error, or violates its content
security policy. SCREENSHOT names the file of a screenshot of the documentation, PROBLEM_SCREENSHOT one of a problem's page.
"""

import base64
import json
import os
import pathlib
import sys
import urllib.parse

from webdriver import Browser

WINDOW = (1200, 1000)
POST = ".opblock-post:has([data-path='/orders'])"
KEY = f"{POST} tr[data-param-name='Idempotency-Key'] input"
# The console shows violations too, with fewer details than this event.
WATCH_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation",
  event => window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
"""


class Visit:
    """One browser, and the requests and errors of its pages."""

    def __init__(self, browser, home):
        self.browser, self.home = browser, home
        self.requests, self.errors = [], []
        browser.before_every_page(WATCH_POLICY)

    def record_page(self):
        """Records the requests and errors of the current page. Call this before another page is opened."""
        events = [json.loads(entry["message"])["message"] for entry in self.browser.log("performance")]
        sent = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        self.requests += sent
        self.errors += [entry for entry in self.browser.log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        self.errors += self.browser.run("return window.violations")

    def to_elsewhere(self):
        return [url for url in self.requests if is_elsewhere(url, self.home)]


def is_elsewhere(url, home):
    """Whether the URL is outside of the gateway's. `data:` and `blob:` have no host, and `chrome:` is the browser's first page."""
    scheme = urllib.parse.urlsplit(url).scheme
    return scheme not in ("data", "blob", "chrome") and url != home and not url.startswith(f"{home}/")


def follow_redirects(visit):
    """Opens the addresses that lead to the documentation, and that of the problems without its slash."""
    browser = visit.browser
    for path in ("", "/", "/swagger-ui", "/swagger-ui/", "/docs/"):
        browser.open(f"{visit.home}{path}")
        assert "Orders" in browser.text(".info .title"), path
        address = browser.run("return location.href")
        assert address == f"{visit.home}/docs", f"{path} leads to {address}"
        visit.record_page()
    browser.open(f"{visit.home}/problems")
    assert browser.run("return location.href") == f"{visit.home}/problems/"
    visit.record_page()


def read_the_documentation(visit):
    """Checks the static parts: the title, the tags, the sample, the links to problems."""
    browser = visit.browser
    browser.open(f"{visit.home}/docs")
    browser.click(f"{POST} .opblock-summary-control")
    assert "Orders" in browser.text(".info .title")
    # Without it a phone shows the page at the width of a desktop.
    assert browser.run("return document.querySelector('meta[name=viewport]').content.startsWith('width=device-width')")
    assert browser.run("return document.querySelector('.opblock').classList.contains('opblock-post')")
    sample = browser.text(f"{POST} .opblock-description pre code")
    assert sample.startswith("curl ") and "Idempotency-Key" in sample, sample
    assert browser.run("return [...document.querySelectorAll('.opblock-tag')].map(tag => tag.dataset.tag)") == [
        "Orders", "Operation", "Documentation",
    ]
    linked = browser.run("return [...document.querySelectorAll('.info a, .responses-table a')].map(a => a.href)")
    for path in ("/problems/", "/problems/payment-declined"):
        assert f"{visit.home}{path}" in linked, linked


def authorize(visit):
    """Enters the token that the next request needs."""
    browser = visit.browser
    browser.click(".auth-wrapper .btn.authorize")
    browser.type(".modal-ux input[type='text']", os.environ["TOKEN"])
    browser.click(".modal-ux .btn.authorize")
    assert browser.text(".modal-ux .auth-container h6") == "Authorized"
    browser.click(".modal-ux .btn-done")


def key(browser):
    """The key that the next Execute sends."""
    return browser.run(f"return document.querySelector({KEY!r}).value")


def place_an_order(visit):
    """Clicks Execute: "Try it out" is active from the start."""
    browser = visit.browser
    first_key = key(browser)
    assert first_key, "the idempotency key is not filled in"
    browser.click(f"{POST} .btn.execute")
    status = browser.text(f"{POST} .live-responses-table .response .response-col_status")
    assert status.split()[0] == "201", f"the page shows {status!r}"
    placed = browser.text(f"{POST} .live-responses-table .response .response-col_description code")
    assert json.loads(placed)["status"] == "PAID", placed
    assert first_key in browser.text(f"{POST} .live-responses-table"), "the order has another key"
    assert key(browser) not in ("", first_key), "the next order would have the same key"
    if screenshot := os.environ.get("SCREENSHOT"):
        browser.scroll_to(".live-responses-table")
        pathlib.Path(screenshot).write_bytes(base64.b64decode(browser.screenshot()))
    visit.record_page()
    assert f"{visit.home}/orders" in visit.requests, f"the page requested {visit.requests}"


def read_about_problems(visit):
    """Opens the index, a problem's page, and the index again."""
    browser = visit.browser
    browser.open(f"{visit.home}/problems/")
    visit.record_page()
    browser.click("a[href='payment-declined']")
    assert browser.text("h1") == "The payment was declined"
    for heading in ("What happened", "What to do", "Example: 402"):
        assert heading in browser.text("main"), heading
    # The content security policy allows the page's style sheet.
    assert browser.run("return getComputedStyle(document.body).maxWidth") == "768px"
    if screenshot := os.environ.get("PROBLEM_SCREENSHOT"):
        pathlib.Path(screenshot).write_bytes(base64.b64decode(browser.screenshot()))
    visit.record_page()
    browser.click("a[href='./']")
    assert browser.text("h1") == "Problem types"
    visit.record_page()


def main(gateway_url):
    with Browser(WINDOW) as browser:
        visit = Visit(browser, gateway_url)
        follow_redirects(visit)
        read_the_documentation(visit)
        authorize(visit)
        place_an_order(visit)
        read_about_problems(visit)
    assert not visit.to_elsewhere(), f"requests to other addresses: {visit.to_elsewhere()}"
    assert not visit.errors, f"errors of the pages: {visit.errors}"


if __name__ == "__main__":
    main(*sys.argv[1:])
