"""What the OpenAPI document cannot say, told to Schemathesis: each exception with its reason."""

import decimal
import os
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

# The access token and its user, where there is one: the gateway lets nobody name another.
TOKEN, TOKEN_USER = os.environ.get("TOKEN"), os.environ.get("TOKEN_USER")
# The keys that orders were sent with.
KEYS = set()
# What the services say of a list's token that they did not give.
FOREIGN_TOKEN = "must be the next_page_token of an earlier page of this user"


def is_positive(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema):
    """The document is of a gateway that demands tokens. Of another, it holds without what it says of them."""
    if not TOKEN:
        raw_schema.pop("security", None)
        for operation in (method for path in raw_schema["paths"].values() for method in path.values()):
            if isinstance(operation, dict):
                operation.pop("security", None)


if TOKEN:

    @schemathesis.auth()
    class Bearer:
        def get(self, case, context):
            return f"Bearer {TOKEN}"

        def set(self, case, data, context):
            # Where it is what the case is about, it stays away or wrong.
            about = getattr(case.meta and case.meta.phase.data, "parameter", None) or ""
            if about.lower() != "authorization":
                case.headers["Authorization"] = data


@schemathesis.hook
def before_call(context: HookContext, case, kwargs):
    patient(case)
    if is_positive(case) and case.operation.label == "POST /orders":
        unused(case)
        plain(case.body)
        affordable(case.body)
        if TOKEN_USER:
            case.body["user_id"] = int(TOKEN_USER)
    if is_positive(case) and TOKEN_USER and "user_id" in (case.query or {}):
        case.query["user_id"] = int(TOKEN_USER)


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
        # May be left out only where there is a price list.
        item["unit_price"] = price(item.get("unit_price", 1), item["quantity"], step)
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
    return not (isinstance(failure, RejectedPositiveData) and is_beyond_the_schema(case, response))


def is_beyond_the_schema(case, response):
    """A page's token is opaque, and one that was made up is refused, though any text is allowed. Whose orders are listed
    may be left out only where the access token says it."""
    if response.status_code != 400 or case.operation.label != "GET /orders":
        return False
    errors = [(error["field"], error["detail"]) for error in response.json().get("errors", [])]
    unsaid = [] if TOKEN_USER or "user_id" in (case.query or {}) else [field for field, _ in errors if field == "user_id"]
    return bool(errors) and all(field in unsaid or (field, detail) == ("page_token", FOREIGN_TOKEN) for field, detail in errors)


