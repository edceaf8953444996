"""Reads load reports with grpcio's own policy, and serves reports that protobuf's library encodes.

usage: load_reports.py read ADDRESS | serve
"""

import json
import sys
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool

CALL_SECONDS_MAX = 15
TRAILER = "endpoint-load-metrics-bin"
NAME = "xds.data.orca.v3.OrcaLoadReport"
# The fields of the published message that load balancing uses.
FIELDS = {"cpu_utilization": 1, "rps_fractional": 6, "eps": 7, "application_utilization": 9}


def report_class():
    package, _, name = NAME.rpartition(".")
    file = descriptor_pb2.FileDescriptorProto(name="orca.proto", package=package, syntax="proto3")
    message = file.message_type.add(name=name)
    for field, number in FIELDS.items():
        kinds = descriptor_pb2.FieldDescriptorProto
        message.field.add(name=field, number=number, type=kinds.TYPE_DOUBLE, label=kinds.LABEL_OPTIONAL)
    pool = DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(NAME))


def read(address):
    """Calls Order with grpcio's policy weighted_round_robin. Only that policy sees the reports."""
    policy = {"weighted_round_robin": {"blackoutPeriod": "0s", "weightUpdatePeriod": "0.1s"}}
    options = [("grpc.service_config", json.dumps({"loadBalancingConfig": [policy]}))]
    with grpc.insecure_channel(address, options) as channel:
        get, list_orders = (channel.unary_unary(f"/Order/{method}") for method in ["Get", "List"])
        # user_id, the first field, is 123.
        list_orders(b"\x08\x7b", timeout=CALL_SECONDS_MAX)
        try:
            # order_id, the first field, is 1.
            get(b"\x08\x01", timeout=CALL_SECONDS_MAX)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error


class Reporting(grpc.GenericRpcHandler):
    """Returns an empty message for every call, with a report in the trailers."""

    def service(self, _details):
        def respond(_request, context):
            report = report_class()(
                cpu_utilization=0.5, application_utilization=0.25, rps_fractional=1234.5, eps=2.5
            )
            context.set_trailing_metadata([(TRAILER, report.SerializeToString())])
            return b""

        return grpc.unary_unary_rpc_method_handler(respond)


def serve():
    """Serves until stdin is closed."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1), handlers=[Reporting()])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(None)


if __name__ == "__main__":
    {"read": read, "serve": serve}[sys.argv[1]](*sys.argv[2:])
