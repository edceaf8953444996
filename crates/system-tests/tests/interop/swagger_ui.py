"""Reads the gateway's documentation in Chromium, places an order with its "Try it out", and reads about problems.

usage: TOKEN=... swagger_ui.py GATEWAY_URL

Fails where a page asks another host for anything, logs an error, or breaks its content security policy. SCREENSHOT
names a file for a picture of the documentation, PROBLEM_SCREENSHOT one for that of a problem.
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
# The browser tells its console of violations, and a page's own listeners more exactly.
WATCH_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation",
  event => window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
"""


class Visit:
    """One browser, and all that its pages asked for and complained of."""

    def __init__(self, browser, home):
        self.browser, self.home = browser, home
        self.asked, self.complaints = [], []
        browser.before_every_page(WATCH_POLICY)

    def leave(self):
        """Takes down what the page that is open did. To be called before another is opened."""
        events = [json.loads(entry["message"])["message"] for entry in self.browser.log("performance")]
        sent = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        self.asked += sent
        self.complaints += [entry for entry in self.browser.log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        self.complaints += self.browser.run("return window.violations")

    def elsewhere(self):
        return [url for url in self.asked if foreign(url, self.home)]


def foreign(url, home):
    """Whether another host was asked; `data:` asks none, and `chrome:` is the browser's own first page."""
    parsed = urllib.parse.urlsplit(url)
    return parsed.scheme not in ("data", "blob", "chrome") and parsed.netloc != urllib.parse.urlsplit(home).netloc


def read_the_documentation(visit):
    """What the page says before anything is tried: the title, the tags, a sample to paste, the problems' pages."""
    browser = visit.browser
    browser.open(f"{visit.home}/docs")
    browser.click(f"{POST} .opblock-summary-control")
    assert "Orders" in browser.text(".info .title")
    sample = browser.text(f"{POST} .opblock-description code")
    assert sample.startswith("curl ") and "Idempotency-Key" in sample, sample
    assert browser.run("return [...document.querySelectorAll('.opblock-tag')].map(tag => tag.dataset.tag)") == [
        "Orders", "Operation", "Documentation",
    ]
    linked = browser.run("return [...document.querySelectorAll('.responses-table a')].map(a => a.getAttribute('href'))")
    assert "/problems/payment-declined" in linked, linked


def authorize(visit):
    """Without it the order below would be refused."""
    browser = visit.browser
    browser.click(".auth-wrapper .btn.authorize")
    browser.type(".modal-ux input[type='text']", os.environ["TOKEN"])
    browser.click(".modal-ux .btn.authorize")
    assert browser.text(".modal-ux .auth-container h6") == "Authorized"
    browser.click(".modal-ux .btn-done")


def place_an_order(visit):
    """"Try it out" is on from the start, so that Execute is one click away."""
    browser = visit.browser
    browser.click(f"{POST} .btn.execute")
    status = browser.text(f"{POST} .live-responses-table .response .response-col_status")
    assert status.split()[0] == "201", f"the page shows {status!r}"
    placed = browser.text(f"{POST} .live-responses-table .response .response-col_description code")
    assert json.loads(placed)["status"] == "PAID", placed
    if picture := os.environ.get("SCREENSHOT"):
        browser.scroll_to(".live-responses-table")
        pathlib.Path(picture).write_bytes(base64.b64decode(browser.screenshot()))
    visit.leave()
    assert f"{visit.home}/orders" in visit.asked, f"the page asked for {visit.asked}"


def read_about_problems(visit):
    """From the index to a page, and back."""
    browser = visit.browser
    browser.open(f"{visit.home}/problems/")
    visit.leave()
    browser.click("a[href='payment-declined']")
    assert browser.text("h1") == "The payment was declined"
    for heading in ("What happened", "What to do", "Example: 402"):
        assert heading in browser.text("main"), heading
    # The style sheet is the page's own, and the policy lets it in.
    assert browser.run("return getComputedStyle(document.body).maxWidth") == "768px"
    if picture := os.environ.get("PROBLEM_SCREENSHOT"):
        pathlib.Path(picture).write_bytes(base64.b64decode(browser.screenshot()))
    visit.leave()
    browser.click("a[href='./']")
    assert browser.text("h1") == "Problem types"
    visit.leave()


def main(gateway_url):
    with Browser(WINDOW) as browser:
        visit = Visit(browser, gateway_url)
        read_the_documentation(visit)
        authorize(visit)
        place_an_order(visit)
        read_about_problems(visit)
    assert not visit.elsewhere(), f"other hosts were asked for {visit.elsewhere()}"
    assert not visit.complaints, f"the pages complain: {visit.complaints}"


if __name__ == "__main__":
    main(*sys.argv[1:])
