"""Places an order over gRPC, and repeats the call with the same key until its outcome is known.

Variables and exit codes: examples/README.md. Needs grpcio-tools, which makes the stubs from proto/protos
at import, and grpcio-status, which decodes error details.
"""

import os
import random
import sys
import time
import uuid
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

# The stubs are made from the contract that the services are built from.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "proto" / "protos"))
order_pb2, order_grpc = grpc.protos_and_services("order.proto")

ADDRESS = os.environ.get("ORDER_ADDRESS", "127.0.0.1:3000")
ATTEMPTS_MAX = 8
TIMEOUT_SECONDS = 10
# Codes after which the same call with the same key may succeed.
RETRYABLE_CODES = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
}


def details_of(error):
    """The google.rpc details of a failed call, by the name of their type."""
    status = rpc_status.from_call(error)
    found = {}
    for packed in status.details if status else []:
        name = packed.TypeName().removeprefix("google.rpc.")
        detail = getattr(error_details_pb2, name, lambda: None)()
        if detail is not None and packed.Unpack(detail):
            found[name] = detail
    return found


def retry_seconds(details):
    """The delay of RetryInfo in seconds, else 0."""
    retry = details.get("RetryInfo")
    return retry.retry_delay.ToTimedelta().total_seconds() if retry else 0.0


def place_order(stub, request):
    """Returns the response once the order is placed; raises the last error otherwise."""
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return stub.Create(request, timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            if error.code() not in RETRYABLE_CODES or attempt == ATTEMPTS_MAX:
                raise
            details = details_of(error)
            reason = details["ErrorInfo"].reason if "ErrorInfo" in details else error.code().name
            backoff = min(8, 0.5 * 2 ** (attempt - 1)) * random.uniform(0.5, 1)
            seconds = retry_seconds(details) + backoff
            print(f"attempt {attempt}: {reason}, next in {seconds:.1f} s", file=sys.stderr)
            time.sleep(seconds)
    raise AssertionError("unreachable: the last attempt returns or raises")


def main():
    price = float(os.environ.get("UNIT_PRICE", "0.12"))
    request = order_pb2.CreateOrderRequest(
        user_id=123,
        order_items=[order_pb2.OrderItem(product_code="sku1", unit_price=price, quantity=1)],
        idempotency_key=os.environ.get("IDEMPOTENCY_KEY") or str(uuid.uuid4()),
    )
    with grpc.insecure_channel(ADDRESS) as channel:
        try:
            response = place_order(order_grpc.OrderStub(channel), request)
        except grpc.RpcError as error:
            details = details_of(error)
            print(f"{error.code().name}: {error.details()}", file=sys.stderr)
            if "ErrorInfo" in details:
                print(f"  reason {details['ErrorInfo'].reason}", file=sys.stderr)
            for violation in details["BadRequest"].field_violations if "BadRequest" in details else []:
                print(f"  {violation.field}: {violation.description}", file=sys.stderr)
            return 2 if error.code() in RETRYABLE_CODES else 1
        status = order_pb2.OrderStatus.Name(response.status)
        print(f"order {response.order_id}: {status}, replayed: {response.replayed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
