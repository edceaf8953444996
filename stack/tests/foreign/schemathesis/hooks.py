"""What the OpenAPI document cannot say, told to Schemathesis: each exception with its reason."""

import decimal
import re
import uuid

import schemathesis
from schemathesis import HookContext
from schemathesis.openapi.checks import RejectedPositiveData

# With less than 0.6 an order is not started, and with little more its outcome may not be known in time on a busy machine:
# by its Grpc-Timeout the caller asked for the 503 or 504 that tells it.
SECONDS_MIN = 5
SECONDS = {"H": 3600, "M": 60, "S": 1, "m": 1e-3, "u": 1e-6, "n": 1e-9}
# Of the many currencies these, which have two decimals, are given some; all others get whole units, which all have.
TWO_DECIMALS = ("USD", "EUR", "GBP", "CHF")
# An item costs no more than this: so thousands of orders of 100 items are within what one customer may spend, and each
# is below 2^53 of the smallest minor units that there are, a ten-thousandth.
COST_MAX = 100_000

# The keys that orders were sent with.
KEYS = set()
# What the services say of a list's token that they did not give.
FOREIGN_TOKEN = "must be the next_page_token of an earlier page of this user"


def is_positive(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


@schemathesis.hook
def before_call(context: HookContext, case, kwargs):
    patient(case)
    if is_positive(case) and case.operation.label == "POST /orders":
        unused(case)
        plain(case.body)
        affordable(case.body)


def patient(case):
    """A client that waits for less than an order takes is answered 503 or 504 by what it asked for: no fault to be found.
    What the header's pattern refuses is left as it is."""
    for name, value in dict(case.headers or {}).items():
        found = name.lower() == "grpc-timeout" and re.fullmatch("([0-9]{1,8})([HMSmun])", str(value))
        if found and int(found[1]) * SECONDS[found[2]] < SECONDS_MIN:
            case.headers[name] = "30S"


def unused(case):
    """A key that was sent before belongs to another order, which a schema knows nothing of, and of few keys many are
    sent again: then there is another in its place."""
    for name, value in dict(case.headers or {}).items():
        if name.lower() == "idempotency-key":
            # "k" and k are one.
            bare = re.sub(r'\\(["\\])', r"\1", value[1:-1]) if value.startswith('"') else value
            if bare in KEYS:
                case.headers[name] = str(uuid.uuid4())
            KEYS.add(bare)


def plain(order):
    """To JSON Schema 64.0 is an integer, whatever it is written like; the gateway takes whole numbers in their one plain
    form alone, as the document says in words."""
    order["user_id"] = int(order["user_id"])
    for item in order["order_items"]:
        item["quantity"] = int(item["quantity"])


def affordable(order):
    """JSON Schema knows neither how many decimals a currency has nor what a list of products of two members sums up
    to: prices get no more decimals than their currency has, and totals are above 0 and not beyond all bounds."""
    step = decimal.Decimal("0.01" if order.get("currency", "USD") in TWO_DECIMALS else "1")
    for item in order["order_items"]:
        item["unit_price"] = price(item["unit_price"], item["quantity"], step)
    if all(decimal.Decimal(str(item["unit_price"])) == 0 for item in order["order_items"]):
        order["order_items"][0]["unit_price"] = 1


def price(asked, quantity, step):
    most = decimal.Decimal(COST_MAX // quantity)
    try:
        rounded = min(decimal.Decimal(str(asked)), most).quantize(step, decimal.ROUND_DOWN)
    except decimal.InvalidOperation:
        # An exponent that no library follows.
        rounded = most
    # As it was given: a number, or the text of one.
    return f"{rounded:f}" if isinstance(asked, str) else float(rounded)


@schemathesis.hook
def filter_failure(context: HookContext, failure, case, response) -> bool:
    return not (isinstance(failure, RejectedPositiveData) and is_foreign_token(case, response))


def is_foreign_token(case, response):
    """A page's token is opaque, and one that was made up is refused, though any text is allowed."""
    if response.status_code != 400 or case.operation.label != "GET /orders":
        return False
    errors = response.json().get("errors", [])
    return [(error["field"], error["detail"]) for error in errors] == [("page_token", FOREIGN_TOKEN)]


