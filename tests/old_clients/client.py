"""Calls /echo.Echo/Say over one channel and prints one line per call.

Arguments: socket path, the channel's default authority ("" leaves the library's own: the path),
number of calls, length of a header that each third call carries.
"""

import sys

import grpc

path, authority, count, length = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
options = [("grpc.default_authority", authority)] if authority else []
with grpc.insecure_channel("unix:" + path, options=options) as channel:
    say = channel.unary_unary("/echo.Echo/Say", request_serializer=None, response_deserializer=None)
    for i in range(count):
        metadata = [("x-n", str(i))]
        if i % 3 == 2:
            # A new value each time: an old one would go by index.
            metadata.append(("x-long", (str(i) + "-").ljust(length, "v")))
        try:
            body, call = say.with_call(b"call %d" % i, metadata=metadata, timeout=20)
            headers = dict(call.initial_metadata())
            print("ok", body.decode(), headers["x-n"], headers["x-long-len"])
        except grpc.RpcError as error:
            print("error", error.code().name)
