"""`strangler rollout`: where migrations stand that the controller moves, and orders about them.

`commands` declares the commands, `orders` carries them out by the admin API,
`text` is what they print, `simulate` plays a rollout without a gateway.
"""
