"""Why Redis can't be used: in words that a log and a metric can hold, and what to do about it.

Facts: an error begins with a word in capitals that says what it is; of a
script, Redis before 7 puts that word into the middle of a sentence. The words
are few and are Redis's own, so nothing that a caller sent is told on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORD = re.compile(r"\b(?:[A-Z]{3,20})\b")


@dataclass(frozen=True, slots=True)
class Trouble:
    """`cause` is why Redis can't be used, `do` what would help; `silent` tells that it gives no answer at all."""

    cause: str
    do: str
    silent: bool = False


NO_ANSWER = Trouble("no answer in time", "look whether it is busy or paused, or raise redis.timeout", silent=True)
UNREACHABLE = Trouble("no connection", "look whether it runs, and at the address in redis.url", silent=True)
WRONG_PASSWORD = Trouble("wrong password", "correct the user name and password in redis.url")
NONSENSE = Trouble("an answer that makes no sense", "look whether redis.url leads to Redis")
CROSS_SLOT = Trouble("CROSSSLOT", "have proxies in front of the cluster pass hash tags: all keys hold {rate}")

_BY_WORD = {
    "WRONGPASS": WRONG_PASSWORD,
    "NOAUTH": Trouble("a password is needed", "put the user name and password into redis.url"),
    "NOPERM": Trouble("not permitted", "let the user EVALSHA, SCRIPT LOAD, TIME, GET and SET on strangler:{rate}:*"),
    "READONLY": Trouble("read-only", "have redis.url lead to the primary: this is a replica"),
    "OOM": Trouble("out of memory", "raise maxmemory, or set a maxmemory-policy that evicts"),
    "CROSSSLOT": CROSS_SLOT,
    "CLUSTERDOWN": Trouble("cluster down", "repair the cluster: not every slot is served"),
    "MASTERDOWN": Trouble("primary down", "have redis.url lead to the primary, or repair replication"),
    "NOREPLICAS": Trouble("too few replicas", "repair the replicas, or lower min-replicas-to-write"),
    "MISCONF": Trouble("writes are refused", "repair its persistence: it can't save to its disk"),
    "LOADING": Trouble("loading", "wait: it is reading its data from disk"),
    "BUSY": Trouble("busy with a script", "find the script that does not end"),
    "TRYAGAIN": Trouble("slots are being moved", "wait for the end of the resharding"),
    "ASK": Trouble("slots are being moved", "wait for the end of the resharding"),
    "MOVED": Trouble("moved too often", "repair the cluster: its nodes disagree about who has the slot"),
}


def trouble_of(error: BaseException) -> Trouble:
    """What `error`, which an attempt to use Redis has raised, means."""
    from redis import exceptions

    text = str(error)
    for word in _WORD.findall(text):
        if word in _BY_WORD:
            return _BY_WORD[word]
    found = _by_kind(error)
    if found is not None:
        return found
    if isinstance(error, (TimeoutError, exceptions.TimeoutError)):
        return NO_ANSWER
    if isinstance(error, exceptions.AuthenticationError):
        return _BY_WORD["NOAUTH"] if "required" in text else WRONG_PASSWORD
    if isinstance(error, (OSError, exceptions.ConnectionError)):
        return UNREACHABLE
    if isinstance(error, exceptions.RedisError):
        return Trouble("an error", f"see what it means: {text[:100]}")
    return NONSENSE


def _by_kind(error: BaseException) -> Trouble | None:
    """The library takes the word off some errors, whose class says it then."""
    from redis import exceptions

    kinds = (
        (exceptions.AuthenticationWrongNumberOfArgsError, "WRONGPASS"),
        (exceptions.AuthorizationError, "NOPERM"),
        (exceptions.NoPermissionError, "NOPERM"),
        (exceptions.ReadOnlyError, "READONLY"),
        (exceptions.OutOfMemoryError, "OOM"),
        (exceptions.ClusterCrossSlotError, "CROSSSLOT"),
        (exceptions.ClusterDownError, "CLUSTERDOWN"),
        (exceptions.MasterDownError, "MASTERDOWN"),
        (exceptions.BusyLoadingError, "LOADING"),
        (exceptions.TryAgainError, "TRYAGAIN"),
        (exceptions.MovedError, "MOVED"),
        (exceptions.AskError, "ASK"),
    )
    return next((_BY_WORD[word] for kind, word in kinds if isinstance(error, kind)), None)
