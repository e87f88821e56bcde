"""The echo servers in Python, on a listening socket that is inherited.

usage: echo.py asyncio|uvloop|gevent DESCRIPTOR BUFFER

asyncio and uvloop serve by a Protocol: callbacks, which both are quickest with. They read as much as they like
(256 KiB) into a buffer of their own; BUFFER is gevent's alone. All three set TCP_NODELAY.
"""

import socket
import sys

BACKLOG = 4096


def serve_by_protocol(listener, run):
    import asyncio

    class Echo(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(data)

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, sock=listener, backlog=BACKLOG)
        await server.serve_forever()

    run(main())


def serve_by_gevent(descriptor, buffer):
    from gevent import socket as gevent_socket
    from gevent.server import StreamServer

    def echo(stream, _address):
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while received := stream.recv(buffer):
            stream.sendall(received)

    listener = gevent_socket.socket(fileno=descriptor)
    server = StreamServer(listener, echo)
    # So many connections are taken in at one event; by default 100.
    server.max_accept = BACKLOG
    server.serve_forever()


def main():
    flavour, descriptor, buffer = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if flavour == "gevent":
        serve_by_gevent(descriptor, buffer)
    elif flavour == "uvloop":
        import uvloop

        serve_by_protocol(socket.socket(fileno=descriptor), uvloop.run)
    else:
        import asyncio

        serve_by_protocol(socket.socket(fileno=descriptor), asyncio.run)


main()
