"""Places, reads and lists orders, and is declined, by the client generated from the OpenAPI document.

usage: client.py GATEWAY_URL, with the package orders_client in the path
"""

import datetime
import sys
import uuid
from decimal import Decimal
from http import HTTPStatus

from orders_client import Client
from orders_client.api.orders import list_orders, place_order, read_order
from orders_client.models import Order, OrderDraft, OrderDraftCurrency, OrderDraftItem, OrderPage, OrderStatus, Problem
from orders_client.types import Unset

# 32-bit floats have no such number, and neither has a sum of such floats.
PRICE = "1234567.89"


def draft(user, price):
    items = [OrderDraftItem(product_code="sku1", unit_price=price, quantity=1)]
    return OrderDraft(user_id=user, order_items=items, currency=OrderDraftCurrency.EUR)


def place(client, user, price):
    """Places an order. The same key replays it."""
    key = str(uuid.uuid4())
    placed = place_order.sync_detailed(client=client, body=draft(user, price), idempotency_key=key)
    assert placed.status_code is HTTPStatus.CREATED, placed
    order = placed.parsed
    assert isinstance(order, Order), order
    assert isinstance(order.order_id, int) and order.status is OrderStatus.PAID, order
    assert (order.currency, order.total_price, order.user_id) == ("EUR", float(PRICE), user), order
    assert Decimal(order.total_price_text) == Decimal(PRICE), order
    assert [(item.quantity, item.unit_price, item.unit_price_text) for item in order.order_items] == [(1, float(PRICE), PRICE)], order
    assert isinstance(order.created_at, datetime.datetime) and order.created_at.tzinfo is not None, order
    assert isinstance(order.decline_reason, Unset), order
    again = place_order.sync_detailed(client=client, body=draft(user, price), idempotency_key=key)
    assert (again.parsed, again.headers["Idempotent-Replayed"]) == (order, "true"), again
    return order


def read(client, order):
    """Reads the order by its id, with its ETag, and in a page."""
    first = read_order.sync_detailed(order.order_id, client=client, prefer="wait=5")
    assert (first.status_code, first.parsed) == (HTTPStatus.OK, order), first
    assert first.headers["Preference-Applied"] == "wait=5", first.headers
    unchanged = read_order.sync_detailed(order.order_id, client=client, if_none_match=first.headers["ETag"])
    assert (unchanged.status_code, unchanged.content) == (HTTPStatus.NOT_MODIFIED, b""), unchanged
    page = list_orders.sync(client=client, user_id=order.user_id)
    assert isinstance(page, OrderPage) and page.orders == [order] and page.next_page_token == "", page


def be_declined(client):
    """An error response is a problem, as the document says."""
    rejected = place_order.sync_detailed(client=client, body=draft(123, 1_000_000))
    problem = rejected.parsed
    assert rejected.status_code is HTTPStatus.PAYMENT_REQUIRED and isinstance(problem, Problem), rejected
    assert (problem.type_, problem.status) == ("/problems/payment-declined", 402), problem
    assert problem.errors[0].detail == "insufficient balance" and problem.retryable is False, problem
    assert problem.metadata["decline_reason"] == "INSUFFICIENT_BALANCE", problem
    declined = read_order.sync(problem.order_id, client=client)
    assert isinstance(declined, Order) and declined.status is OrderStatus.DECLINED, declined
    missing = read_order.sync(1, client=client)
    assert isinstance(missing, Problem) and missing.status == 404, missing


def main(gateway_url):
    with Client(base_url=gateway_url, raise_on_unexpected_status=True) as client:
        for user, price in ((123, PRICE), (124, float(PRICE))):
            read(client, place(client, user, price))
        be_declined(client)


if __name__ == "__main__":
    main(*sys.argv[1:])
