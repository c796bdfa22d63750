"""Why Redis can't be used, in fixed words for the log and the metrics, and what to do about it.

Facts: an error begins with a word in capitals that identifies it; in an error of
a script, Redis before 7 puts that word in the middle of a sentence. The words are
a small set of Redis's own, so nothing that a client sent is logged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORD = re.compile(r"\b(?:[A-Z]{3,20})\b")


@dataclass(frozen=True, slots=True)
class Trouble:
    """`cause` is why Redis can't be used, `do` the remedy; `silent` is whether it does not respond at all."""

    cause: str
    do: str
    silent: bool = False


NO_ANSWER = Trouble("no response in time", "check whether it is busy or paused, or raise redis.timeout", silent=True)
UNREACHABLE = Trouble("no connection", "check that it runs, and the address in redis.url", silent=True)
WRONG_PASSWORD = Trouble("wrong password", "correct the user name and password in redis.url")
NONSENSE = Trouble("unintelligible response", "check that redis.url points to Redis")
CROSS_SLOT = Trouble("CROSSSLOT", "let proxies in front of the cluster pass hash tags: all keys contain {rate}")

_BY_WORD = {
    "WRONGPASS": WRONG_PASSWORD,
    "NOAUTH": Trouble("password required", "put the user name and password into redis.url"),
    "NOPERM": Trouble("not permitted", "permit EVALSHA, SCRIPT LOAD, TIME, GET and SET on strangler:{rate}:*"),
    "READONLY": Trouble("read-only", "point redis.url to the primary: this is a replica"),
    "OOM": Trouble("out of memory", "raise maxmemory, or set a maxmemory-policy that evicts"),
    "CROSSSLOT": CROSS_SLOT,
    "CLUSTERDOWN": Trouble("cluster down", "repair the cluster: not every slot is served"),
    "MASTERDOWN": Trouble("primary down", "point redis.url to the primary, or repair replication"),
    "NOREPLICAS": Trouble("too few replicas", "repair the replicas, or lower min-replicas-to-write"),
    "MISCONF": Trouble("writes refused", "repair its persistence: it can't save to its disk"),
    "LOADING": Trouble("loading", "wait: it is reading its data from disk"),
    "BUSY": Trouble("busy with a script", "find the script that does not end"),
    "TRYAGAIN": Trouble("slots are being moved", "wait for the end of the resharding"),
    "ASK": Trouble("slots are being moved", "wait for the end of the resharding"),
    "MOVED": Trouble("moved too often", "repair the cluster: its nodes disagree about who has the slot"),
}


def trouble_of(error: BaseException) -> Trouble:
    """Return the meaning of `error`, which an attempt to use Redis has raised."""
    from redis import exceptions

    text = str(error)
    for word in _WORD.findall(text):
        if word in _BY_WORD:
            return _BY_WORD[word]
    known = _by_kind(error)
    if known is not None:
        return known
    if isinstance(error, (TimeoutError, exceptions.TimeoutError)):
        return NO_ANSWER
    if isinstance(error, exceptions.AuthenticationError):
        return _BY_WORD["NOAUTH"] if "required" in text else WRONG_PASSWORD
    if isinstance(error, (OSError, exceptions.ConnectionError)):
        return UNREACHABLE
    if isinstance(error, exceptions.RedisError):
        return Trouble("an error", f"look up the error: {text[:100]}")
    return NONSENSE


def _by_kind(error: BaseException) -> Trouble | None:
    """Return the trouble of an error by its class: the library strips the word from some errors."""
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
