"""Sequential tests on callers that fail or are slow, and what they cost.

`failing_callers` compares the extracted side with the control, `known_rate` a
share with a number, `spending` divides alpha. `stopping` computes exactly when
such tests end; `feasibility` makes of that how many callers a step needs.
"""
