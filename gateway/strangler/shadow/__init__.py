"""Proof on live traffic: requests are copied to the other side, and the responses compared.

`copying` runs in workers and makes pairs (`pair`); `judging` gives each pair an
outcome; `noise` separates volatile values from faults; `evidence` is stored and
summed up; `report` shows it. `self_test` sends `known_pairs` while it runs;
`comparable_requests` asks both sides for responses that can be compared.
"""
