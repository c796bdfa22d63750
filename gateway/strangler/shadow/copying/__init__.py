"""In a worker: requests are recorded, copied and paired. Start with `mirror`.

Clients never wait for a copy. No database, no configuration text.
"""
