"""Rate limits: start with `limiter`; workers count in `shared_buckets`, machines in Redis (`redis_counts`)."""
