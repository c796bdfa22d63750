"""What a client's connection is doing, and which deadline holds meanwhile.

A connection has two sides that move on their own. The reading side
(`request_reader`) knows where in a message the input is: between two, in a head
or in a body. The responding side is described here, and `ClientConnection.state`
is its one field. The two are apart because a client may pipeline: while one
request is SERVING, the reader may be in the head of the next.

Up to STALLED the connection still takes requests. From REFUSING on it takes no
more, and what arrives is discarded, since nothing behind a last response or a
malformed message is a request (RFC 9112 section 9.6). So `state >= REFUSING` is
the question "is it over?".

Every state has one deadline at a time, which `ClientConnection.set_deadline` sets
together with its reason. A state is never without one, except where another
object keeps the time (an exchange's phases, a tunnel, a reset).

    state      event                                    next state           deadline
    ---------  ---------------------------------------  -------------------  ----------------------------------
    IDLE       (connected)                              IDLE                 HEADER_TIMEOUT
               input                                    IDLE                 HEADER_TIMEOUT, also for blank lines
               head begins                              HEAD                 as before: it counts from the input
               plain head and the begin of its body     SERVING              EXCHANGE
               write buffer drains                      IDLE                 KEEP_ALIVE, once more
               drain                                    IDLE                 DRAIN, unless another one is earlier
               deadline passes                          CLOSING              STALL
    HEAD       head is complete                         SERVING              EXCHANGE
               the same, write buffer full              STALLED              STALL
               head is refused                          LINGERING            LINGER
               drain                                    HEAD                 as before
               deadline passes (408)                    LINGERING            LINGER
    SERVING    response and request complete            IDLE, or HEAD if     KEEP_ALIVE; DRAIN in a drain
                                                        the next has begun
               the same, another request waits          SERVING              EXCHANGE, of the next
               the same, write buffer full              STALLED              STALL
               response complete, request not           UNREAD               LINGER
               last response complete                   CLOSING if all is    STALL
                                                        read, or LINGERING   LINGER
               response breaks off, the framing tells   CLOSING, LINGERING   as above
               response breaks off, only a reset tells  RESETTING            NONE
               malformed input behind the request       REFUSING             EXCHANGE
               malformed input in its body (400)        CLOSING, LINGERING   as above
               response switches protocols              TUNNEL               NONE
               deadline passes                          the exchange decides EXCHANGE
    UNREAD     body goes on                             UNREAD               LINGER, never beyond its end
               body is complete                         IDLE, or STALLED     KEEP_ALIVE, STALL
               body is longer than is discarded         CLOSING              STALL
               deadline passes                          CLOSING              STALL
    STALLED    write buffer drains, a request waits     SERVING              EXCHANGE
               the same, none waits                     IDLE, HEAD           KEEP_ALIVE
               deadline passes                          CLOSING              STALL
               the same, a head has begun (408)         as HEAD or REFUSING  LINGER
    REFUSING   the responses before are complete        LINGERING            LINGER
               the same, write buffer full              REFUSING             STALL
               deadline passes while an exchange runs   the exchange decides EXCHANGE
    LINGERING  input                                    LINGERING            LINGER, never beyond its end
               more input than is discarded             CLOSING              STALL
               deadline passes, output has moved        LINGERING            STALL
               deadline passes, output has not          GONE, by a reset     NONE
    CLOSING    deadline passes                          as LINGERING         STALL
    any        the connection is lost                   GONE                 NONE

Why these deadlines:

- HEADER_TIMEOUT counts from the first input, and more input does not renew it,
  so that a client that sends a head byte by byte holds its place no longer.
- KEEP_ALIVE counts from the last response. It also holds for a head that began
  while that response was on its way.
- LINGER gives a client that still sends the time to read its response: closing
  with unread input makes the kernel reset the connection, which may destroy the
  response first. It is short after each input, and has an end and a maximum of bytes
  however much arrives (`endings`).
- STALL is for a client that does not read: as long as some of the output moves, it
  has another period.
- DRAIN is short: one more request may be on its way as the worker stops.
- EXCHANGE stands for all that an exchange waits for; it may give a finer reason.

What is left as a flag can be true in several states:

- `is_reading`: the transport reads. An exchange or this connection may have paused it.
- `_full`: the transport's write buffer is above its high mark.
- `_ended`: the client has half-closed (RFC 9112 section 9.6), and may wait for responses.
- `_turned_away`: the worker counts it among those beyond the maximum until it is gone.
- `_starting`: waiting requests are being started in a loop; responses that need no
  upstream would otherwise recurse once a request.
"""

from __future__ import annotations

from typing import Final

IDLE: Final = 0
HEAD: Final = 1
SERVING: Final = 2
UNREAD: Final = 3
STALLED: Final = 4
REFUSING: Final = 5
LINGERING: Final = 6
CLOSING: Final = 7
RESETTING: Final = 8
TUNNEL: Final = 9
GONE: Final = 10
# Numbers and not an enumeration: they are compared several times a request, and reading a member costs more than that.

NAMES: Final = (
    "idle",
    "head",
    "serving",
    "unread",
    "stalled",
    "refusing",
    "lingering",
    "closing",
    "resetting",
    "tunnel",
    "gone",
)
"""The names of the states, by number."""

HEADER_TIMEOUT: Final = "header timeout"
KEEP_ALIVE: Final = "keep-alive"
DRAIN: Final = "drain"
EXCHANGE: Final = "exchange"
LINGER: Final = "linger"
STALL: Final = "stall"
NONE: Final = "none"
