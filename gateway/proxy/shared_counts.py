"""Rate limits that several machines count together: a script in Redis decides for each request.

A batch of questions goes over one connection; what is asked while it is under
way makes the next one, so nothing waits for more than the answer before its
own. Redis's clock counts, so those of the machines need not agree.

Without an answer in time Redis counts as away. From then on nobody waits:
questions are answered with None until a probe finds it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from gateway.config.snapshot import Redis
from gateway.resilience.gcra import Rate, Verdict

if TYPE_CHECKING:
    from redis.asyncio import Redis as Client

PROBE_INTERVAL = 1.0
_MICROSECOND = 1000

Answer = Callable[[list[Verdict] | None], None]

# The same as gateway.resilience.gcra, for several buckets at once: all let the request in, or none is touched.
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

    `away` tells that it does not answer, `cause` why the last question failed;
    `on_change` gets that when it changes.
    """

    def __init__(self, settings: Redis, on_change: Callable[[bool], None]) -> None:
        self.away = False
        self.cause = ""
        self._settings = settings
        self._on_change = on_change
        self._waiting: list[tuple[Sequence[str], Sequence[Rate], Answer]] = []
        self._wanted = asyncio.Event()
        self._client: Client | None = None
        self._script = ""
        self._serving = asyncio.create_task(self._serve())
        self._serving.add_done_callback(_report_end)

    def ask(self, buckets: Sequence[str], rates: Sequence[Rate], answer: Answer) -> None:
        """Have `answer` called with a verdict for each of `buckets`, or with None if Redis does not answer in time."""
        self._waiting.append((buckets, rates, answer))
        self._wanted.set()

    def close(self) -> None:
        """Ask no more; who waits gets None."""
        self._serving.cancel()
        self._give_up(self._waiting)

    async def _serve(self) -> None:
        asked: list[tuple[Sequence[str], Sequence[Rate], Answer]] = []
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                asked, self._waiting = self._waiting, []
                found = await self._in_time(self._decide(asked))
                if found is None:
                    self.away = True
                    self._on_change(True)
                    self._give_up(asked)
                    self._give_up(self._waiting)
                    await self._until_back()
                    continue
                for (_, _, answer), verdicts in zip(asked, found, strict=True):
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
        while self.away:
            await asyncio.sleep(PROBE_INTERVAL)
            self.away = await self._in_time(self._connect()) is None
        self._on_change(False)

    async def _in_time(self, work: Any) -> Any:
        """What `work` comes to; None, and no connection any more, if it fails or takes too long."""
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(self._settings.timeout):
                return await work
        except (TimeoutError, OSError, RedisError) as error:
            self.cause = f"{type(error).__name__}: {error or f'no answer in {self._settings.timeout:g} s'}"
            # An answer that is still on its way would be taken for that to the next question.
            await self._disconnect()
            return None
        except Exception as error:
            # Such as an answer that makes no sense. Whoever asks later needs somebody to go on looking for Redis.
            self.cause = f"{type(error).__name__}: {error}"
            _report("asking Redis failed in a way that was not foreseen", error)
            await self._disconnect()
            return None

    async def _connect(self) -> Client:
        # Only workers that count in Redis pay for its client.
        from redis.asyncio import Redis as Client
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        if self._client is None:
            self._client = Client.from_url(
                self._settings.url, single_connection_client=True, retry=Retry(NoBackoff(), 0)
            )
            self._script = await self._client.script_load(_SCRIPT)
        return self._client

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            connection = client.connection
            if connection is not None:
                await connection.disconnect(nowait=True)

    async def _decide(self, asked: list[tuple[Sequence[str], Sequence[Rate], Answer]]) -> list[list[Verdict]]:
        from redis.exceptions import NoScriptError

        client = await self._connect()
        try:
            return await self._run(client, asked)
        except NoScriptError:
            # Redis has been restarted, and has not run any of them.
            await client.script_load(_SCRIPT)
            return await self._run(client, asked)

    async def _run(
        self, client: Client, asked: list[tuple[Sequence[str], Sequence[Rate], Answer]]
    ) -> list[list[Verdict]]:
        async with client.pipeline(transaction=False) as pipeline:
            for buckets, rates, _ in asked:
                numbers = [number for rate in rates for number in (-(-rate.interval // _MICROSECOND), rate.burst)]
                pipeline.evalsha(self._script, len(buckets), *map(_key, buckets), *numbers)
            found: list[list[int]] = await pipeline.execute()
        return [_verdicts(values, rates) for (_, rates, _), values in zip(asked, found, strict=True)]


def _tell(answer: Answer, verdicts: list[Verdict] | None) -> None:
    """Give one answer; a request that can't go on with it is no reason for the others to get none."""
    try:
        answer(verdicts)
    except Exception as error:
        _report("a request could not go on after its rate limits were checked", error)


def _report(message: str, error: BaseException) -> None:
    """Have the loop report `error`, as it does for what callbacks raise."""
    asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})


def _report_end(serving: asyncio.Task[None]) -> None:
    error = None if serving.cancelled() else serving.exception()
    if error is not None:
        _report("nobody asks Redis any more", error)


def _key(bucket: str) -> str:
    """The key of a bucket: hashed, as callers' names and addresses have no place in Redis."""
    return f"strangler:rate:{blake2b(bucket.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


def _verdicts(values: list[int], rates: Sequence[Rate]) -> list[Verdict]:
    refused, *rest = values
    verdicts = []
    for rate, room, reset in zip(rates, rest[::2], rest[1::2], strict=True):
        interval = -(-rate.interval // _MICROSECOND)
        # What was not taken, because another bucket refused, is still there.
        remaining = 0 if room < 0 else room // interval + bool(refused)
        wait = max(0, -room) * _MICROSECOND
        verdicts.append(Verdict(room >= 0, 0, remaining, reset * _MICROSECOND, wait))
    return verdicts
