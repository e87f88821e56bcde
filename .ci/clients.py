#!/usr/bin/env python3
"""Real clients for an echo server: one thread each, none of them written with coracle.

Every client sends blocks of random bytes and demands the same bytes back, to the last one; then it closes its sending
half and demands the end of the stream, and nothing before it. With --reset-fraction, some of them instead break off in
the middle of a transfer, with a reset (SO_LINGER 0). With --silent, further connections are opened first, say nothing
all the while, and must be neither spoken to nor closed.

Prints one line of totals. Exit status: 0 only if every byte was right and nothing unexpected happened; 1 otherwise;
2 if --timeout ran out. Talks to loopback addresses only.
"""

import argparse
import collections
import ipaddress
import os
import random
import resource
import socket
import struct
import sys
import threading
import time

MAX_BLOCK = 32 * 1024  # small enough to lie whole in the socket buffers: the client may send all before it reads
RESET_NOW = struct.pack("ii", 1, 0)  # struct linger: on, zero seconds


class Mismatch(Exception):
    """The server answered with bytes that were not the ones sent."""


class Totals:
    """What happened, over all threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.round_trips = self.bytes = self.mismatches = self.resets = 0
        self.errors = collections.Counter()

    def add(self, round_trips, nbytes):
        with self.lock:
            self.round_trips += round_trips
            self.bytes += nbytes

    def mismatch(self, text):
        with self.lock:
            self.mismatches += 1
            if self.mismatches <= 10:
                print(f"clients: mismatch: {text}", file=sys.stderr)

    def error(self, error):
        with self.lock:
            self.errors[f"{type(error).__name__}: {error}"] += 1

    def reset(self):
        with self.lock:
            self.resets += 1


class Client:
    """One connection: `rounds` round trips, broken off in round `reset_at` if that is not None."""

    def __init__(self, number, args, deadline, totals, gates, reset_at):
        self.number, self.args, self.deadline, self.totals = number, args, deadline, totals
        self.gates, self.reset_at = gates, reset_at
        self.random = random.Random(args.seed * 1_000_003 + number)
        # Blocks are slices of this; no two clients have the same one, so bytes that stray from one connection
        # into another are noticed.
        self.noise = self.random.randbytes(2 * MAX_BLOCK)
        self.round_trips = self.bytes = 0

    def run(self):
        start, connected = self.gates
        try:
            start.wait()
            with self.connect() as conn:
                connected.wait()  # nobody speaks before everybody is connected
                self.talk(conn)
        except Mismatch as e:
            self.totals.mismatch(f"client {self.number}, round trip {self.round_trips}: {e}")
        except threading.BrokenBarrierError:
            pass  # another one's failure, reported by that one
        except Exception as e:  # everything unexpected is counted, so that it cannot pass unseen
            self.totals.error(e)
            connected.abort()
        finally:
            self.totals.add(self.round_trips, self.bytes)

    def connect(self):
        conn = socket.create_connection((self.args.host, self.args.port), timeout=left(self.deadline))
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return conn

    def talk(self, conn):
        for n in range(self.args.rounds):
            if n == self.reset_at:
                return self.break_off(conn)
            self.round_trip(conn)
        conn.shutdown(socket.SHUT_WR)
        conn.settimeout(left(self.deadline))
        rest = conn.recv(4096)
        if rest:
            raise Mismatch(f"{len(rest)} bytes after the last answer")

    def block(self):
        # Half of the blocks are small: sizes spread evenly would hardly ever be one of a few bytes.
        size = self.random.randint(1, self.random.choice((64, MAX_BLOCK)))
        at = self.random.randint(0, len(self.noise) - size)
        return memoryview(self.noise)[at : at + size]

    def round_trip(self, conn):
        block = self.block()
        conn.settimeout(left(self.deadline))
        conn.sendall(block)
        self.expect(conn, block)
        self.round_trips += 1
        self.bytes += len(block)

    def expect(self, conn, block):
        got = 0
        while got < len(block):
            conn.settimeout(left(self.deadline))
            piece = conn.recv(len(block) - got)
            if not piece:
                raise ConnectionError("the server closed in the middle of an answer")
            if piece != block[got : got + len(piece)]:
                wrong = next(i for i, b in enumerate(piece) if b != block[got + i])
                raise Mismatch(f"byte {got + wrong} of a block of {len(block)}")
            got += len(piece)

    def break_off(self, conn):
        """A reset, met by the server in one of three states: reading, answering, or unable to go on answering."""
        block = self.block()
        how = self.random.randrange(3)
        if how == 0:
            conn.sendall(block)
        elif how == 1:
            conn.sendall(block)
            self.expect(conn, block[: len(block) // 2])
        else:
            conn.setblocking(False)
            try:
                while left(self.deadline):
                    conn.send(self.noise)
            except BlockingIOError:
                pass  # both directions are full, as wished
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_NOW)
        conn.close()
        self.totals.reset()


def left(deadline):
    """Seconds until the deadline, for a socket's timeout."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("out of time")
    return seconds


def open_silent(args, deadline):
    conns = []
    for _ in range(args.silent):
        conns.append(socket.create_connection((args.host, args.port), timeout=left(deadline)))
    return conns


def close_silent(conns, totals):
    for conn in conns:
        conn.setblocking(False)
        try:
            answer = conn.recv(1)
            if answer:
                totals.mismatch("a silent connection was spoken to")
            else:
                totals.error(ConnectionError("a silent connection was closed"))
        except BlockingIOError:
            pass  # still open, nothing came: as it should be
        except OSError as e:
            totals.error(e)
        conn.close()


def arguments():
    p = argparse.ArgumentParser(description="Real clients for an echo server, one thread each.")
    p.add_argument("host", help="a loopback address")
    p.add_argument("port", type=int)
    p.add_argument("--threads", type=int, default=500)
    p.add_argument("--rounds", type=int, default=20, help="round trips of each client")
    p.add_argument("--reset-fraction", type=float, default=0.0, help="part of the clients that break off with a reset")
    p.add_argument("--silent", type=int, default=0, help="further connections that never say anything")
    p.add_argument("--timeout", type=float, default=120.0, help="seconds for everything together")
    p.add_argument("--seed", type=int, default=None, help="default: a new one each time")
    args = p.parse_args()
    if not ipaddress.ip_address(socket.getaddrinfo(args.host, None)[0][4][0]).is_loopback:
        p.error(f"{args.host} is not a loopback address")
    if not (args.threads >= 1 and args.rounds >= 1 and args.silent >= 0 and 0 <= args.reset_fraction <= 1):
        p.error("a number is out of its range")
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(1_000_000)
    return args


def main():
    args = arguments()
    deadline = time.monotonic() + args.timeout
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    threading.stack_size(256 * 1024)  # hundreds of threads; none of them calls deep

    totals = Totals()
    chance = random.Random(args.seed)
    breaking = set(chance.sample(range(args.threads), round(args.threads * args.reset_fraction)))
    gates = threading.Barrier(args.threads, timeout=args.timeout), threading.Barrier(args.threads, timeout=args.timeout)
    silent = []
    try:
        silent = open_silent(args, deadline)
    except Exception as e:
        totals.error(e)

    threads = []
    for number in range(args.threads):
        reset_at = chance.randrange(args.rounds) if number in breaking else None
        client = Client(number, args, deadline, totals, gates, reset_at)
        threads.append(threading.Thread(target=client.run, daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline + 1 - time.monotonic()))
    late = sum(thread.is_alive() for thread in threads)
    close_silent(silent, totals)

    with totals.lock:
        errors = sum(totals.errors.values())
        for text, count in totals.errors.most_common(10):
            print(f"clients: error: {count} times {text}", file=sys.stderr)
        line = (
            f"clients: {args.threads} threads, {totals.round_trips} round trips, {totals.bytes} bytes, "
            f"{totals.mismatches} mismatches, {errors} errors"
        )
        if breaking or silent:
            line += f", {totals.resets} resets, {len(silent)} silent"
        print(line, flush=True)
        good = not (late or errors or totals.mismatches) and totals.resets == len(breaking)
    if not good:
        print(f"clients: failed; --seed {args.seed} draws the same sizes and resets again", file=sys.stderr, flush=True)
    if late or time.monotonic() > deadline:
        print(f"clients: out of time, {late} threads still at work", file=sys.stderr, flush=True)
        os._exit(2)  # without waiting for them
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
