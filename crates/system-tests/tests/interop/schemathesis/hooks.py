"""Rules that the OpenAPI document cannot express, for Schemathesis. Each exception has its reason."""

import decimal
import os
import re
import uuid

import schemathesis
from schemathesis import HookContext
from schemathesis.core.failures import AcceptedNegativeData, ServerError
from schemathesis.openapi.checks import RejectedPositiveData, UnsupportedMethodResponse

# With a Grpc-Timeout below 0.6 s, an order is not started (503); with little more, its outcome may be unknown on a busy machine
# (504). Both are correct responses to such a request.
SECONDS_MIN = 5
SECONDS = {"H": 3600, "M": 60, "S": 1, "m": 1e-3, "u": 1e-6, "n": 1e-9}
# Prices in these currencies get two decimals; prices in all others are whole units.
TWO_DECIMALS = ("USD", "EUR", "GBP", "CHF")
# The highest cost of an item: thousands of orders of 100 items stay within the credit limit, and each total is below 2^53
# of the smallest minor units, a thousandth.
COST_MAX = 100_000

# The access token and its user: the gateway rejects other users.
TOKEN, TOKEN_USER = os.environ.get("TOKEN"), os.environ.get("TOKEN_USER")
# The idempotency keys that were used.
KEYS = set()
# The methods of RFC 9110 and PATCH.
KNOWN_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
# The detail of an invalid page_token.
INVALID_PAGE_TOKEN = "must be the next_page_token of an earlier page of this user"


def is_positive(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema):
    """Removes the security schemes for a gateway without authentication."""
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
            # A case that tests this header keeps its own value.
            tested = getattr(case.meta and case.meta.phase.data, "parameter", None) or ""
            if tested.lower() != "authorization":
                case.headers["Authorization"] = data


@schemathesis.hook
def before_call(context: HookContext, case, kwargs):
    raise_timeout(case)
    match_any_representation(case)
    if is_positive(case) and case.operation.label == "POST /orders":
        renew_key(case)
        use_plain_integers(case.body)
        limit_prices(case.body)
        if TOKEN_USER:
            case.body["user_id"] = int(TOKEN_USER)
    if is_positive(case) and TOKEN_USER and "user_id" in (case.query or {}):
        case.query["user_id"] = int(TOKEN_USER)


def raise_timeout(case):
    """Replaces short values of Grpc-Timeout, and keeps values that the header's pattern rejects."""
    for name, value in dict(case.headers or {}).items():
        found = name.lower() == "grpc-timeout" and re.fullmatch("([0-9]{1,8})([HMSmun])", str(value))
        if found and int(found[1]) * SECONDS[found[2]] < SECONDS_MIN:
            case.headers[name] = "30S"


def match_any_representation(case):
    """Every other value of If-Match is a 412, as the parameter's description says."""
    for name in dict(case.headers or {}):
        if name.lower() == "if-match":
            case.headers[name] = "*"


def renew_key(case):
    """Replaces a key that was used: it belongs to another order."""
    for name, value in dict(case.headers or {}).items():
        if name.lower() == "idempotency-key":
            # "k" and k are the same key.
            bare = re.sub(r'\\(["\\])', r"\1", value[1:-1]) if value.startswith('"') else value
            if bare in KEYS:
                case.headers[name] = str(uuid.uuid4())
            KEYS.add(bare)


def use_plain_integers(order):
    """64.0 is an integer in JSON Schema. The gateway accepts integers without a fraction only, as the description says."""
    order["user_id"] = int(order["user_id"])
    for item in order["order_items"]:
        item["quantity"] = int(item["quantity"])


def limit_prices(order):
    """JSON Schema cannot express the decimals of a currency, nor the range of a total. Limits the decimals of prices, and keeps
    the total above 0 and below the maximum."""
    step = decimal.Decimal("0.01" if order.get("currency", "USD") in TWO_DECIMALS else "1")
    for item in order["order_items"]:
        # Optional only with a price list.
        item["unit_price"] = price(item.get("unit_price", 1), item["quantity"], step)
    if all(decimal.Decimal(str(item["unit_price"])) == 0 for item in order["order_items"]):
        order["order_items"][0]["unit_price"] = 1


def price(requested, quantity, step):
    most = decimal.Decimal(COST_MAX // quantity)
    try:
        rounded = min(decimal.Decimal(str(requested)), most).quantize(step, decimal.ROUND_DOWN)
    except decimal.InvalidOperation:
        # An exponent outside of the range of Decimal.
        rounded = most
    # A number or a string, as before.
    return f"{rounded:f}" if isinstance(requested, str) else float(rounded)


@schemathesis.hook
def filter_failure(context: HookContext, failure, case, response) -> bool:
    if isinstance(failure, AcceptedNegativeData):
        return not has_large_page_size(case)
    if isinstance(failure, ServerError | UnsupportedMethodResponse):
        return not is_unknown_method(case, response)
    return not (isinstance(failure, RejectedPositiveData) and is_beyond_the_schema(case, response))


def has_large_page_size(case):
    """The format int32 of page_size is for generated code. The gateway accepts every larger size, as the maximum."""
    size = str((case.query or {}).get("page_size", ""))
    return re.fullmatch("[0-9]{10,}", size) is not None and int(size) > 2**31 - 1


def is_unknown_method(case, response):
    """501 is the status of a method that the gateway does not know at all (RFC 9110, section 15.6.2)."""
    return response.status_code == 501 and case.method.upper() not in KNOWN_METHODS


def is_beyond_the_schema(case, response):
    """A page_token is opaque: the schema allows any text, and the gateway rejects made-up ones. user_id is optional only with an
    access token."""
    if response.status_code != 400 or case.operation.label != "GET /orders":
        return False
    errors = [(error["field"], error["detail"]) for error in response.json().get("errors", [])]
    missing = [] if TOKEN_USER or "user_id" in (case.query or {}) else [field for field, _ in errors if field == "user_id"]
    return bool(errors) and all(field in missing or (field, detail) == ("page_token", INVALID_PAGE_TOKEN) for field, detail in errors)


