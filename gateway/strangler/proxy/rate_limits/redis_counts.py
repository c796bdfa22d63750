"""Rate limits that several machines count together: a script in Redis decides for each request.

Queries go in batches over one connection; those made while a batch is in
flight form the next one, so a query waits for one earlier reply at most.
Redis's clock decides, so the clocks of the machines need not agree.

If Redis does not reply in time, or refuses to count (redis_trouble.py), it is
considered away. From then on no request waits: queries get None at once until a
probe, which counts like a request, succeeds.

In a cluster all keys are in one slot, by a hash tag, because a script can't
touch several slots; so one node has all counts, and is found by following MOVED.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from strangler.model.rate_limits import Redis
from strangler.proxy.rate_limits.redis_trouble import NO_ANSWER, NONSENSE, Trouble, trouble_of
from strangler.resilience.gcra import Rate, Verdict

if TYPE_CHECKING:
    from redis.asyncio import Redis as Client

PROBE_INTERVAL = 1.0
LONGEST_INTERVAL = 30.0
STEADY = 10.0
"""Seconds within which a new failure makes the next probe wait longer, so that the state does not flap."""
MOST_REDIRECTIONS = 3
_PROBE = ("probe", Rate(1_000_000, 1_000_000))
_MICROSECOND = 1000

Answer = Callable[[list[Verdict] | None], None]

# The same as strangler.resilience.gcra, for several buckets at once: all admit the request, or none changes.
_SCRIPT = b"""
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local full, room, refused = {}, {}, 0
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  full[i] = math.max(tonumber(redis.call('GET', key) or '0'), now)
  room[i] = now + interval * burst - full[i] - interval
  if room[i] < 0 then refused = 1 end
end
local answer = {refused}
for i, key in ipairs(KEYS) do
  local interval = tonumber(ARGV[2 * i - 1])
  if refused == 0 then
    full[i] = full[i] + interval
    redis.call('SET', key, string.format('%.0f', full[i]), 'PX', math.ceil((full[i] - now) / 1000))
  end
  answer[2 * i] = room[i]
  answer[2 * i + 1] = full[i] - now
end
return answer
"""


class SharedCounts:
    """The counts in the Redis of `settings`.

    `away` is whether it can't be used; on a change, `on_change` gets the reason, or None.
    """

    def __init__(self, settings: Redis, on_change: Callable[[Trouble | None], None]) -> None:
        self.away = False
        self._settings = settings
        self._on_change = on_change
        self._waiting: list[tuple[Sequence[str], Sequence[Rate], Answer]] = []
        self._wanted = asyncio.Event()
        self._client: Client | None = None
        self._node: tuple[str, int] | None = None
        self._trouble: Trouble = NONSENSE
        self._back_at = -STEADY
        self.probe_interval = PROBE_INTERVAL
        self._script = ""
        self._serving = asyncio.create_task(self._serve())
        self._serving.add_done_callback(_report_end)

    @property
    def cause(self) -> str:
        """Why it can't be used, while it is away."""
        return self._trouble.cause

    def ask(self, buckets: Sequence[str], rates: Sequence[Rate], answer: Answer) -> None:
        """Call `answer` with a verdict for each of `buckets`, or with None if Redis does not reply in time."""
        self._waiting.append((buckets, rates, answer))
        self._wanted.set()

    def close(self) -> None:
        """Stop querying; requests that wait get None."""
        self._serving.cancel()
        self._give_up(self._waiting)

    async def _serve(self) -> None:
        asked: list[tuple[Sequence[str], Sequence[Rate], Answer]] = []
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                asked, self._waiting = self._waiting, []
                decided = await self._in_time(self._decide(asked))
                if decided is None:
                    self.away = True
                    self._on_change(self._trouble)
                    self._give_up(asked)
                    self._give_up(self._waiting)
                    await self._until_back()
                    continue
                for (_, _, answer), verdicts in zip(asked, decided, strict=True):
                    _tell(answer, verdicts)
                asked = []
        finally:
            self.away = True
            self._give_up(asked)
            await self._disconnect()

    def _give_up(self, asked: list[tuple[Sequence[str], Sequence[Rate], Answer]]) -> None:
        answers = [answer for _, _, answer in asked]
        asked.clear()
        for answer in answers:
            _tell(answer, None)

    async def _until_back(self) -> None:
        loop = asyncio.get_running_loop()
        recent = loop.time() < self._back_at + STEADY
        self.probe_interval = min(self.probe_interval * 2, LONGEST_INTERVAL) if recent else PROBE_INTERVAL
        told = self._trouble
        while True:
            await asyncio.sleep(self.probe_interval)
            if await self._in_time(self._decide([([_PROBE[0]], [_PROBE[1]], _ignore)])) is not None:
                break
            if self._trouble != told and not (self._trouble.silent and told.silent):
                told = self._trouble
                self._on_change(told)
        self.away = False
        self._back_at = loop.time()
        self._on_change(None)

    async def _in_time(self, work: Any) -> Any:
        """Return the result of `work`; if it fails or takes too long, drop the connection and return None."""
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(self._settings.timeout):
                return await work
        except (TimeoutError, OSError, RedisError) as error:
            self._trouble = NO_ANSWER if isinstance(error, TimeoutError) else trouble_of(error)
        except Exception as error:
            # For example a malformed reply. Later requests need this task to keep probing Redis.
            if self._trouble is not NONSENSE or not self.away:
                _report("a query to Redis failed unexpectedly", error)
            self._trouble = NONSENSE
        # A reply that is still in flight would be taken for the reply to the next query.
        await self._disconnect()
        self._node = None
        return None

    async def _connect(self) -> Client:
        # Only workers that count in Redis import its client.
        from redis.asyncio import ConnectionPool
        from redis.asyncio import Redis as Client
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        if self._client is None:
            pool = ConnectionPool.from_url(self._settings.url, retry=Retry(NoBackoff(), 0))
            if self._node is not None:
                host, port = self._node
                pool.connection_kwargs |= {"host": host, "port": port} if host else {"port": port}
            self._client = Client(connection_pool=pool, single_connection_client=True)
            self._script = await self._client.script_load(_SCRIPT)
        return self._client

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            # A client that is garbage-collected with an open connection would write to the log.
            connection, client.connection = client.connection, None
            if connection is not None:
                await connection.disconnect(nowait=True)
            await client.connection_pool.disconnect()

    async def _decide(self, asked: list[tuple[Sequence[str], Sequence[Rate], Answer]]) -> list[list[Verdict]]:
        from redis.exceptions import MovedError, NoScriptError

        redirections = 0
        while True:
            client = await self._connect()
            try:
                return await self._run(client, asked)
            except NoScriptError:
                # Redis was restarted and no longer has the script, so none of these calls ran.
                await client.script_load(_SCRIPT)
                return await self._run(client, asked)
            except MovedError as moved:
                # All keys are in one slot, so no query got a reply yet.
                redirections += 1
                if redirections > MOST_REDIRECTIONS:
                    raise
                await self._disconnect()
                self._node = (moved.host, moved.port)

    async def _run(
        self, client: Client, asked: list[tuple[Sequence[str], Sequence[Rate], Answer]]
    ) -> list[list[Verdict]]:
        async with client.pipeline(transaction=False) as pipeline:
            for buckets, rates, _ in asked:
                numbers = [number for rate in rates for number in (-(-rate.interval // _MICROSECOND), rate.burst)]
                pipeline.evalsha(self._script, len(buckets), *map(_key, buckets), *numbers)
            replies: list[list[int]] = await pipeline.execute()
        return [_verdicts(values, rates) for (_, rates, _), values in zip(asked, replies, strict=True)]


def _ignore(verdicts: list[Verdict] | None) -> None:
    """Ignore the result of a probe: no request waits for it."""


def _tell(answer: Answer, verdicts: list[Verdict] | None) -> None:
    """Deliver one result; a request that fails on it must not keep the others from theirs."""
    try:
        answer(verdicts)
    except Exception as error:
        _report("a request failed after its rate limits were checked", error)


def _report(message: str, error: BaseException) -> None:
    """Have the loop report `error`, as it does for exceptions in callbacks."""
    asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})


def _report_end(serving: asyncio.Task[None]) -> None:
    error = None if serving.cancelled() else serving.exception()
    if error is not None:
        _report("the task that queries Redis has ended", error)


def _key(bucket: str) -> str:
    """Return a bucket's key: the hash tag and a hash, so that no client's name or address is stored in Redis."""
    return f"strangler:{{rate}}:{blake2b(bucket.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


def _verdicts(values: list[int], rates: Sequence[Rate]) -> list[Verdict]:
    refused, *rest = values
    verdicts = []
    for rate, room, reset in zip(rates, rest[::2], rest[1::2], strict=True):
        interval = -(-rate.interval // _MICROSECOND)
        # If another bucket refused, no token was taken from this one.
        remaining = 0 if room < 0 else room // interval + bool(refused)
        wait = max(0, -room) * _MICROSECOND
        verdicts.append(Verdict(room >= 0, 0, remaining, reset * _MICROSECOND, wait))
    return verdicts
