"""In the judge: what each pair comes to. Start with `judge`.

`case` is a migration under judgement, `confirming` asks both sides again where
they differ, `ledger` adds up the outcomes.
"""
