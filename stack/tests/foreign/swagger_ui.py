"""Opens the gateway's documentation in Chromium and places an order with its "Try it out".

usage: swagger_ui.py GATEWAY_URL

Fails where the page asks another host for anything or logs an error. SCREENSHOT names a file for a picture.
"""

import base64
import json
import os
import pathlib
import sys
import urllib.parse

from webdriver import Browser

WINDOW = (1200, 1000)


def place_an_order(browser):
    """The status that the page shows for an order placed with the example it offers.

    "Try it out" is on from the start, so that Execute is one click away.
    """
    post = ".opblock-post:has([data-path='/orders'])"
    browser.click(f"{post} .opblock-summary-control")
    browser.click(f"{post} .btn.execute")
    return browser.text(f"{post} .live-responses-table .response .response-col_status")


def requests(browser):
    """The URLs of all that the browser asked for."""
    events = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
    return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]


def foreign(url, home):
    """Whether another host was asked; `data:` asks none, and `chrome:` is the browser's own first page."""
    parsed = urllib.parse.urlsplit(url)
    return parsed.scheme not in ("data", "blob", "chrome") and parsed.netloc != urllib.parse.urlsplit(home).netloc


def main(gateway_url):
    with Browser(WINDOW) as browser:
        browser.open(f"{gateway_url}/docs")
        status = place_an_order(browser)
        asked = requests(browser)
        errors = [entry for entry in browser.log("browser") if entry["level"] == "SEVERE"]
        if picture := os.environ.get("SCREENSHOT"):
            browser.scroll_to(".live-responses-table")
            pathlib.Path(picture).write_bytes(base64.b64decode(browser.screenshot()))
    assert status.split()[0] == "201", f"the page shows {status!r}"
    assert f"{gateway_url}/orders" in asked, f"the page asked for {asked}"
    elsewhere = [url for url in asked if foreign(url, gateway_url)]
    assert not elsewhere, f"the page asked other hosts for {elsewhere}"
    assert not errors, f"the console says {errors}"


if __name__ == "__main__":
    main(*sys.argv[1:])
