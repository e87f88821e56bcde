"""The rows of `micro` in Python.

usage: micro.py asyncio|uvloop|gevent

Answers each line `ROW OPERATIONS CPU` with the row's figures, as the other workers do; told `rows`, it says which rows
it can do. The work is that of `src/micro/work`; a yield is the runtime's own (`sleep(0)`), a dropped sleep is a timer
handle that is cancelled.
"""

import sys
import time

MANY = 1000
HOUR = 3600.0


def percentile(samples, share):
    samples.sort()
    return samples[max(0, int(-(-share * len(samples) // 1)) - 1)]


def lateness(late, cpu=None):
    figures = [percentile(late, 0.5), percentile(late, 0.99)]
    return figures if cpu is None else figures + [cpu]


class ByAsyncio:
    """asyncio's own loop, or uvloop's."""

    def __init__(self, run, new_loop):
        import asyncio

        self.asyncio, self.run, self.new_loop = asyncio, run, new_loop

    def measure(self, work, size):
        """Runs `work(size)` as the main coroutine, which returns the operations it has done; ns each."""

        async def main():
            begun = time.perf_counter_ns()
            done = await work(size)
            return (time.perf_counter_ns() - begun) / done

        return [self.run(main())]

    def rows(self):
        measured = {
            "spawn_batch": lambda n: self.spawn_batch(-(-n // MANY), MANY),
            "spawn_one": self.spawn_one,
            "spawn_1m": lambda n: self.spawn_batch(1, n),
            "yield_one": lambda n: self.yields(1, n),
            "yield_1k": lambda n: self.yields(MANY, -(-n // MANY)),
            "pingpong": self.ping_pong,
            "mpsc_3": lambda n: self.queue(3, n),
            "mpsc_1024": lambda n: self.queue(1024, n),
            "timer_cancel": self.timer_cancel,
        }
        rows = {name: (lambda n, work=work: self.measure(work, n)) for name, work in measured.items()}
        rows["block_on"] = self.block_on
        rows["create"] = self.create
        rows["timer_fire"] = lambda n: self.run(self.fire(n))
        rows["sleep_1ms"] = lambda n: self.run(self.lone(n, 1e-3))
        rows["sleep_100us"] = lambda n: self.run(self.lone(n, 1e-4))
        return rows

    async def ready(self, value):
        return value

    async def spawn_batch(self, batches, size):
        for _ in range(batches):
            tasks = [self.asyncio.create_task(self.ready(number)) for number in range(size)]
            total = 0
            for task in tasks:
                total += await task
            assert total == size * (size - 1) // 2
        return batches * size

    async def spawn_one(self, count):
        for number in range(count):
            assert await self.asyncio.create_task(self.ready(number)) == number
        return count

    async def yields(self, tasks, each):
        async def task():
            for _ in range(each):
                await self.asyncio.sleep(0)

        for one in [self.asyncio.create_task(task()) for _ in range(tasks)]:
            await one
        return tasks * each

    async def ping_pong(self, rounds):
        there, here = self.asyncio.Queue(1), self.asyncio.Queue(1)

        async def echo():
            for _ in range(rounds):
                await here.put(await there.get())

        echoing = self.asyncio.create_task(echo())
        for number in range(rounds):
            await there.put(number)
            assert await here.get() == number
        await echoing
        return rounds

    async def queue(self, capacity, count):
        queue = self.asyncio.Queue(capacity)

        async def receive():
            return sum([await queue.get() for _ in range(count)])

        receiving = self.asyncio.create_task(receive())
        for number in range(count):
            await queue.put(number)
        assert await receiving == count * (count - 1) // 2
        return count

    async def timer_cancel(self, count):
        loop = self.asyncio.get_running_loop()
        for _ in range(count):
            loop.call_later(HOUR, print).cancel()
        return count

    async def fire(self, count):
        late, used = [], time.process_time_ns()
        first = time.perf_counter() + count * 30e-6

        async def task(due):
            await self.asyncio.sleep(due - time.perf_counter())
            late.append((time.perf_counter() - due) * 1e6)

        tasks = [self.asyncio.create_task(task(first + number * 1e-5)) for number in range(count)]
        await self.asyncio.gather(*tasks)
        return lateness(late, (time.process_time_ns() - used) / count)

    async def lone(self, count, length):
        late = []
        for _ in range(count):
            begun = time.perf_counter()
            await self.asyncio.sleep(length)
            late.append((time.perf_counter() - begun - length) * 1e6)
        return lateness(late)

    def block_on(self, count):
        loop = self.new_loop()
        begun = time.perf_counter_ns()
        for number in range(count):
            loop.run_until_complete(self.ready(number))
        elapsed = time.perf_counter_ns() - begun
        loop.close()
        return [elapsed / count]

    def create(self, count):
        begun = time.perf_counter_ns()
        for number in range(count):
            loop = self.new_loop()
            loop.run_until_complete(self.ready(number))
            loop.close()
        return [(time.perf_counter_ns() - begun) / count]


class ByGevent:
    def __init__(self):
        import gevent
        import gevent.queue

        self.gevent = gevent

    def measure(self, work, size):
        begun = time.perf_counter_ns()
        done = work(size)
        return [(time.perf_counter_ns() - begun) / done]

    def rows(self):
        measured = {
            "spawn_batch": lambda n: self.spawn_batch(-(-n // MANY), MANY),
            "spawn_one": self.spawn_one,
            "yield_one": lambda n: self.yields(1, n),
            "yield_1k": lambda n: self.yields(MANY, -(-n // MANY)),
            "pingpong": self.ping_pong,
            "mpsc_3": lambda n: self.queue(3, n),
            "mpsc_1024": lambda n: self.queue(1024, n),
            "timer_cancel": self.timer_cancel,
        }
        rows = {name: (lambda n, work=work: self.measure(work, n)) for name, work in measured.items()}
        rows["timer_fire"] = self.fire
        rows["sleep_1ms"] = lambda n: self.lone(n, 1e-3)
        rows["sleep_100us"] = lambda n: self.lone(n, 1e-4)
        return rows

    def spawn_batch(self, batches, size):
        for _ in range(batches):
            tasks = [self.gevent.spawn(int, number) for number in range(size)]
            self.gevent.joinall(tasks)
            assert sum(task.value for task in tasks) == size * (size - 1) // 2
        return batches * size

    def spawn_one(self, count):
        for number in range(count):
            assert self.gevent.spawn(int, number).get() == number
        return count

    def yields(self, tasks, each):
        def task():
            for _ in range(each):
                self.gevent.sleep(0)

        self.gevent.joinall([self.gevent.spawn(task) for _ in range(tasks)])
        return tasks * each

    def ping_pong(self, rounds):
        there, here = self.gevent.queue.Queue(1), self.gevent.queue.Queue(1)

        def echo():
            for _ in range(rounds):
                here.put(there.get())

        echoing = self.gevent.spawn(echo)
        for number in range(rounds):
            there.put(number)
            assert here.get() == number
        echoing.get()
        return rounds

    def queue(self, capacity, count):
        queue = self.gevent.queue.Queue(capacity)
        receiving = self.gevent.spawn(lambda: sum(queue.get() for _ in range(count)))
        for number in range(count):
            queue.put(number)
        assert receiving.get() == count * (count - 1) // 2
        return count

    def timer_cancel(self, count):
        loop = self.gevent.get_hub().loop
        for _ in range(count):
            timer = loop.timer(HOUR)
            timer.start(print)
            timer.stop()
            timer.close()
        return count

    def fire(self, count):
        late, used = [], time.process_time_ns()
        first = time.perf_counter() + count * 30e-6

        def task(due):
            self.gevent.sleep(due - time.perf_counter())
            late.append((time.perf_counter() - due) * 1e6)

        self.gevent.joinall([self.gevent.spawn(task, first + number * 1e-5) for number in range(count)])
        return lateness(late, (time.process_time_ns() - used) / count)

    def lone(self, count, length):
        late = []
        for _ in range(count):
            begun = time.perf_counter()
            self.gevent.sleep(length)
            late.append((time.perf_counter() - begun - length) * 1e6)
        return lateness(late)


def runtime(flavour):
    if flavour == "gevent":
        return ByGevent()
    if flavour == "uvloop":
        import uvloop

        return ByAsyncio(uvloop.run, uvloop.new_event_loop)
    import asyncio

    return ByAsyncio(asyncio.run, asyncio.new_event_loop)


def main():
    rows = runtime(sys.argv[1]).rows()
    if sys.argv[2:] == ["rows"]:
        print(*rows)
        return
    for line in sys.stdin:
        row, operations, _cpu = line.split()
        print(*rows[row](int(operations)), flush=True)


main()
