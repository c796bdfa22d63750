"""The judge's logic: the outcome of each pair. Start with `judge`.

`case` is a migration under judgement, `confirming` asks both sides again where
they differ, `learning` to learn what varies, `pending` runs such requests;
`ledger` adds up the outcomes.
"""
