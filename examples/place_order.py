"""Places an order, and repeats the request with the same key until its outcome is known.

Variables and exit codes: examples/README.md. Needs nothing but Python's standard library.
"""

import json
import os
import random
import sys
import time
import urllib.error
import urllib.request
import uuid

BASE_URL = os.environ.get("BASE_URL", "http://127.0.0.1:8080")
ATTEMPTS_MAX = 8
# Longer than the server's own deadline of 10 s.
TIMEOUT_SECONDS = 12


class Rejected(Exception):
    """The order was not placed, and the same request will not place it."""

    def __init__(self, problem):
        super().__init__(f"{problem['status']} {problem['type']}: {problem['title']}")
        self.problem = problem


class OutcomeUnknown(Exception):
    """No attempt got a final response: the order may have been placed."""


def send(order, key):
    """One attempt: the status, the Retry-After in seconds, and the JSON document."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    if token := os.environ.get("TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"{BASE_URL}/orders", json.dumps(order).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            return response.status, None, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("Retry-After"), json.load(error)


def place_order(order, key):
    """Returns the order once it is placed; raises Rejected or OutcomeUnknown otherwise."""
    for attempt in range(1, ATTEMPTS_MAX + 1):
        wait = None
        try:
            status, wait, document = send(order, key)
            if status < 300:
                return document
            if not document.get("retryable"):
                raise Rejected(document)
            reason = f"{status} {document['type']}"
        except (OSError, ValueError) as error:
            # No complete response: the order may have been placed. The same key finds out.
            reason = f"no response ({error})"
        if attempt < ATTEMPTS_MAX:
            backoff = min(8, 0.5 * 2 ** (attempt - 1)) * random.uniform(0.5, 1)
            seconds = float(wait or 0) + backoff
            print(f"attempt {attempt}: {reason}, next in {seconds:.1f} s", file=sys.stderr)
            time.sleep(seconds)
    raise OutcomeUnknown(f"after {ATTEMPTS_MAX} attempts; repeat with IDEMPOTENCY_KEY={key}")


def main():
    # A string keeps every digit of the price; a float may not.
    item = {"product_code": "sku1", "unit_price": os.environ.get("UNIT_PRICE", "0.12"), "quantity": 1}
    order = {"user_id": 123, "order_items": [item]}
    key = os.environ.get("IDEMPOTENCY_KEY") or str(uuid.uuid4())
    try:
        print(json.dumps(place_order(order, key)))
    except Rejected as rejected:
        print(rejected, file=sys.stderr)
        for error in rejected.problem.get("errors", []):
            print(f"  {error.get('pointer', error['field'])}: {error['detail']}", file=sys.stderr)
        return 1
    except OutcomeUnknown as unknown:
        print(f"outcome unknown {unknown}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
