"""Places and reads an order, and is declined, by the client generated from the OpenAPI document.

usage: generated_client.py GATEWAY_URL, with the package orders_client in the path
"""

import datetime
import sys
import uuid
from http import HTTPStatus

from orders_client import Client
from orders_client.api.orders import list_orders, place_order, read_order
from orders_client.models import Order, OrderDraft, OrderDraftCurrency, OrderDraftItem, OrderPage, OrderStatus, Problem
from orders_client.types import Unset


def draft(price):
    items = [OrderDraftItem(product_code="sku1", unit_price=price, quantity=2)]
    return OrderDraft(user_id=123, order_items=items, currency=OrderDraftCurrency.EUR)


def place(client):
    """Places an order. The same key replays it."""
    key = str(uuid.uuid4())
    placed = place_order.sync_detailed(client=client, body=draft("0.12"), idempotency_key=key)
    assert placed.status_code is HTTPStatus.CREATED, placed
    order = placed.parsed
    assert isinstance(order, Order), order
    assert isinstance(order.order_id, int) and order.status is OrderStatus.PAID, order
    assert (order.currency, order.total_price, order.user_id) == ("EUR", 0.24, 123), order
    assert [item.quantity for item in order.order_items] == [2], order
    assert isinstance(order.created_at, datetime.datetime) and order.created_at.tzinfo is not None, order
    assert isinstance(order.decline_reason, Unset), order
    again = place_order.sync_detailed(client=client, body=draft("0.12"), idempotency_key=key)
    assert (again.parsed, again.headers["Idempotent-Replayed"]) == (order, "true"), again
    return order


def read(client, order):
    """Reads the order by its id, with its ETag, and in a page."""
    first = read_order.sync_detailed(order.order_id, client=client, prefer="wait=5")
    assert (first.status_code, first.parsed) == (HTTPStatus.OK, order), first
    assert first.headers["Preference-Applied"] == "wait=5", first.headers
    unchanged = read_order.sync_detailed(order.order_id, client=client, if_none_match=first.headers["ETag"])
    assert (unchanged.status_code, unchanged.content) == (HTTPStatus.NOT_MODIFIED, b""), unchanged
    page = list_orders.sync(client=client, user_id=123)
    assert isinstance(page, OrderPage) and page.orders == [order] and page.next_page_token == "", page


def be_declined(client):
    """An error response is a problem, as the document says."""
    rejected = place_order.sync_detailed(client=client, body=draft(1_000_000))
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
        read(client, place(client))
        be_declined(client)


if __name__ == "__main__":
    main(*sys.argv[1:])
