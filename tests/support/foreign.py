#!/usr/bin/python3
"""A gRPC client that shares nothing with the program: Debian's python3-grpcio (C-core).

Calls one unary method by its path with the bytes of a message and prints one JSON object with the
answer: {"code", "message", "response" (hex), "initial" and "trailing" metadata (name, hex of value)}.
Without --authority it sends what C-core makes of a unix socket, the percent-encoded path.
"""
import argparse
import json
import sys

import grpc


def metadata(pairs):
    return [[name, (value if isinstance(value, bytes) else value.encode()).hex()] for name, value in pairs or ()]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("socket")
    parser.add_argument("method", help="/runtime.v1.RuntimeService/Version")
    parser.add_argument("--hex", help="the request message; without it, standard input")
    parser.add_argument("--authority", help="channel option grpc.default_authority")
    parser.add_argument("--metadata", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--timeout", type=float, default=30)
    parser.add_argument("--gzip", action="store_true", help="compress the message, where that makes it smaller")
    parser.add_argument("--repeat", type=int, default=1, help="calls on the one connection; the last is printed")
    args = parser.parse_args()

    message = bytes.fromhex(args.hex) if args.hex is not None else sys.stdin.buffer.read()
    options = [
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", 16 << 20),
        ("grpc.max_send_message_length", -1),
    ]
    if args.authority is not None:
        options.append(("grpc.default_authority", args.authority))
    sent = []
    for pair in args.metadata:
        name, value = pair.split("=", 1)
        sent.append((name, bytes.fromhex(value) if name.endswith("-bin") else value))

    with grpc.insecure_channel("unix:" + args.socket, options=options) as channel:
        call = channel.unary_unary(args.method)
        for _ in range(args.repeat):
            answer = {"response": None}
            try:
                how = grpc.Compression.Gzip if args.gzip else None
                response, info = call.with_call(message, timeout=args.timeout, metadata=sent, compression=how)
                answer["response"] = response.hex()
            except grpc.RpcError as error:
                info = error
            answer["code"] = info.code().value[0]
            answer["message"] = info.details()
            answer["initial"] = metadata(info.initial_metadata())
            answer["trailing"] = metadata(info.trailing_metadata())
    print(json.dumps(answer))


main()
