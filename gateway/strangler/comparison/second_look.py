"""What a difference between the responses to a read is, once both sides were asked again after a moment.

What counts is whether *legacy* agrees with itself:

1. Legacy now responds as the candidate did first: a write came in between, and
   the candidate saw it. The pair is *racy* and left out.
2. Legacy differs from itself in everything in which the candidate differed:
   *racy*, too.
3. Otherwise the difference is the candidate's: a *mismatch* if the two differ
   again, *unsteady* if they agree now. A random fault shows again only as often
   as it happens.

Where nothing can be learned, because a side does not respond or the responses
can't be compared, the first difference stands.
"""

from __future__ import annotations

from collections.abc import Callable

from strangler.comparison.compare import Comparison, Outcome


def written_between(itself: Comparison, agrees_with_candidate: Callable[[], bool]) -> bool:
    """Return whether rule 1 applies; `itself` compares legacy's two responses.

    `agrees_with_candidate` compares legacy's second response with the candidate's first, if that is necessary.
    """
    return not itself.agrees and agrees_with_candidate()


def varies_as_much(first: Comparison, itself: Comparison) -> bool:
    """Return whether rule 2 applies to the `first` difference; `itself` compares legacy's two responses."""
    return not itself.agrees and not first.unlisted and first.signatures <= itself.signatures


def seen_again(again: Comparison) -> Outcome | None:
    """Return the outcome by rule 3, of the comparison of the second responses; None if nothing was learned."""
    if again.agrees:
        return Outcome.UNSTEADY
    return Outcome.MISMATCH if again.outcome is Outcome.MISMATCH else None
