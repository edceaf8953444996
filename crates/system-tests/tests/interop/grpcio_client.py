"""Calls Order and Payment with descriptors from reflection.

usage: grpcio_client.py payment ADDRESS | order ADDRESS | production ADDRESS SERVICE
"""

import sys

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

CALL_SECONDS_MAX = 15


class Service:
    """A client of one service, with the descriptors that the server reflects."""

    def __init__(self, channel, name):
        self.channel = channel
        self.descriptor = DescriptorPool(ProtoReflectionDescriptorDatabase(channel)).FindServiceByName(name)

    def call(self, method, **request):
        method = self.descriptor.methods_by_name[method]
        message = json_format.ParseDict(request, message_factory.GetMessageClass(method.input_type)())
        call = self.channel.unary_unary(
            f"/{self.descriptor.full_name}/{method.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        return call(message, timeout=CALL_SECONDS_MAX)

    def error(self, method, **request):
        """Calls a method that must fail. Returns code, message and decoded details."""
        try:
            response = self.call(method, **request)
        except grpc.RpcError as error:
            return error.code(), error.details(), details(error)
        raise AssertionError(f"{method} {request} returned {response}")


def details(error):
    """The details of the status, by the name of their type."""
    found = {}
    for packed in rpc_status.from_call(error).details:
        name = packed.TypeName().removeprefix("google.rpc.")
        detail = getattr(error_details_pb2, name)()
        assert packed.Unpack(detail) and name not in found, packed
        found[name] = json_format.MessageToDict(detail, preserving_proto_field_name=True)
    return found


def equal(found, expected):
    assert found == expected, f"\nfound    {found!r}\nexpected {expected!r}"


def money(message):
    return message.currency_code, message.units, message.nanos


def charge(channel):
    payment = Service(channel, "Payment")
    first = payment.call("Create", user_id=123, order_id=12, total_price=32)
    assert 0 < first.payment_id < 2**53 and 0 < first.bill_id < 2**53, first
    again = payment.call("Create", user_id=123, order_id=12, total_price=32)
    equal((again.payment_id, again.bill_id), (first.payment_id, first.bill_id))
    equal(money(payment.call("Get", order_id=12).total), ("USD", 32, 0))

    code, message, found = payment.error("Create", user_id=123, order_id=13, total_price=968.01)
    equal(code, grpc.StatusCode.INVALID_ARGUMENT)
    equal(message, "failed to charge user: 123")
    equal(set(found), {"BadRequest", "ErrorInfo"})
    equal([v["description"] for v in found["BadRequest"]["field_violations"]], ["insufficient balance"])
    equal((found["ErrorInfo"]["domain"], found["ErrorInfo"]["reason"]), ("payment", "DECLINED"))
    equal(found["ErrorInfo"]["metadata"]["decline_reason"], "INSUFFICIENT_BALANCE")
    equal(payment.error("Create", user_id=123, order_id=13, total_price=968.01), (code, message, found))

    # A declined charge does not change the account: the rest of its limit can still be charged.
    payment.call("Create", user_id=123, order_id=14, total_price=968)
    # 0.1f + 0.2f, as an old client computes the sum.
    payment.call("Create", user_id=124, order_id=15, total_price=0.30000001192092896)
    equal(money(payment.call("Get", order_id=15).total), ("USD", 0, 300_000_000))


def order(channel):
    orders = Service(channel, "Order")
    item = {"product_code": "sku1", "unit_price": 0.12, "quantity": 1}
    order_id = orders.call("Create", user_id=123, order_items=[item]).order_id
    assert 0 < order_id < 2**53, order_id
    saved = orders.call("Get", order_id=order_id)
    equal(money(saved.total), ("USD", 0, 120_000_000))
    equal([money(item.price) for item in saved.order_items], [("USD", 0, 120_000_000)])
    equal(json_format.MessageToDict(saved)["status"], "ORDER_STATUS_PAID")

    expensive = {"product_code": "sku1", "unit_price": 1000, "quantity": 1}
    code, message, found = orders.error("Create", user_id=123, order_items=[expensive])
    equal(code, grpc.StatusCode.INVALID_ARGUMENT)
    equal(message, "order creation failed")
    equal(set(found), {"BadRequest", "ErrorInfo"})
    equal(
        found["BadRequest"]["field_violations"],
        [{"field": "payment", "description": "insufficient balance"}],
    )
    declined_id = int(found["ErrorInfo"]["metadata"].pop("order_id"))
    equal(
        found["ErrorInfo"],
        {
            "domain": "order",
            "reason": "PAYMENT_DECLINED",
            "metadata": {"decline_reason": "INSUFFICIENT_BALANCE"},
        },
    )
    declined = orders.call("Get", order_id=declined_id)
    equal(json_format.MessageToDict(declined)["status"], "ORDER_STATUS_DECLINED")
    equal(declined.decline_reason, "INSUFFICIENT_BALANCE")
    equal(orders.error("Get", order_id=1)[0], grpc.StatusCode.NOT_FOUND)


def reflected(channel, version):
    """The names of the services that a server reflects; v1 has the messages of v1alpha."""
    list_services = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    responses = list_services(iter([request]), timeout=CALL_SECONDS_MAX)
    return {service.name for service in next(responses).list_services_response.service}


def reflects_only(channel, name):
    for version in ["v1", "v1alpha"]:
        equal({service for service in reflected(channel, version) if not service.startswith("grpc.")}, {name})


def reflects_nothing(channel):
    for version in ["v1", "v1alpha"]:
        try:
            found = reflected(channel, version)
        except grpc.RpcError as error:
            equal(error.code(), grpc.StatusCode.UNIMPLEMENTED)
        else:
            raise AssertionError(f"reflection {version} is on: {found}")


def is_healthy(channel, name):
    health = health_pb2_grpc.HealthStub(channel)
    for service in ["", name]:
        response = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=CALL_SECONDS_MAX)
        equal(response.status, health_pb2.HealthCheckResponse.SERVING)
    for service in {"Order", "Payment", "order.Order"} - {name}:
        try:
            response = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=CALL_SECONDS_MAX)
        except grpc.RpcError as error:
            equal(error.code(), grpc.StatusCode.NOT_FOUND)
        else:
            raise AssertionError(f"health of {service} is {response}")


def main(mode, address, *name):
    with grpc.insecure_channel(address) as channel:
        if mode == "production":
            is_healthy(channel, *name)
            reflects_nothing(channel)
        else:
            name = mode.capitalize()
            is_healthy(channel, name)
            reflects_only(channel, name)
            {"payment": charge, "order": order}[mode](channel)


if __name__ == "__main__":
    main(*sys.argv[1:])
